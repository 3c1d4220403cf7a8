-- name: of order
-- A payment has its order's id; one that was begun elsewhere may not.
SELECT
    order_id::text AS "orderId",
    CASE status
        WHEN 'CAPTURED' THEN 'completed'
        WHEN 'REFUNDING' THEN 'completed'
        WHEN 'REFUNDED' THEN 'refunded'
        WHEN 'FAILED' THEN 'failed'
        WHEN 'VOIDED' THEN 'failed'
        ELSE 'pending'
    END AS "paymentStatus",
    status,
    amount,
    currency,
    method AS "paymentMethod",
    transaction_id::text AS "transactionId",
    (extract(epoch FROM changed_at) * 1000)::bigint AS "paymentDate",
    failure_reason AS "failureReason"
FROM payments.payments
WHERE order_id = %(order_id)s
ORDER BY changed_at DESC, payment_id
LIMIT 1
