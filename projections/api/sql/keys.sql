-- name: mint
INSERT INTO access.keys (key_id, client, scopes, digest)
VALUES (%(key_id)s, %(client)s, %(scopes)s, %(digest)s)

-- name: revoke
UPDATE access.keys SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = %(key_id)s

-- name: list
SELECT key_id, client, scopes, created_at, revoked_at FROM access.keys ORDER BY created_at, key_id

-- name: find
SELECT client, scopes, digest FROM access.keys WHERE key_id = %(key_id)s AND revoked_at IS NULL
