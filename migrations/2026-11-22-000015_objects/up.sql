-- Whose the objects are. The bytes lie in the object store; a row is there before its bytes, so that
-- bytes without a row are nobody's and are swept.
CREATE SCHEMA objects;

CREATE TABLE objects.uploads (
    id         uuid PRIMARY KEY,
    owner_id   uuid NOT NULL,
    -- The file's name as people see it; never part of a key.
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    media_type text NOT NULL,
    size       bigint NOT NULL CHECK (size > 0),
    -- Announced, then found.
    sha256     bytea CHECK (octet_length(sha256) = 32),
    -- Where it is once it is verified, and where it arrives until then. Both are made by the server.
    key        text NOT NULL UNIQUE,
    staging    text UNIQUE,
    -- The store's name of the upload in parts, once it has begun; the size of a part, if it has any.
    parts      text,
    part_size  bigint CHECK (part_size > 0),
    state      text NOT NULL CHECK (state IN ('open', 'verifying', 'ready', 'refused', 'expired', 'deleted')),
    refusal    text,
    -- When a worker looks at it next: an open one expires, one that is being verified is verified.
    due_at     timestamptz,
    attempts   integer NOT NULL DEFAULT 0,
    -- Bytes that are still to be removed: what arrived, or all of it.
    purge      text CHECK (purge IN ('staging', 'all')),
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT checked_before_use CHECK (state <> 'ready' OR sha256 IS NOT NULL)
);
CREATE INDEX uploads_owner ON objects.uploads (owner_id, id DESC);
CREATE INDEX uploads_due ON objects.uploads (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX uploads_purge ON objects.uploads (id) WHERE purge IS NOT NULL;

-- What each person's objects take up.
CREATE TABLE objects.quotas (
    owner_id   uuid PRIMARY KEY,
    used_bytes bigint NOT NULL CHECK (used_bytes >= 0)
);

-- What needs an object: it is not removed while somebody does.
CREATE TABLE objects.holds (
    upload_id uuid NOT NULL REFERENCES objects.uploads (id),
    holder    text NOT NULL,
    PRIMARY KEY (upload_id, holder)
);
