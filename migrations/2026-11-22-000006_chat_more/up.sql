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
