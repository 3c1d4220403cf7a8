-- name: one
SELECT
    checkout_id::text AS "checkoutId",
    cart_id::text AS "cartId",
    attempt,
    customer_id::text AS "customerId",
    total,
    currency,
    status,
    step,
    reason,
    detail,
    compensated,
    order_id::text AS "orderId",
    (extract(epoch FROM started_at) * 1000)::bigint AS "startedAt",
    (extract(epoch FROM ended_at) * 1000)::bigint AS "endedAt"
FROM checkouts.checkouts
WHERE checkout_id = %(checkout_id)s

-- name: accepted
-- What this API took on is known here before anybody else has heard of it; and whether the cart was turned away since.
SELECT
    r.accepted
    || CASE WHEN t.reason IS NULL THEN '{}' ELSE jsonb_build_object(
           'status', 'REJECTED',
           'reason', t.reason,
           'detail', t.detail,
           'endedAt', (extract(epoch FROM t.rejected_at) * 1000)::bigint) END AS checkout
FROM access.requests r
LEFT JOIN LATERAL (
    SELECT reason, detail, rejected_at
    FROM checkouts.rejections
    WHERE cart_id = (r.accepted ->> 'cartId')::uuid
    ORDER BY rejected_at DESC
    LIMIT 1
) AS t ON true
WHERE r.subject = %(checkout_id)s AND r.accepted ? 'checkoutId'
LIMIT 1

-- name: ended
SELECT checkout_id::text AS "checkoutId"
FROM checkouts.checkouts
WHERE checkout_id = ANY(%(checkout_ids)s) AND status <> 'STARTED'
UNION ALL
SELECT r.subject::text
FROM access.requests r
WHERE r.subject = ANY(%(checkout_ids)s)
  AND EXISTS (SELECT FROM checkouts.rejections t WHERE t.cart_id = (r.accepted ->> 'cartId')::uuid)
