-- name: one
SELECT
    o.order_id::text AS "orderId",
    o.customer_id::text AS "customerId",
    o.status,
    coalesce(
        (SELECT jsonb_agg(
                    jsonb_build_object('productId', i.product_id, 'quantity', i.quantity, 'unitPrice', i.unit_price)
                    ORDER BY i.line, i.product_id)
         FROM orders.order_items i
         WHERE i.order_id = o.order_id AND i.quantity > 0),
        '[]') AS items,
    o.total,
    o.currency,
    (extract(epoch FROM o.created_at) * 1000)::bigint AS "createdAt",
    (extract(epoch FROM o.confirmed_at) * 1000)::bigint AS "confirmedAt",
    (extract(epoch FROM o.completed_at) * 1000)::bigint AS "completedAt",
    (extract(epoch FROM o.cancelled_at) * 1000)::bigint AS "cancelledAt",
    (extract(epoch FROM o.rejected_at) * 1000)::bigint AS "rejectedAt",
    (extract(epoch FROM o.changed_at) * 1000)::bigint AS "changedAt",
    o.confirmation_number AS "confirmationNumber",
    o.payment_authorization_id AS "paymentAuthorizationId",
    o.reservation_id AS "inventoryReservationId",
    o.cancellation_reason AS "cancellationReason",
    o.rejection_reason AS "rejectionReason",
    o.rejection_detail AS "rejectionDetail",
    o.sequence,
    o.version
FROM orders.orders o
WHERE o.order_id = %(order_id)s

-- name: page
-- Newest first; of one moment, by id: as the index has them, so a page costs the same wherever it is.
SELECT
    order_id::text AS "orderId",
    status,
    total,
    currency,
    (extract(epoch FROM created_at) * 1000)::bigint AS "createdAt",
    (extract(epoch FROM changed_at) * 1000)::bigint AS "changedAt"
FROM orders.orders
WHERE customer_id = %(customer_id)s
  AND created_at IS NOT NULL
  AND (%(status)s::text IS NULL OR status = %(status)s)
  AND (%(at)s::bigint IS NULL
       OR (created_at <= timestamptz 'epoch' + %(at)s * interval '1 millisecond'
           AND (created_at < timestamptz 'epoch' + %(at)s * interval '1 millisecond' OR order_id > %(after)s)))
ORDER BY created_at DESC, order_id
LIMIT %(limit)s

-- name: history
SELECT
    sequence,
    previous_status AS "previousStatus",
    status,
    reason,
    (extract(epoch FROM changed_at) * 1000)::bigint AS "changedAt",
    topic_partition AS "partition",
    topic_offset AS "offset"
FROM orders.order_status_history
WHERE order_id = %(order_id)s AND sequence > %(after)s
ORDER BY sequence
LIMIT %(limit)s

-- name: exists
SELECT 1 FROM orders.orders WHERE order_id = %(order_id)s

-- name: ended
-- Which of these orders are where nothing but the archive follows.
SELECT order_id::text AS "orderId"
FROM orders.orders
WHERE order_id = ANY(%(order_ids)s) AND status = ANY(%(ends)s)

-- name: news
-- For many who listen at once: what came after the last that each of them heard, and how the order stands.
SELECT
    asked.order_id::text AS "orderId",
    asked.after,
    o.status,
    h.entries
FROM unnest(%(order_ids)s::uuid[], %(afters)s::int[]) AS asked (order_id, after)
JOIN orders.orders o ON o.order_id = asked.order_id
CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_agg(entry ORDER BY (entry ->> 'sequence')::int), '[]') AS entries
    FROM (
        SELECT jsonb_build_object(
                   'sequence', sequence,
                   'previousStatus', previous_status,
                   'status', status,
                   'reason', reason,
                   'changedAt', (extract(epoch FROM changed_at) * 1000)::bigint,
                   'partition', topic_partition,
                   'offset', topic_offset) AS entry
        FROM orders.order_status_history
        WHERE order_id = asked.order_id AND sequence > asked.after
        ORDER BY sequence
        LIMIT %(limit)s
    ) AS following
) AS h
WHERE h.entries <> '[]' OR o.status = ANY(%(ends)s)
