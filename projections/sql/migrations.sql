-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('orderflow.migrations.' || %(schema)s, 0))

-- name: exists
SELECT to_regclass(format('%%I.migrations', %(schema)s::text)) IS NOT NULL

-- name: prepare
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE {schema}.migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {schema}.migrations IS 'What has been done to this schema; `orderflow database migrate` keeps it.';
COMMENT ON COLUMN {schema}.migrations.name IS 'The file.';
COMMENT ON COLUMN {schema}.migrations.checksum IS 'SHA-256 of its text: an applied file is never changed.';
COMMENT ON COLUMN {schema}.migrations.applied_at IS 'When it was applied.'

-- name: applied
SELECT name, checksum, applied_at FROM {schema}.migrations ORDER BY name

-- name: enter
SET LOCAL search_path TO {schema}

-- name: record
INSERT INTO {schema}.migrations (name, checksum) VALUES (%(name)s, %(checksum)s)

-- name: database exists
SELECT 1 FROM pg_database WHERE datname = %(name)s

-- name: create database
CREATE DATABASE {name}
