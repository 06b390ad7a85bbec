-- Events between contexts: what was recorded (outbox), what each consumer has to do and has done
-- (inbox), and what could not be done (dead letters).

-- Written in the transaction of the change it tells of. `seq` gives each aggregate's events their
-- order: the change holds the aggregate's row lock, so a later change draws a later number.
CREATE TABLE platform.outbox (
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             uuid NOT NULL UNIQUE,
    context        text NOT NULL CHECK (context ~ '^[a-z][a-z0-9_]*$'),
    subject        text NOT NULL CHECK (subject ~ '^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$'),
    aggregate      text NOT NULL CHECK (length(aggregate) BETWEEN 1 AND 200),
    version        bigint NOT NULL,
    envelope       jsonb NOT NULL,
    correlation_id text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    -- The bus has taken it.
    published_at   timestamptz,
    -- It has come back from the bus and lies in every consumer's inbox.
    received_at    timestamptz,
    -- Attempts to publish it that failed.
    attempts       integer NOT NULL DEFAULT 0
);
CREATE INDEX outbox_unpublished ON platform.outbox (seq) WHERE published_at IS NULL;
CREATE INDEX outbox_unreceived ON platform.outbox (published_at)
    WHERE published_at IS NOT NULL AND received_at IS NULL;
CREATE INDEX outbox_correlation ON platform.outbox (correlation_id);
CREATE INDEX outbox_received ON platform.outbox (received_at) WHERE received_at IS NOT NULL;

-- Who wants what. Durable: what arrives while no running server knows a consumer waits for it.
CREATE TABLE platform.consumers (
    name       text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 100),
    subjects   text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- How far a stream of the bus has been taken into the inboxes. A stream that was made anew has
-- another incarnation, and its numbers begin again.
CREATE TABLE platform.bus_positions (
    stream      text NOT NULL,
    incarnation text NOT NULL,
    seq         bigint NOT NULL,
    PRIMARY KEY (stream, incarnation)
);

-- One row a consumer and event, ever: an event that comes twice finds it. `handled_at` is set in
-- the transaction of the consumer's effect.
CREATE TABLE platform.inbox (
    consumer       text NOT NULL,
    event_id       uuid NOT NULL,
    seq            bigint NOT NULL,
    context        text NOT NULL,
    subject        text NOT NULL,
    aggregate      text NOT NULL,
    correlation_id text NOT NULL,
    -- Gone once it is handled; the outbox keeps it for a while.
    envelope       jsonb,
    received_at    timestamptz NOT NULL DEFAULT now(),
    attempts       integer NOT NULL DEFAULT 0,
    next_at        timestamptz NOT NULL DEFAULT now(),
    error          text,
    handled_at     timestamptz,
    died_at        timestamptz,
    PRIMARY KEY (consumer, event_id),
    CHECK (handled_at IS NOT NULL OR envelope IS NOT NULL)
);
-- The next event of an aggregate, and what waits of a consumer in order.
CREATE INDEX inbox_waiting_aggregate ON platform.inbox (consumer, context, aggregate, seq)
    WHERE handled_at IS NULL AND died_at IS NULL;
CREATE INDEX inbox_waiting ON platform.inbox (consumer, seq)
    WHERE handled_at IS NULL AND died_at IS NULL;
CREATE INDEX inbox_correlation ON platform.inbox (correlation_id);
CREATE INDEX inbox_handled ON platform.inbox (handled_at) WHERE handled_at IS NOT NULL;

CREATE TABLE platform.dead_letters (
    consumer       text NOT NULL,
    event_id       uuid NOT NULL,
    subject        text NOT NULL,
    aggregate      text NOT NULL,
    correlation_id text NOT NULL,
    envelope       jsonb NOT NULL,
    error          text NOT NULL,
    attempts       integer NOT NULL,
    died_at        timestamptz NOT NULL,
    -- Given to the consumer again; a row that dies again is written anew.
    replayed_at    timestamptz,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX dead_letters_open ON platform.dead_letters (died_at) WHERE replayed_at IS NULL;
CREATE INDEX dead_letters_correlation ON platform.dead_letters (correlation_id);
