-- Orders as their events say. Facts are columns; a status that follows from facts is generated, so that no order of
-- arrival and no repeated event can make it wrong.
CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    customer_id uuid,
    status text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN sequence > 0 THEN reached
            WHEN cancelled_at IS NOT NULL THEN 'CANCELLED'
            WHEN confirmed_at IS NOT NULL THEN 'CONFIRMED'
            WHEN created_at IS NOT NULL THEN 'CREATED'
            WHEN rejected_at IS NOT NULL THEN 'REJECTED'
            ELSE 'UNRECOGNIZED'
        END
    ) STORED,
    total bigint CHECK (total >= 0),
    currency text,
    revision integer NOT NULL DEFAULT 0,
    confirmation_number text,
    payment_authorization_id text,
    reservation_id text,
    cancellation_reason text CHECK (
        cancellation_reason IN ('CUSTOMER_REQUESTED', 'PAYMENT_FAILED', 'OUT_OF_STOCK', 'FRAUD', 'UNRECOGNIZED')
    ),
    rejection_reason text CHECK (
        rejection_reason IN ('ALREADY_CANCELLED', 'CONFLICTING_ORDER', 'INVALID', 'UNRECOGNIZED')
    ),
    rejection_detail text,
    created_at timestamptz,
    confirmed_at timestamptz,
    completed_at timestamptz,
    cancelled_at timestamptz,
    rejected_at timestamptz,
    reached text CHECK (
        reached IN (
            'CONFIRMED', 'ON_HOLD', 'AWAITING_FULFILMENT', 'FULFILLING', 'COMPLETED', 'CANCELLED', 'ARCHIVED',
            'UNRECOGNIZED'
        )
    ),
    sequence integer NOT NULL DEFAULT 0 CHECK (sequence >= 0),
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL,
    CHECK (sequence = 0 OR reached IS NOT NULL)
);
-- Of a customer, newest first, page by page; with a status or without.
CREATE INDEX orders_of_customer ON orders (customer_id, created_at DESC, order_id);
CREATE INDEX orders_of_customer_by_status ON orders (customer_id, status, created_at DESC, order_id);
CREATE INDEX orders_by_status ON orders (status, changed_at);
COMMENT ON TABLE orders IS 'One row for each order that orders.<env>.events speaks of.';
COMMENT ON COLUMN orders.order_id IS 'The order; its checkout, reservation and payment have the same id.';
COMMENT ON COLUMN orders.customer_id IS 'Who buys; null where the order never came to be.';
COMMENT ON COLUMN orders.status IS 'What the last OrderStatusChanged reached; before the first one: CANCELLED, CONFIRMED, CREATED or REJECTED, the first of these that was said.';
COMMENT ON COLUMN orders.total IS 'What the customer pays, in minor units, after the last amendment; null where the order never came to be.';
COMMENT ON COLUMN orders.currency IS 'ISO 4217, of all amounts.';
COMMENT ON COLUMN orders.revision IS 'The edition that total and currency are of: 1 as created, then as OrderAmended counts; 0 where neither was said.';
COMMENT ON COLUMN orders.confirmation_number IS 'What the customer quotes to support.';
COMMENT ON COLUMN orders.payment_authorization_id IS 'The authorization of the payment, as OrderConfirmed names it.';
COMMENT ON COLUMN orders.reservation_id IS 'The reservation that holds the goods, as OrderConfirmed names it.';
COMMENT ON COLUMN orders.cancellation_reason IS 'Why it was called off.';
COMMENT ON COLUMN orders.rejection_reason IS 'Why the last request under this id was turned down: an order may stand beside it.';
COMMENT ON COLUMN orders.rejection_detail IS 'The same for people.';
COMMENT ON COLUMN orders.created_at IS 'When the order came to be.';
COMMENT ON COLUMN orders.confirmed_at IS 'When it was promised to the customer.';
COMMENT ON COLUMN orders.completed_at IS 'When the goods were handed over.';
COMMENT ON COLUMN orders.cancelled_at IS 'When it was called off.';
COMMENT ON COLUMN orders.rejected_at IS 'When the last request under this id was turned down.';
COMMENT ON COLUMN orders.reached IS 'newStatus of the OrderStatusChanged with the greatest sequence.';
COMMENT ON COLUMN orders.sequence IS 'The greatest sequence of an OrderStatusChanged; 0 before the first.';
COMMENT ON COLUMN orders.changed_at IS 'Timestamp of the last record applied.';
COMMENT ON COLUMN orders.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

CREATE TABLE order_items (
    order_id uuid,
    product_id uuid,
    line integer CHECK (line >= 1),
    quantity integer NOT NULL,
    unit_price bigint NOT NULL CHECK (unit_price >= 0),
    revision integer NOT NULL CHECK (revision >= 1),
    version bigint NOT NULL,
    PRIMARY KEY (order_id, product_id)
);
CREATE INDEX order_items_of_product ON order_items (product_id);
COMMENT ON TABLE order_items IS 'What is bought. The contract has one entry per product, and an amendment names its product, not its line: so the product is the key.';
COMMENT ON COLUMN order_items.order_id IS 'The order.';
COMMENT ON COLUMN order_items.product_id IS 'The product (OrderCreated.items.sku).';
COMMENT ON COLUMN order_items.line IS 'Its place in OrderCreated, from 1; null where an amendment brought it in.';
COMMENT ON COLUMN order_items.quantity IS 'Pieces of it; 0 where an amendment took it out.';
COMMENT ON COLUMN order_items.unit_price IS 'Price of one piece, in minor units of the order''s currency.';
COMMENT ON COLUMN order_items.revision IS 'The edition of the order that quantity and unit_price are of.';
COMMENT ON COLUMN order_items.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

CREATE TABLE order_status_history (
    order_id uuid,
    sequence integer CHECK (sequence >= 1),
    previous_status text NOT NULL CHECK (
        previous_status IN (
            'CREATED', 'CONFIRMED', 'ON_HOLD', 'AWAITING_FULFILMENT', 'FULFILLING', 'COMPLETED', 'CANCELLED',
            'UNRECOGNIZED'
        )
    ),
    status text NOT NULL CHECK (
        status IN (
            'CONFIRMED', 'ON_HOLD', 'AWAITING_FULFILMENT', 'FULFILLING', 'COMPLETED', 'CANCELLED', 'ARCHIVED',
            'UNRECOGNIZED'
        )
    ),
    reason text,
    changed_at timestamptz NOT NULL,
    topic_partition integer NOT NULL,
    topic_offset bigint NOT NULL,
    PRIMARY KEY (order_id, sequence)
);
COMMENT ON TABLE order_status_history IS 'Every transition that was told, as it was told first: a row never changes.';
COMMENT ON COLUMN order_status_history.order_id IS 'The order.';
COMMENT ON COLUMN order_status_history.sequence IS 'The order''s how-manieth transition; a gap is a lost record.';
COMMENT ON COLUMN order_status_history.previous_status IS 'What it left.';
COMMENT ON COLUMN order_status_history.status IS 'What it reached.';
COMMENT ON COLUMN order_status_history.reason IS 'What made it change, in words.';
COMMENT ON COLUMN order_status_history.changed_at IS 'When it changed.';
COMMENT ON COLUMN order_status_history.topic_partition IS 'The partition of orders.<env>.events that says so.';
COMMENT ON COLUMN order_status_history.topic_offset IS 'And the offset in it.';

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
