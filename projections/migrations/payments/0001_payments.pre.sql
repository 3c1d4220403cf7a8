-- Payments as their events say. The status is generated from the facts, so that an answer that is given again changes
-- nothing.
CREATE TABLE payments (
    payment_id uuid PRIMARY KEY,
    order_id uuid,
    customer_id uuid,
    transaction_id uuid,
    amount bigint CHECK (amount >= 0),
    captured_amount bigint CHECK (captured_amount >= 0),
    currency text,
    method text CHECK (method IN ('CreditCard', 'DebitCard', 'BankTransfer', 'PayPal', 'UNRECOGNIZED')),
    status text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN refunded_at IS NOT NULL THEN 'REFUNDED'
            WHEN refund_requested_at IS NOT NULL THEN 'REFUNDING'
            WHEN captured_at IS NOT NULL THEN 'CAPTURED'
            WHEN voided_at IS NOT NULL THEN 'VOIDED'
            WHEN capture_failed_at >= coalesce(authorized_at, capture_failed_at) THEN 'CAPTURE_FAILED'
            WHEN authorized_at IS NOT NULL THEN 'AUTHORIZED'
            WHEN failed_at IS NOT NULL THEN 'FAILED'
            ELSE 'PENDING'
        END
    ) STORED,
    failure_reason text CHECK (
        failure_reason IN (
            'CARD_DECLINED', 'INSUFFICIENT_FUNDS', 'EXPIRED_CARD', 'FRAUD_SUSPECTED', 'PROCESSING_ERROR',
            'UNRECOGNIZED'
        )
    ),
    initiated_at timestamptz,
    authorized_at timestamptz,
    captured_at timestamptz,
    capture_failed_at timestamptz,
    failed_at timestamptz,
    voided_at timestamptz,
    refund_requested_at timestamptz,
    refunded_at timestamptz,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX payments_of_order ON payments (order_id);
CREATE INDEX payments_by_status ON payments (status, changed_at);
COMMENT ON TABLE payments IS 'One row for each payment that payments.<env>.events speaks of.';
COMMENT ON COLUMN payments.payment_id IS 'The payment; an event that names only its order means the payment of the same id.';
COMMENT ON COLUMN payments.order_id IS 'The order that is paid for; null where only RefundProcessed was said.';
COMMENT ON COLUMN payments.customer_id IS 'Who pays.';
COMMENT ON COLUMN payments.transaction_id IS 'The authorization (PaymentProcessed.transactionId).';
COMMENT ON COLUMN payments.amount IS 'What is held, or would have been, in minor units; unknown until somebody answered.';
COMMENT ON COLUMN payments.captured_amount IS 'What was taken of it, in minor units.';
COMMENT ON COLUMN payments.currency IS 'ISO 4217, of both amounts.';
COMMENT ON COLUMN payments.method IS 'How the customer pays.';
COMMENT ON COLUMN payments.status IS 'PENDING, AUTHORIZED, CAPTURED, FAILED (refused: nothing is held), CAPTURE_FAILED (the money may still be held), VOIDED, REFUNDING or REFUNDED.';
COMMENT ON COLUMN payments.failure_reason IS 'What the gateway objected to, the last time it did; the payment may have come further since.';
COMMENT ON COLUMN payments.initiated_at IS 'When the customer began to pay.';
COMMENT ON COLUMN payments.authorized_at IS 'When the gateway held the money (PaymentProcessed, confirmed).';
COMMENT ON COLUMN payments.captured_at IS 'When it took the money.';
COMMENT ON COLUMN payments.capture_failed_at IS 'When it refused to.';
COMMENT ON COLUMN payments.failed_at IS 'When it refused to hold the money.';
COMMENT ON COLUMN payments.voided_at IS 'Since when nothing is held, and nothing will be.';
COMMENT ON COLUMN payments.refund_requested_at IS 'When it was asked to give the money back.';
COMMENT ON COLUMN payments.refunded_at IS 'When it had given it back.';
COMMENT ON COLUMN payments.changed_at IS 'Timestamp of the last record applied.';
COMMENT ON COLUMN payments.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

CREATE TABLE refunds (
    refund_id uuid PRIMARY KEY,
    payment_id uuid NOT NULL,
    amount bigint NOT NULL CHECK (amount >= 0),
    currency text NOT NULL,
    status text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN processed_at IS NULL THEN 'REQUESTED' ELSE 'PROCESSED' END
    ) STORED,
    reason text,
    requested_at timestamptz,
    processed_at timestamptz,
    version bigint NOT NULL
);
CREATE INDEX refunds_of_payment ON refunds (payment_id);
COMMENT ON TABLE refunds IS 'Money on its way back, or back.';
COMMENT ON COLUMN refunds.refund_id IS 'The refund: asked for twice with one id, it is paid once.';
COMMENT ON COLUMN refunds.payment_id IS 'The payment that it gives back.';
COMMENT ON COLUMN refunds.amount IS 'What goes back, in minor units.';
COMMENT ON COLUMN refunds.currency IS 'ISO 4217.';
COMMENT ON COLUMN refunds.status IS 'REQUESTED, or PROCESSED once the customer has it.';
COMMENT ON COLUMN refunds.reason IS 'Why it goes back, in words.';
COMMENT ON COLUMN refunds.requested_at IS 'When the gateway was asked.';
COMMENT ON COLUMN refunds.processed_at IS 'When it had paid.';
COMMENT ON COLUMN refunds.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

-- How far each partition has been applied. Written in the transaction that writes the rows, so both are always true.
CREATE TABLE progress (
    topic text,
    partition integer CHECK (partition >= 0),
    topic_id text NOT NULL,
    generation integer NOT NULL DEFAULT 0 CHECK (generation >= 0),
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);
COMMENT ON TABLE progress IS 'How far each partition has been applied: true in every snapshot, whatever Kafka believes.';
COMMENT ON COLUMN progress.topic IS 'The topic, with its environment.';
COMMENT ON COLUMN progress.partition IS 'And its partition.';
COMMENT ON COLUMN progress.topic_id IS 'Kafka''s own id of the topic: one that was deleted and made anew has another.';
COMMENT ON COLUMN progress.generation IS 'How often the topic was made anew. Versions of rows begin with it.';
COMMENT ON COLUMN progress.next_offset IS 'What is read next; everything before it is applied, or a dead letter.';
COMMENT ON COLUMN progress.epoch IS 'Raised by whoever takes the partition; a commit with an older one changes nothing.';
COMMENT ON COLUMN progress.updated_at IS 'When that was last written.';
