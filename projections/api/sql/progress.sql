-- name: all
SELECT 'orders' AS model, topic, partition, next_offset FROM orders.progress
UNION ALL SELECT 'payments', topic, partition, next_offset FROM payments.progress
UNION ALL SELECT 'inventory', topic, partition, next_offset FROM inventory.progress
UNION ALL SELECT 'checkouts', topic, partition, next_offset FROM checkouts.progress
ORDER BY 1, 2, 3
