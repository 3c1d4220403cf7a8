-- Who may use the HTTP API, and what they asked for under an Idempotency-Key.

CREATE TABLE keys (
    key_id text PRIMARY KEY,
    client text NOT NULL,
    scopes text[] NOT NULL CHECK (scopes <@ '{read,write,operate}' AND cardinality(scopes) > 0),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
COMMENT ON TABLE keys IS 'API keys. What is kept of a key lets nobody in: its SHA-256.';
COMMENT ON COLUMN keys.key_id IS 'The part of the key that is no secret: who revokes it names this.';
COMMENT ON COLUMN keys.client IS 'Whose it is. A client may have two for a while, to change one for the other.';
COMMENT ON COLUMN keys.digest IS 'SHA-256 of the whole key. The key is 256 random bits, so there is nothing to guess.';

CREATE TABLE requests (
    client text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint bytea NOT NULL,
    subject uuid NOT NULL,
    accepted jsonb,
    asked_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (client, idempotency_key)
);
CREATE INDEX requests_by_subject ON requests (subject);
CREATE INDEX requests_by_expiry ON requests (expires_at);
COMMENT ON TABLE requests IS 'Requests that must act once, by their Idempotency-Key, until they expire.';
COMMENT ON COLUMN requests.fingerprint IS 'SHA-256 of what was asked: the same key for something else is refused.';
COMMENT ON COLUMN requests.subject IS 'The checkout or order that it is about.';
COMMENT ON COLUMN requests.accepted IS 'The answer; none as long as Kafka has not acknowledged the command.';
COMMENT ON COLUMN requests.asked_at IS 'The first time: a repeat publishes the very same record, with this time in it.';
