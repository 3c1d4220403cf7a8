-- name: sweep
-- Each request takes away a few that are over, so that the table stays as small as a day; and its own, if that is over.
DELETE FROM access.requests
WHERE expires_at < now()
  AND ((client, idempotency_key) = (%(client)s, %(key)s)
       OR (client, idempotency_key) IN (
           SELECT client, idempotency_key FROM access.requests WHERE expires_at < now()
           ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED))

-- name: claim
-- Whoever comes second gets the first one's row: the update changes nothing, it is how PostgreSQL gives it back.
INSERT INTO access.requests (client, idempotency_key, fingerprint, subject, expires_at)
VALUES (%(client)s, %(key)s, %(fingerprint)s, %(subject)s, now() + %(stays)s)
ON CONFLICT (client, idempotency_key) DO UPDATE SET client = excluded.client
RETURNING fingerprint, accepted, (extract(epoch FROM asked_at) * 1000)::bigint AS asked_at

-- name: accepted
UPDATE access.requests SET accepted = %(accepted)s
WHERE (client, idempotency_key) = (%(client)s, %(key)s) AND accepted IS NULL
