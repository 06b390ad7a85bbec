-- What happens to messages after they were said. The log stays the truth: everything in this first
-- part can be made again from chat.events (EventLog::refold).

-- Messages that something has happened to, as they are now. A message that nothing has happened to is
-- its event and has no row here: saying something costs one insert.
CREATE TABLE chat.changed (
    room_id    uuid NOT NULL,
    seq        bigint NOT NULL,
    message_id uuid NOT NULL,
    pinned_seq bigint,
    message    jsonb NOT NULL,
    PRIMARY KEY (room_id, seq)
);
CREATE INDEX changed_pinned ON chat.changed (room_id, pinned_seq) WHERE pinned_seq IS NOT NULL;

-- Whom live messages mention; the nil uuid stands for everybody in the room.
CREATE TABLE chat.mentions (
    room_id   uuid NOT NULL,
    user_id   uuid NOT NULL,
    seq       bigint NOT NULL,
    sender_id uuid NOT NULL,
    PRIMARY KEY (room_id, user_id, seq)
);
CREATE INDEX mentions_seq ON chat.mentions (room_id, seq);

CREATE INDEX events_message ON chat.events (message_id);
CREATE INDEX events_thread ON chat.events (room_id, (data ->> 'thread'), seq) WHERE data ->> 'thread' IS NOT NULL;
CREATE INDEX events_edits ON chat.events (room_id, (data ->> 'target')) WHERE kind = 'edit';

-- The words of a text, as search looks for them. The punctuation of ASCII parts words, so that the
-- parser sees no host names, paths or numbers with a point; the room is a word of its own, so that one
-- index scan finds what a room has of a word, however common the word is elsewhere.
CREATE FUNCTION chat.words(room uuid, body text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_to_tsvector(ARRAY['room ' || room::text])
        || to_tsvector('simple', translate(body, '!"#$%&''()*+,-./:;<=>?@[\]^_`{|}~', repeat(' ', 32)))
$$;
CREATE INDEX events_words ON chat.events USING gin (chat.words(room_id, data ->> 'body')) WHERE kind = 'message';
CREATE INDEX changed_words ON chat.changed USING gin (chat.words(room_id, message ->> 'body'));

-- What a room's admins decide, and what a member decides for themselves.
ALTER TABLE chat.rooms ADD COLUMN settings jsonb NOT NULL DEFAULT '{}';
ALTER TABLE chat.members
    ADD COLUMN delivered_seq   bigint NOT NULL DEFAULT 0 CHECK (delivered_seq >= 0),
    ADD COLUMN suspended_until timestamptz,
    ADD COLUMN muted           boolean NOT NULL DEFAULT false,
    ADD COLUMN notify          text NOT NULL DEFAULT 'all' CHECK (notify IN ('all', 'mentions', 'none')),
    ADD COLUMN favourite       boolean NOT NULL DEFAULT false,
    ADD COLUMN draft           text NOT NULL DEFAULT '' CHECK (char_length(draft) <= 4000),
    ADD COLUMN own_version     bigint NOT NULL DEFAULT 1;

-- Whom a person has blocked.
CREATE TABLE chat.blocks (
    user_id    uuid NOT NULL,
    blocked_id uuid NOT NULL CHECK (blocked_id <> user_id),
    at         timestamptz NOT NULL,
    PRIMARY KEY (user_id, blocked_id)
);
CREATE INDEX blocks_blocked ON chat.blocks (blocked_id);

-- What a person lets others see, and when they were last there.
CREATE TABLE chat.people (
    user_id      uuid PRIMARY KEY,
    last_seen_to text NOT NULL DEFAULT 'everyone' CHECK (last_seen_to IN ('everyone', 'contacts', 'nobody')),
    receipts     boolean NOT NULL DEFAULT true,
    last_seen_at timestamptz,
    version      bigint NOT NULL DEFAULT 1
);

-- What each session says of itself.
CREATE TABLE chat.statuses (
    session_id uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    status     text NOT NULL CHECK (status IN ('online', 'away', 'dnd')),
    at         timestamptz NOT NULL
);
CREATE INDEX statuses_user ON chat.statuses (user_id);

CREATE TABLE chat.bans (
    room_id uuid NOT NULL REFERENCES chat.rooms (id) ON DELETE CASCADE,
    user_id uuid NOT NULL,
    by_id   uuid NOT NULL,
    reason  text NOT NULL DEFAULT '',
    at      timestamptz NOT NULL,
    until   timestamptz,
    PRIMARY KEY (room_id, user_id)
);

-- Messages put before the moderators. The text is kept as it was reported: deleting the message does
-- not settle the report.
CREATE TABLE chat.reports (
    id          uuid PRIMARY KEY,
    room_id     uuid NOT NULL,
    message_id  uuid NOT NULL,
    sender_id   uuid NOT NULL,
    reporter_id uuid NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL DEFAULT '',
    body        text NOT NULL,
    at          timestamptz NOT NULL,
    resolution  text CHECK (resolution IN ('dismissed', 'removed')),
    note        text NOT NULL DEFAULT '',
    resolved_by uuid,
    resolved_at timestamptz,
    UNIQUE (room_id, message_id, reporter_id),
    CHECK ((resolution IS NULL) = (resolved_by IS NULL))
);
CREATE INDEX reports_open ON chat.reports (id) WHERE resolution IS NULL;
CREATE INDEX reports_room ON chat.reports (room_id, id);

-- Who moderated what. Rows are added and nothing else: the trigger refuses everybody, the owner of the
-- table included.
CREATE TABLE chat.audit (
    id             uuid PRIMARY KEY,
    at             timestamptz NOT NULL,
    actor_id       uuid NOT NULL,
    action         text NOT NULL,
    room_id        uuid,
    user_id        uuid,
    message_id     uuid,
    detail         jsonb NOT NULL DEFAULT '{}',
    correlation_id text NOT NULL
);
CREATE INDEX audit_room ON chat.audit (room_id, id);

CREATE FUNCTION chat.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'chat.audit is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON chat.audit
    FOR EACH STATEMENT EXECUTE FUNCTION chat.refuse_change();

-- Up to where each room's log was told to the other contexts.
CREATE TABLE chat.announced (
    room_id uuid PRIMARY KEY,
    epoch   text NOT NULL,
    seq     bigint NOT NULL CHECK (seq >= 0)
);
-- What was said before anybody listened is no news.
INSERT INTO chat.announced (room_id, epoch, seq) SELECT room_id, epoch, last_seq FROM chat.streams;
