-- Mentorship: who mentors, when they are open, who has booked them. State, history, timers and the
-- platform's outbox are written in one transaction. People are ids: who they are is identity's matter.
CREATE SCHEMA career;

-- Everybody whose time is kept here has a number. It puts all people's times on one line of whole
-- numbers: person `no` owns the seconds from no * 2^32 up to (no + 1) * 2^32.
CREATE TABLE career.calendars (
    person_id uuid PRIMARY KEY,
    no        bigint GENERATED ALWAYS AS IDENTITY (MAXVALUE 2147483647) UNIQUE,
    UNIQUE (person_id, no)
);

-- When somebody is not free: a mentor for a session with its buffers, whoever booked for theirs. No two
-- times of one person overlap: this constraint is what makes double booking impossible. A range type of
-- whole numbers has its GiST operators built in, so no extension is needed.
CREATE TABLE career.busy (
    -- The session (of a mentor) or the booking (of whoever booked).
    source_id uuid NOT NULL,
    person_id uuid NOT NULL,
    no        bigint NOT NULL,
    -- Seconds since 1970.
    from_s    bigint NOT NULL CHECK (from_s >= 0),
    to_s      bigint NOT NULL CHECK (to_s > from_s AND to_s <= 4294967296),
    span      int8range GENERATED ALWAYS AS (int8range(no * 4294967296 + from_s, no * 4294967296 + to_s)) STORED,
    PRIMARY KEY (source_id, person_id),
    FOREIGN KEY (person_id, no) REFERENCES career.calendars (person_id, no),
    CONSTRAINT nobody_is_busy_twice EXCLUDE USING gist (span WITH &&)
);
CREATE INDEX busy_person ON career.busy (person_id, to_s);

CREATE TABLE career.mentors (
    -- The person.
    id             uuid PRIMARY KEY,
    headline       text NOT NULL CHECK (char_length(headline) BETWEEN 1 AND 120),
    bio            text NOT NULL CHECK (char_length(bio) <= 5000),
    -- Slugs of the taxonomy; BCP 47 tags; what they help with.
    skills         text[] NOT NULL,
    languages      text[] NOT NULL,
    goals          text[] NOT NULL,
    -- An IANA zone: rules and exceptions are wall-clock times there.
    zone           text NOT NULL,
    rules          jsonb NOT NULL,
    exceptions     jsonb NOT NULL,
    -- How long a session lasts, and from one possible start to the next.
    minutes        integer NOT NULL CHECK (minutes BETWEEN 15 AND 480),
    every          integer NOT NULL CHECK (every BETWEEN 15 AND 480),
    buffer_before  integer NOT NULL CHECK (buffer_before BETWEEN 0 AND 240),
    buffer_after   integer NOT NULL CHECK (buffer_after BETWEEN 0 AND 240),
    notice_minutes integer NOT NULL CHECK (notice_minutes BETWEEN 0 AND 43200),
    horizon_days   integer NOT NULL CHECK (horizon_days BETWEEN 1 AND 366),
    seats          integer NOT NULL CHECK (seats BETWEEN 1 AND 100),
    -- 0 is free.
    price_minor    bigint NOT NULL CHECK (price_minor >= 0),
    currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cancel_hours   integer NOT NULL CHECK (cancel_hours BETWEEN 0 AND 336),
    meeting_url    text,
    -- What the reviewer said.
    review_note    text,
    rating_sum     bigint NOT NULL,
    rating_count   bigint NOT NULL,
    state          text NOT NULL CHECK (state IN ('applied', 'approved', 'rejected', 'suspended', 'withdrawn')),
    version        bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
CREATE INDEX mentors_state ON career.mentors (state, id DESC);
CREATE INDEX mentors_skills ON career.mentors USING gin (skills);

-- A time at which a mentor meets one person or a group. While somebody has a seat it is in career.busy.
CREATE TABLE career.sessions (
    id        uuid PRIMARY KEY,
    mentor_id uuid NOT NULL REFERENCES career.mentors (id),
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL CHECK (ends_at > starts_at),
    seats     integer NOT NULL,
    taken     integer NOT NULL,
    CONSTRAINT seats_are_enough CHECK (taken BETWEEN 0 AND seats)
);
CREATE UNIQUE INDEX sessions_live ON career.sessions (mentor_id, starts_at) WHERE taken > 0;

-- Two people who meet again: begun by the first session that was confirmed.
CREATE TABLE career.mentorships (
    id         uuid PRIMARY KEY,
    mentor_id  uuid NOT NULL,
    seeker_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT mentorships_once UNIQUE (mentor_id, seeker_id)
);
CREATE INDEX mentorships_seeker ON career.mentorships (seeker_id, id DESC);

CREATE TABLE career.bookings (
    id            uuid PRIMARY KEY,
    mentor_id     uuid NOT NULL REFERENCES career.mentors (id),
    seeker_id     uuid NOT NULL,
    session_id    uuid NOT NULL REFERENCES career.sessions (id),
    mentorship_id uuid REFERENCES career.mentorships (id),
    starts_at     timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    -- The seeker's.
    zone          text NOT NULL,
    topic         text NOT NULL CHECK (char_length(topic) <= 2000),
    -- The terms when it was booked.
    price_minor   bigint NOT NULL CHECK (price_minor >= 0),
    currency      text NOT NULL,
    cancel_hours  integer NOT NULL,
    meeting_url   text,
    -- Held for somebody on the waiting list.
    offered       boolean NOT NULL,
    -- iCalendar's SEQUENCE, and whether a calendar was ever told.
    sequence      integer NOT NULL,
    published     boolean NOT NULL,
    state         text NOT NULL CHECK (state IN ('held', 'funding', 'requested', 'proposed', 'confirmed', 'contested',
        'completed', 'no_show', 'missed', 'declined', 'expired', 'cancelled')),
    -- Until when the present state may last.
    deadline      timestamptz,
    -- Why it was declined or cancelled, or what is contested.
    note          text,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE INDEX bookings_mentor ON career.bookings (mentor_id, id DESC);
CREATE INDEX bookings_seeker ON career.bookings (seeker_id, id DESC);
CREATE INDEX bookings_mentorship ON career.bookings (mentorship_id) WHERE mentorship_id IS NOT NULL;
CREATE INDEX bookings_contested ON career.bookings (id DESC) WHERE state = 'contested';

-- Payments with a provider, as the marketplace has them.
CREATE TABLE career.payments (
    id            uuid PRIMARY KEY,
    booking_id    uuid NOT NULL REFERENCES career.bookings (id),
    provider      text NOT NULL,
    provider_ref  text,
    client_secret text,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    currency      text NOT NULL,
    state         text NOT NULL CHECK (state IN
        ('created', 'pending', 'held', 'failed', 'returning', 'returned', 'charged_back')),
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    CONSTRAINT career_payments_ref UNIQUE (provider, provider_ref)
);
CREATE INDEX career_payments_booking ON career.payments (booking_id);
CREATE UNIQUE INDEX career_payments_held ON career.payments (booking_id) WHERE state IN ('held', 'charged_back');

CREATE TABLE career.waitlist (
    id         uuid PRIMARY KEY,
    mentor_id  uuid NOT NULL REFERENCES career.mentors (id),
    user_id    uuid NOT NULL,
    from_at    timestamptz NOT NULL,
    to_at      timestamptz NOT NULL CHECK (to_at > from_at),
    zone       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('waiting', 'offered', 'taken', 'lapsed', 'left')),
    -- The booking that is held for them.
    booking_id uuid,
    created_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX waitlist_once ON career.waitlist (mentor_id, user_id) WHERE state = 'waiting';
CREATE INDEX waitlist_user ON career.waitlist (user_id, id DESC);
CREATE INDEX waitlist_booking ON career.waitlist (booking_id) WHERE booking_id IS NOT NULL;

CREATE TABLE career.notes (
    id         uuid PRIMARY KEY,
    booking_id uuid NOT NULL REFERENCES career.bookings (id),
    author_id  uuid NOT NULL,
    body       text NOT NULL CHECK (char_length(body) BETWEEN 1 AND 10000),
    -- Whether the other side reads it.
    shared     boolean NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX notes_booking ON career.notes (booking_id, id);

-- Goals of a mentorship, and what was agreed to be done.
CREATE TABLE career.items (
    id            uuid PRIMARY KEY,
    mentorship_id uuid NOT NULL REFERENCES career.mentorships (id),
    kind          text NOT NULL CHECK (kind IN ('goal', 'action')),
    title         text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 500),
    due_on        date,
    done_at       timestamptz,
    created_by    uuid NOT NULL,
    version       bigint NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE INDEX items_mentorship ON career.items (mentorship_id, id);

CREATE TABLE career.reviews (
    id         uuid PRIMARY KEY,
    booking_id uuid NOT NULL REFERENCES career.bookings (id),
    mentor_id  uuid NOT NULL,
    author_id  uuid NOT NULL,
    rating     integer NOT NULL CHECK (rating BETWEEN 1 AND 5),
    body       text NOT NULL CHECK (char_length(body) <= 2000),
    created_at timestamptz NOT NULL,
    CONSTRAINT mentor_reviews_once UNIQUE (booking_id, author_id)
);
CREATE INDEX mentor_reviews_mentor ON career.reviews (mentor_id, id DESC);

-- A calendar that others may subscribe to: whoever has the secret reads it. Only its hash is kept.
CREATE TABLE career.feeds (
    user_id     uuid PRIMARY KEY,
    secret_hash bytea NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL
);

-- As in schema gigs: every step ever taken, and what time or a worker has to do.
CREATE TABLE career.history (
    machine        text NOT NULL,
    entity_id      uuid NOT NULL,
    version        bigint NOT NULL,
    transition     text NOT NULL,
    from_state     text,
    to_state       text NOT NULL,
    actor          text NOT NULL,
    actor_id       uuid,
    data           jsonb NOT NULL DEFAULT '{}',
    correlation_id text NOT NULL,
    at             timestamptz NOT NULL,
    PRIMARY KEY (machine, entity_id, version)
);
CREATE TABLE career.timers (
    id             uuid PRIMARY KEY,
    machine        text NOT NULL,
    entity_id      uuid NOT NULL,
    task           text NOT NULL,
    version        bigint NOT NULL,
    due_at         timestamptz NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    error          text,
    correlation_id text,
    CONSTRAINT career_timers_once UNIQUE (machine, entity_id, task, version)
);
CREATE INDEX career_timers_due ON career.timers (due_at);

-- People who asked to be forgotten: a late event must not begin a new record of them.
CREATE TABLE career.forgotten (
    user_id uuid PRIMARY KEY,
    at      timestamptz NOT NULL
);

-- An invitation in a mail (RFC 6047). Gone with the other parts once the mail is.
ALTER TABLE platform.mails ADD COLUMN calendar_part text;
