-- The chat context: rooms and members (always here), and the room logs (here unless MongoDB holds
-- them; that is why nothing below joins the two halves by a foreign key).
CREATE SCHEMA chat;

CREATE TABLE chat.rooms (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('direct', 'group', 'public')),
    name        text CHECK (char_length(name) BETWEEN 1 AND 80),
    topic       text NOT NULL DEFAULT '' CHECK (char_length(topic) <= 250),
    -- "<lower id>:<higher id>" of a direct room's two people: at most one room a pair.
    direct_key  text UNIQUE CHECK ((direct_key IS NOT NULL) = (kind = 'direct')),
    created_by  uuid NOT NULL,
    created_at  timestamptz NOT NULL,
    archived_at timestamptz,
    -- Grows with every change of the room or its members; the ETag.
    version     bigint NOT NULL DEFAULT 1
);
CREATE INDEX rooms_public ON chat.rooms (id) WHERE kind = 'public' AND archived_at IS NULL;

CREATE TABLE chat.members (
    room_id   uuid NOT NULL REFERENCES chat.rooms (id) ON DELETE CASCADE,
    user_id   uuid NOT NULL,
    role      text NOT NULL CHECK (role IN ('owner', 'admin', 'member')),
    joined_at timestamptz NOT NULL,
    read_seq  bigint NOT NULL DEFAULT 0 CHECK (read_seq >= 0),
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX members_user ON chat.members (user_id, room_id);

-- What changed in a room and is not in its log yet. Written in the transaction of the change,
-- moved into the log by the room's actor, so that a crash between the two loses no event.
CREATE TABLE chat.outbox (
    id             uuid PRIMARY KEY,
    room_id        uuid NOT NULL REFERENCES chat.rooms (id) ON DELETE CASCADE,
    actor_id       uuid NOT NULL,
    kind           text NOT NULL,
    data           jsonb NOT NULL,
    created_at     timestamptz NOT NULL,
    correlation_id text NOT NULL
);
CREATE INDEX outbox_room ON chat.outbox (room_id, id);

-- A room's stream: where its log begins and ends, and which life of it this is.
CREATE TABLE chat.streams (
    room_id   uuid PRIMARY KEY,
    epoch     text NOT NULL,
    first_seq bigint NOT NULL DEFAULT 1 CHECK (first_seq >= 1),
    last_seq  bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0)
);

CREATE TABLE chat.events (
    room_id        uuid NOT NULL,
    seq            bigint NOT NULL CHECK (seq >= 1),
    kind           text NOT NULL,
    message_id     uuid NOT NULL,
    sender_id      uuid NOT NULL,
    client_msg_id  text NOT NULL,
    data           jsonb NOT NULL,
    created_at     timestamptz NOT NULL,
    correlation_id text NOT NULL,
    PRIMARY KEY (room_id, seq),
    CONSTRAINT events_once UNIQUE (room_id, sender_id, client_msg_id)
);

-- Appends a batch in one round trip: numbers the new events without a gap behind the stream's top
-- and names the known ones. The row lock on the stream makes writers on several nodes take turns;
-- each statement in here has a snapshot younger than the lock, so what an earlier writer committed
-- is seen and no retry is needed. A failure anywhere undoes everything, the numbers included.
--
-- Answers {"epoch", "prior", "items": [[seq, message_id, duplicate], …]} in the order given, or NULL
-- when the room has no stream.
CREATE FUNCTION chat.append(
    room uuid,
    kinds text[],
    message_ids uuid[],
    senders uuid[],
    client_msg_ids text[],
    datas jsonb[],
    times timestamptz[],
    correlations text[]
) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stream chat.streams%ROWTYPE;
    fresh  bigint;
    items  jsonb;
BEGIN
    SELECT * INTO stream FROM chat.streams WHERE room_id = room FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;

    WITH input AS (
        SELECT * FROM unnest(kinds, message_ids, senders, client_msg_ids, datas, times, correlations)
            WITH ORDINALITY AS t (kind, message_id, sender_id, client_msg_id, data, at, correlation, n)
    ), once AS (
        -- The same client_msg_id twice in one batch: the first wins.
        SELECT DISTINCT ON (i.sender_id, i.client_msg_id) i.* FROM input i
        WHERE NOT EXISTS (
            SELECT FROM chat.events e
            WHERE e.room_id = room AND e.sender_id = i.sender_id AND e.client_msg_id = i.client_msg_id
        )
        ORDER BY i.sender_id, i.client_msg_id, i.n
    )
    INSERT INTO chat.events
        (room_id, seq, kind, message_id, sender_id, client_msg_id, data, created_at, correlation_id)
    SELECT room, stream.last_seq + row_number() OVER (ORDER BY o.n),
           o.kind, o.message_id, o.sender_id, o.client_msg_id, o.data, o.at, o.correlation
    FROM once o;
    GET DIAGNOSTICS fresh = ROW_COUNT;

    IF fresh > 0 THEN
        UPDATE chat.streams SET last_seq = stream.last_seq + fresh WHERE room_id = room;
    END IF;

    -- A new event is one whose message_id is the one that was offered; any other was known.
    SELECT jsonb_agg(jsonb_build_array(e.seq, e.message_id, e.message_id <> i.message_id OR e.seq <= stream.last_seq)
                     ORDER BY i.n)
    INTO items
    FROM unnest(message_ids, senders, client_msg_ids) WITH ORDINALITY AS i (message_id, sender_id, client_msg_id, n)
    JOIN chat.events e
      ON e.room_id = room AND e.sender_id = i.sender_id AND e.client_msg_id = i.client_msg_id;

    RETURN jsonb_build_object('epoch', stream.epoch, 'prior', stream.last_seq, 'items', coalesce(items, '[]'::jsonb));
END
$$;
