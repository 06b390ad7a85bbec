-- Who did what, append-only. Where MONGODB_URL is set the stream is there, and this table stays empty.
CREATE SCHEMA activity;

CREATE TABLE activity.entries (
    -- Of the event that told it, and the person: an entry is written once. Later ids are later.
    id          uuid PRIMARY KEY,
    actor_id    uuid NOT NULL,
    verb        text NOT NULL,
    object_kind text NOT NULL,
    object_id   uuid NOT NULL,
    public      boolean NOT NULL,
    data        jsonb NOT NULL,
    at          timestamptz NOT NULL
);
CREATE INDEX entries_actor ON activity.entries (actor_id, id DESC);
CREATE INDEX entries_at ON activity.entries (at);
