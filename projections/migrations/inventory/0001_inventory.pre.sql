-- Stock and reservations as their events say. Reservations hear two topics, whose order to each other nobody knows: so
-- their columns are facts that commute, and the status is generated from them.
CREATE TABLE reservations (
    reservation_id uuid PRIMARY KEY,
    order_id uuid,
    cart_id uuid,
    status text NOT NULL GENERATED ALWAYS AS (
        CASE
            WHEN unavailable_at > coalesce(greatest(reserved_at, released_at), '-infinity') THEN 'UNAVAILABLE'
            WHEN released_at >= coalesce(reserved_at, '-infinity') THEN 'RELEASED'
            WHEN confirmed_at IS NOT NULL THEN 'CONFIRMED'
            ELSE 'RESERVED'
        END
    ) STORED,
    reserved_at timestamptz,
    unavailable_at timestamptz,
    released_at timestamptz,
    release_reason text CHECK (
        release_reason IN ('CHECKOUT_FAILED', 'ORDER_CANCELLED', 'EXPIRED', 'UNRECOGNIZED')
    ),
    confirmed_at timestamptz,
    version bigint NOT NULL DEFAULT 0
);
CREATE INDEX reservations_by_status ON reservations (status, reserved_at);
COMMENT ON TABLE reservations IS 'One row for each reservation that inventory.<env>.events speaks of, or that a confirmed order should have.';
COMMENT ON COLUMN reservations.reservation_id IS 'The reservation; its order has the same id.';
COMMENT ON COLUMN reservations.order_id IS 'The order that the goods are for.';
COMMENT ON COLUMN reservations.cart_id IS 'The cart that it came from.';
COMMENT ON COLUMN reservations.status IS 'What was said last of UNAVAILABLE, RELEASED and RESERVED; a RESERVED one whose order is confirmed is CONFIRMED, and its pieces have left the stock.';
COMMENT ON COLUMN reservations.reserved_at IS 'When the last piece was held.';
COMMENT ON COLUMN reservations.unavailable_at IS 'When the stock was looked at and found short.';
COMMENT ON COLUMN reservations.released_at IS 'When the pieces were given back. Later than it, reserved_at says that they were sought anew and found.';
COMMENT ON COLUMN reservations.release_reason IS 'Why.';
COMMENT ON COLUMN reservations.confirmed_at IS 'When the order was confirmed (OrderConfirmed, on orders.<env>.events).';
COMMENT ON COLUMN reservations.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row. Of inventory.<env>.events alone: what OrderConfirmed says is applied whatever the version, and doesn''t raise it.';

CREATE TABLE reservation_items (
    reservation_id uuid,
    product_id uuid,
    quantity integer NOT NULL CHECK (quantity >= 1),
    version bigint NOT NULL,
    PRIMARY KEY (reservation_id, product_id)
);
CREATE INDEX reservation_items_of_product ON reservation_items (product_id);
COMMENT ON TABLE reservation_items IS 'What a reservation holds, or held: InventoryReserved.items.';
COMMENT ON COLUMN reservation_items.reservation_id IS 'The reservation.';
COMMENT ON COLUMN reservation_items.product_id IS 'The product.';
COMMENT ON COLUMN reservation_items.quantity IS 'Pieces of it.';
COMMENT ON COLUMN reservation_items.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

CREATE TABLE stock (
    product_id uuid PRIMARY KEY,
    on_hand integer,
    warehouse_id uuid,
    out_of_stock_at timestamptz,
    changed_at timestamptz NOT NULL,
    version bigint NOT NULL
);
COMMENT ON TABLE stock IS 'Pieces of each product. Reserved is the sum of reservation_items whose reservation is RESERVED; available is on_hand less that.';
COMMENT ON COLUMN stock.product_id IS 'The product.';
COMMENT ON COLUMN stock.on_hand IS 'Pieces there are, held or not (InventoryAdjusted.new_quantity); null until the first was said.';
COMMENT ON COLUMN stock.warehouse_id IS 'The warehouse of the last AddInventory that was published, taken on or not, or of OutOfStock.';
COMMENT ON COLUMN stock.out_of_stock_at IS 'When the last available piece went, the last time it did.';
COMMENT ON COLUMN stock.changed_at IS 'Timestamp of the last record applied.';
COMMENT ON COLUMN stock.version IS 'generation * 2^40 + the offset after the last event applied; an older event never changes the row.';

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
