-- name: one
SELECT
    s.product_id::text AS "productId",
    greatest(s.on_hand - h.reserved, 0)::int AS "availableQuantity",
    h.reserved AS "reservedQuantity",
    coalesce(s.warehouse_id::text, 'unknown') AS "warehouseLocation"
FROM inventory.stock s
CROSS JOIN LATERAL (
    SELECT least(coalesce(sum(i.quantity), 0), 2147483647)::int AS reserved
    FROM inventory.reservation_items i
    JOIN inventory.reservations r USING (reservation_id)
    WHERE i.product_id = s.product_id AND r.status = 'RESERVED'
) AS h
WHERE s.product_id = %(product_id)s AND s.on_hand IS NOT NULL

-- name: page
-- The count is of all pages, so it stands beside an empty page, too.
WITH levels AS (
    SELECT
        s.product_id,
        greatest(s.on_hand - coalesce(h.reserved, 0), 0)::int AS available,
        least(coalesce(h.reserved, 0), 2147483647)::int AS reserved,
        coalesce(s.warehouse_id::text, 'unknown') AS location
    FROM inventory.stock s
    LEFT JOIN (
        SELECT i.product_id, sum(i.quantity) AS reserved
        FROM inventory.reservation_items i
        JOIN inventory.reservations r USING (reservation_id)
        WHERE r.status = 'RESERVED'
        GROUP BY i.product_id
    ) AS h USING (product_id)
    WHERE s.on_hand IS NOT NULL
),
wanted AS (
    SELECT * FROM levels
    WHERE (%(location)s::text IS NULL OR location = %(location)s)
      AND (%(least)s::int IS NULL OR available >= %(least)s)
      AND (%(in_stock)s::boolean IS NULL OR (available > 0) = %(in_stock)s)
)
SELECT
    (SELECT count(*) FROM wanted) AS "totalItems",
    coalesce(
        (SELECT jsonb_agg(
                    jsonb_build_object(
                        'productId', product_id, 'availableQuantity', available,
                        'reservedQuantity', reserved, 'warehouseLocation', location)
                    ORDER BY product_id)
         FROM (SELECT * FROM wanted ORDER BY product_id LIMIT %(size)s OFFSET %(skipped)s) AS page),
        '[]') AS items
