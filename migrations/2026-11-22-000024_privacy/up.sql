-- A person's rights to their data: archives of everything that is known of them, and the receipts of
-- what was forgotten.

CREATE SCHEMA privacy;

CREATE TABLE privacy.exports (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    state      text NOT NULL CHECK (state IN ('gathering', 'packing', 'ready', 'expired')),
    -- Who is asked; each answers with a part.
    contexts   text[] NOT NULL,
    -- The event that asks.
    event_id   uuid NOT NULL,
    -- The archive, once there is one.
    object_id  uuid,
    size       bigint,
    -- When a worker looks at it next: to pack it, or to remove it.
    due_at     timestamptz,
    attempts   integer NOT NULL DEFAULT 0,
    error      text,
    expires_at timestamptz,
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CHECK ((state = 'ready') <= (object_id IS NOT NULL AND expires_at IS NOT NULL))
);
CREATE INDEX exports_user ON privacy.exports (user_id, id DESC);
CREATE INDEX exports_due ON privacy.exports (due_at) WHERE due_at IS NOT NULL;
-- One at a time.
CREATE UNIQUE INDEX exports_one ON privacy.exports (user_id) WHERE state IN ('gathering', 'packing');

CREATE TABLE privacy.export_parts (
    export_id uuid NOT NULL REFERENCES privacy.exports ON DELETE CASCADE,
    context   text NOT NULL,
    documents integer NOT NULL,
    files     integer NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (export_id, context)
);

-- What was gathered, until it is packed.
CREATE TABLE privacy.export_documents (
    export_id uuid NOT NULL REFERENCES privacy.exports ON DELETE CASCADE,
    name      text NOT NULL,
    body      jsonb,
    -- In place of a body: an object, by its upload.
    object_id uuid,
    PRIMARY KEY (export_id, name),
    CHECK ((body IS NULL) <> (object_id IS NULL))
);

-- The id of somebody who asked to be forgotten leads to nobody any more.
CREATE TABLE privacy.erasures (
    user_id      uuid PRIMARY KEY,
    contexts     text[] NOT NULL,
    event_id     uuid NOT NULL,
    requested_at timestamptz NOT NULL,
    completed_at timestamptz
);
CREATE INDEX erasures_open ON privacy.erasures (requested_at) WHERE completed_at IS NULL;

CREATE TABLE privacy.receipts (
    user_id uuid NOT NULL REFERENCES privacy.erasures ON DELETE CASCADE,
    context text NOT NULL,
    -- It has begun, and goes on beside; or it is done.
    state   text NOT NULL CHECK (state IN ('working', 'done')),
    -- What went, by sort, and how much of it.
    counts  jsonb NOT NULL,
    -- What stays, and why.
    kept    text[] NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (user_id, context)
);

-- Whose answer it is, so that it can be forgotten.
ALTER TABLE platform.idempotency ADD COLUMN person uuid;
CREATE INDEX idempotency_person ON platform.idempotency (person) WHERE person IS NOT NULL;
