-- Checkouts as their events say, with the carts that they came from.
CREATE TABLE checkouts (
    checkout_id uuid PRIMARY KEY,
    cart_id uuid NOT NULL,
    attempt integer CHECK (attempt >= 1),
    customer_id uuid NOT NULL,
    total bigint CHECK (total >= 0),
    currency text,
    status text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN order_id IS NOT NULL THEN 'COMPLETED'
            WHEN ended_at IS NOT NULL THEN 'FAILED'
            ELSE 'STARTED'
        END
    ) STORED,
    step text CHECK (
        step IN (
            'RESERVE_INVENTORY', 'AUTHORIZE_PAYMENT', 'CREATE_ORDER', 'CAPTURE_PAYMENT', 'CONFIRM_ORDER',
            'UNRECOGNIZED'
        )
    ),
    reason text CHECK (
        reason IN (
            'INVENTORY_UNAVAILABLE', 'PAYMENT_FAILED', 'ORDER_REJECTED', 'CAPTURE_FAILED', 'CANCELLED', 'TIMED_OUT',
            'UNRECOGNIZED'
        )
    ),
    detail text,
    compensated text[],
    order_id uuid,
    started_at timestamptz,
    ended_at timestamptz,
    version bigint NOT NULL
);
CREATE INDEX checkouts_of_cart ON checkouts (cart_id, attempt);
CREATE INDEX checkouts_by_status ON checkouts (status, started_at);
COMMENT ON TABLE checkouts IS 'One row for each attempt that checkout.<env>.events speaks of.';
COMMENT ON COLUMN checkouts.checkout_id IS 'The attempt; its order, reservation and payment have the same id.';
COMMENT ON COLUMN checkouts.cart_id IS 'The cart; an order placed without one has its order id here.';
COMMENT ON COLUMN checkouts.attempt IS 'Which try of this cart it is, from 1.';
COMMENT ON COLUMN checkouts.customer_id IS 'Who buys.';
COMMENT ON COLUMN checkouts.total IS 'What the customer pays, in minor units.';
COMMENT ON COLUMN checkouts.currency IS 'ISO 4217.';
COMMENT ON COLUMN checkouts.status IS 'STARTED, COMPLETED or FAILED.';
COMMENT ON COLUMN checkouts.step IS 'The step that failed.';
COMMENT ON COLUMN checkouts.reason IS 'Why, for programs.';
COMMENT ON COLUMN checkouts.detail IS 'Why, for people.';
COMMENT ON COLUMN checkouts.compensated IS 'The steps that were undone, in the order undone.';
COMMENT ON COLUMN checkouts.order_id IS 'The order that came of it.';
COMMENT ON COLUMN checkouts.started_at IS 'When the saga took its first step.';
COMMENT ON COLUMN checkouts.ended_at IS 'When it was completed, or failed and all of it was undone.';
COMMENT ON COLUMN checkouts.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

CREATE TABLE rejections (
    cart_id uuid,
    rejected_at timestamptz,
    reason text CHECK (
        reason IN ('EMPTY_CART', 'TOTALS_DO_NOT_ADD_UP', 'DUPLICATE', 'NOT_PRICED', 'INVALID', 'UNRECOGNIZED')
    ),
    customer_id uuid NOT NULL,
    detail text NOT NULL,
    checkout_id uuid,
    version bigint NOT NULL,
    PRIMARY KEY (cart_id, rejected_at, reason)
);
COMMENT ON TABLE rejections IS 'Checkouts that were turned away before they started. One that is told twice has the same moment and reason.';
COMMENT ON COLUMN rejections.cart_id IS 'The cart.';
COMMENT ON COLUMN rejections.rejected_at IS 'When it was turned away.';
COMMENT ON COLUMN rejections.reason IS 'What was wrong, for programs.';
COMMENT ON COLUMN rejections.customer_id IS 'Who wanted to buy.';
COMMENT ON COLUMN rejections.detail IS 'What was wrong, for people.';
COMMENT ON COLUMN rejections.checkout_id IS 'The checkout that it duplicates; null for any other reason.';
COMMENT ON COLUMN rejections.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

CREATE TABLE carts (
    cart_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL,
    items jsonb NOT NULL,
    subtotal bigint CHECK (subtotal >= 0),
    discount bigint CHECK (discount >= 0),
    total bigint NOT NULL CHECK (total >= 0),
    currency text NOT NULL,
    checked_out_at timestamptz NOT NULL,
    version bigint NOT NULL
);
COMMENT ON TABLE carts IS 'Carts as they were checked out last (CartCheckedOut, on carts.<env>.events).';
COMMENT ON COLUMN carts.cart_id IS 'The cart.';
COMMENT ON COLUMN carts.customer_id IS 'Who buys.';
COMMENT ON COLUMN carts.items IS 'A list of objects with productId, quantity and unitPrice, in the cart''s order.';
COMMENT ON COLUMN carts.subtotal IS 'As it was said, else the sum of all lines, in minor units.';
COMMENT ON COLUMN carts.discount IS 'Taken off it.';
COMMENT ON COLUMN carts.total IS 'What the customer pays, in minor units.';
COMMENT ON COLUMN carts.currency IS 'ISO 4217.';
COMMENT ON COLUMN carts.checked_out_at IS 'When the customer checked out.';
COMMENT ON COLUMN carts.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

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
