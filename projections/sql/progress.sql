-- name: lock
-- A rebuild's swap takes it alone, so that all names of a transaction are resolved on one side of it.
SELECT pg_advisory_xact_lock_shared(hashtextextended('orderflow.projection.' || %(model)s, 0))

-- name: enter
SET LOCAL search_path TO {schema}

-- name: take
-- Another topic under the same name begins anew; versions of its events are greater than all before.
INSERT INTO progress AS t (topic, partition, topic_id, next_offset, epoch)
VALUES (%(topic)s, %(partition)s, %(topic_id)s, 0, 1)
ON CONFLICT (topic, partition) DO UPDATE SET
    topic_id = excluded.topic_id,
    generation = t.generation + (t.topic_id <> excluded.topic_id)::integer,
    next_offset = CASE WHEN t.topic_id = excluded.topic_id THEN t.next_offset ELSE 0 END,
    epoch = t.epoch + 1,
    updated_at = now()
RETURNING next_offset, epoch, generation

-- name: advance
UPDATE progress
SET next_offset = %(next_offset)s, updated_at = now()
WHERE topic = %(topic)s AND partition = %(partition)s AND next_offset = %(first)s AND epoch = %(epoch)s
