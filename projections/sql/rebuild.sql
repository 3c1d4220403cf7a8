-- name: alone
-- For as long as the connection lives: of two who rebuild a model, or bring it back, one is refused.
SELECT pg_advisory_lock(hashtextextended('orderflow.rebuild.' || %(model)s, 0))

-- name: patience
-- A range of keys is folded, or a table compared, in longer than a statement of a projector may take.
SELECT
    set_config('statement_timeout', '0', false),
    set_config('idle_in_transaction_session_timeout', '10min', false),
    set_config('maintenance_work_mem', '256MB', false)

-- name: enter
SET LOCAL search_path TO {schema}

-- name: there
SELECT to_regnamespace(%(schema)s) IS NOT NULL

-- name: begun
SELECT to_regclass(%(schema)s || '.rebuilding') IS NOT NULL

-- name: code
SELECT code FROM {schema}.rebuilding

-- name: drop
DROP SCHEMA IF EXISTS {schema} CASCADE

-- name: note
CREATE TABLE {schema}.rebuilding (code text NOT NULL);
CREATE TABLE {schema}.deferred (relation text NOT NULL, statement text PRIMARY KEY)

-- name: note code
INSERT INTO {schema}.rebuilding (code) VALUES (%(code)s)

-- name: forget notes
DROP TABLE {schema}.rebuilding, {schema}.deferred

-- name: secondary
-- What makes COPY slow and can be made afterwards: of each table, how it is dropped and how it is made.
SELECT
    relation.relname,
    format('ALTER TABLE %%I.%%I DROP CONSTRAINT %%I', space.nspname, relation.relname, each.conname),
    format(
        'ALTER TABLE %%I.%%I ADD CONSTRAINT %%I %%s',
        space.nspname, relation.relname, each.conname, pg_get_constraintdef(each.oid)
    )
FROM pg_constraint AS each
JOIN pg_class AS relation ON relation.oid = each.conrelid
JOIN pg_namespace AS space ON space.oid = relation.relnamespace
WHERE space.nspname = %(schema)s AND relation.relname = ANY(%(tables)s) AND each.contype IN ('p', 'u', 'x')
UNION ALL
SELECT
    relation.relname,
    format('DROP INDEX %%I.%%I', space.nspname, found.relname),
    pg_get_indexdef(each.indexrelid)
FROM pg_index AS each
JOIN pg_class AS found ON found.oid = each.indexrelid
JOIN pg_class AS relation ON relation.oid = each.indrelid
JOIN pg_namespace AS space ON space.oid = relation.relnamespace
WHERE space.nspname = %(schema)s AND relation.relname = ANY(%(tables)s)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = each.indexrelid)

-- name: defer
INSERT INTO {schema}.deferred (relation, statement) VALUES (%(relation)s, %(statement)s)

-- name: deferred
SELECT relation, statement FROM {schema}.deferred ORDER BY relation, statement

-- name: made
DELETE FROM {schema}.deferred WHERE statement = %(statement)s

-- name: empty
TRUNCATE {tables}

-- name: analyze
ANALYZE {table}

-- name: marks
SELECT topic, partition, topic_id, generation, next_offset FROM {schema}.progress ORDER BY topic, partition

-- name: place
-- First in its transaction: whoever else fills that partition, perhaps for a run that was killed, waits here and is late.
INSERT INTO progress (topic, partition, topic_id, generation, next_offset, epoch)
VALUES (%(topic)s, %(partition)s, %(topic_id)s, %(generation)s, %(next_offset)s, 0)
ON CONFLICT DO NOTHING

-- name: filled
SELECT topic, partition FROM {schema}.progress

-- name: columns
SELECT attname FROM pg_attribute
WHERE attrelid = to_regclass(%(table)s) AND attnum > 0 AND NOT attisdropped
ORDER BY attname

-- name: sums
-- The order of rows does not matter to a sum of hashes. Ranges are the beginnings of ids.
SELECT left({by}::text, 2), count(*), sum(hashtextextended(ROW({columns})::text, 0))
FROM {table}
GROUP BY 1

-- name: hashes
SELECT {key}, hashtextextended(ROW({columns})::text, 0) FROM {table} WHERE left({by}::text, 2) = ANY(%(ranges)s)

-- name: rows
SELECT {key}, {columns} FROM {table} WHERE {by} = ANY(%(ids)s::uuid[])

-- name: limits
-- Others wait meanwhile, so whoever hangs here is thrown out by the server.
SELECT
    set_config('lock_timeout', %(lock)s, true),
    set_config('statement_timeout', %(hold)s, true),
    set_config('idle_in_transaction_session_timeout', %(hold)s, true)

-- name: exclusive
SELECT pg_advisory_xact_lock(hashtextextended('orderflow.projection.' || %(model)s, 0))

-- name: adopt epochs
-- Whoever has the partitions goes on in what is now under the name, if that is at the same offset; else its next batch
-- is fenced, and it begins again from here. An owner that was fenced before stays so.
UPDATE {to}.progress AS t
SET epoch = f.epoch, updated_at = now()
FROM {of}.progress AS f
WHERE (t.topic, t.partition) = (f.topic, f.partition)

-- name: grants
-- Whoever may read the one may read the other.
WITH given AS (
    SELECT 'SCHEMA' AS kind, format('%%I', %(to)s::text) AS name, nspowner AS owner, nspacl AS acl
    FROM pg_namespace
    WHERE nspname = %(of)s
    UNION ALL
    SELECT 'TABLE', format('%%I.%%I', %(to)s::text, relname), relowner, relacl
    FROM pg_class
    WHERE relnamespace = to_regnamespace(%(of)s) AND relkind = 'r'
        AND to_regclass(format('%%I.%%I', %(to)s::text, relname)) IS NOT NULL
)
SELECT format(
    'GRANT %%s ON %%s %%s TO %%s%%s',
    said.privilege_type, kind, name,
    CASE WHEN said.grantee = 0 THEN 'PUBLIC' ELSE said.grantee::regrole::text END,
    CASE WHEN said.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
)
FROM given, aclexplode(acl) AS said
WHERE said.grantee <> owner

-- name: dependents
-- They mean the tables, not their names: after a swap they would show the old ones, and vanish with those.
SELECT DISTINCT view.oid::regclass::text
FROM pg_depend AS each
JOIN pg_rewrite AS rule ON rule.oid = each.objid
JOIN pg_class AS view ON view.oid = rule.ev_class
JOIN pg_class AS relation ON relation.oid = each.refobjid
WHERE each.classid = 'pg_rewrite'::regclass AND each.refclassid = 'pg_class'::regclass
    AND relation.relnamespace::regnamespace::text = ANY(%(schemas)s)
    AND view.relnamespace <> relation.relnamespace
UNION
SELECT conrelid::regclass::text
FROM pg_constraint JOIN pg_class AS relation ON relation.oid = confrelid
WHERE relation.relnamespace::regnamespace::text = ANY(%(schemas)s) AND connamespace <> relation.relnamespace
ORDER BY 1

-- name: rename
ALTER SCHEMA {schema} RENAME TO {name}
