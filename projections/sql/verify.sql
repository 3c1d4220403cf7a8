-- name: progress
SELECT topic, partition, topic_id, generation, next_offset FROM {schema}.progress ORDER BY topic, partition

-- name: identity
-- Of a name as it is now, whatever the transaction's snapshot says.
SELECT to_regclass(%(name)s)::oid::bigint

-- name: rows
SELECT {columns} FROM {schema}.{table} WHERE {by} >= %(first)s AND {by} <= %(last)s
