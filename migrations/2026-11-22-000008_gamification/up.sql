-- XP, levels, streaks, badges, boards and leagues. The ledger is the truth; boards in memory, totals and
-- levels are made from it. People are ids: who they are is identity's matter.
CREATE SCHEMA gamification;

-- The rules by version, as they were compiled in: what an old entry was judged by can be read for ever.
CREATE TABLE gamification.rule_sets (
    version      integer PRIMARY KEY,
    digest       text NOT NULL,
    rules        jsonb NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- Work that outlives the process: one row a task, with how far it is.
CREATE TABLE gamification.tasks (
    name       text PRIMARY KEY,
    -- Where to go on; the task's own matter.
    position   text NOT NULL DEFAULT '',
    done_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Everybody who has ever earned a point or set anything. The row is also the lock: whatever changes a
-- person's points, badges or streak holds it.
CREATE TABLE gamification.members (
    user_id     uuid PRIMARY KEY,
    -- The sum of their ledger.
    total       bigint NOT NULL DEFAULT 0,
    -- The highest level that was told.
    level       integer NOT NULL DEFAULT 1 CHECK (level >= 1),
    longest_streak integer NOT NULL DEFAULT 0,
    -- IANA zone: what a day is for the streak.
    zone        text NOT NULL DEFAULT 'UTC' CHECK (length(zone) BETWEEN 1 AND 64),
    opted_out   boolean NOT NULL DEFAULT false,
    anonymous   boolean NOT NULL DEFAULT false,
    cohort      text CHECK (cohort ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    -- Grows with every change of settings; the ETag.
    version     bigint NOT NULL DEFAULT 1,
    -- Grows with every event about them; the event's aggregateversion.
    news        bigint NOT NULL DEFAULT 0,
    -- When settings that boards care about were last changed.
    settings_at timestamptz,
    erased_at   timestamptz
);
CREATE INDEX members_settings ON gamification.members (settings_at) WHERE settings_at IS NOT NULL;
CREATE INDEX members_hidden ON gamification.members (user_id) WHERE opted_out OR anonymous;
CREATE INDEX members_cohort ON gamification.members (cohort) WHERE cohort IS NOT NULL;

-- What events say about people, in the words of rules: kept, since the outbox forgets.
CREATE TABLE gamification.facts (
    user_id  uuid NOT NULL REFERENCES gamification.members (user_id),
    kind     text NOT NULL,
    source   text NOT NULL CHECK (length(source) BETWEEN 1 AND 100),
    at       timestamptz NOT NULL,
    value    bigint NOT NULL,
    gig_id   uuid,
    event_id uuid NOT NULL,
    PRIMARY KEY (user_id, kind, source)
);

-- The skills that a gig asked for when it was posted.
CREATE TABLE gamification.gig_skills (
    gig_id uuid PRIMARY KEY,
    skills text[] NOT NULL
);

-- Points, for ever. What was wrong is set right by a further entry of rule `correction`, which names
-- what it is about.
CREATE TABLE gamification.ledger (
    seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES gamification.members (user_id),
    rule         text NOT NULL CHECK (length(rule) BETWEEN 1 AND 60),
    source       text NOT NULL CHECK (length(source) BETWEEN 1 AND 200),
    rule_version integer NOT NULL,
    points       bigint NOT NULL CHECK (points <> 0),
    -- When it was earned, which is when the fact happened; windows go by it.
    at           timestamptz NOT NULL,
    gig_id       uuid,
    of_rule      text,
    of_source    text,
    recorded_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_once UNIQUE (user_id, rule, source),
    CONSTRAINT ledger_correction CHECK ((rule = 'correction') = (of_rule IS NOT NULL AND of_source IS NOT NULL))
);
CREATE INDEX ledger_user ON gamification.ledger (user_id, seq DESC);
CREATE INDEX ledger_user_at ON gamification.ledger (user_id, at);
CREATE INDEX ledger_at ON gamification.ledger (at);
CREATE INDEX ledger_recorded ON gamification.ledger (recorded_at, seq);
CREATE INDEX ledger_gig ON gamification.ledger (gig_id) WHERE gig_id IS NOT NULL;

-- The same points, by skill: what the boards of skills follow.
CREATE TABLE gamification.credits (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    skill       text NOT NULL,
    seq         bigint NOT NULL REFERENCES gamification.ledger (seq),
    user_id     uuid NOT NULL,
    points      bigint NOT NULL,
    at          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT credits_once UNIQUE (seq, skill)
);
CREATE INDEX credits_skill ON gamification.credits (skill, id);
CREATE INDEX credits_recorded ON gamification.credits (recorded_at, id);

CREATE FUNCTION gamification.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gamification.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION gamification.refuse_change();
CREATE TRIGGER credits_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gamification.credits
    FOR EACH STATEMENT EXECUTE FUNCTION gamification.refuse_change();

-- Boards of skills and cohorts that have had anybody.
CREATE TABLE gamification.boards (
    board      text PRIMARY KEY CHECK (length(board) BETWEEN 1 AND 60),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Dates, in the person's zone at the time, on which they did something.
CREATE TABLE gamification.active_days (
    user_id uuid NOT NULL REFERENCES gamification.members (user_id),
    day     date NOT NULL,
    PRIMARY KEY (user_id, day)
);

CREATE TABLE gamification.badge_awards (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL REFERENCES gamification.members (user_id),
    badge        text NOT NULL CHECK (length(badge) BETWEEN 1 AND 60),
    tier         text NOT NULL CHECK (tier IN ('bronze', 'silver', 'gold')),
    -- Which time, of a badge that can be had again.
    n            integer NOT NULL CHECK (n >= 1),
    rule_version integer NOT NULL,
    awarded_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    CONSTRAINT badge_awards_once UNIQUE (user_id, badge, tier, n)
);

-- A group of at most thirty of one tier, for one week (its Monday, in the boards' zone). It closes once.
CREATE TABLE gamification.league_groups (
    id        uuid PRIMARY KEY,
    week      date NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at   timestamptz NOT NULL,
    tier      integer NOT NULL CHECK (tier BETWEEN 1 AND 10),
    number    integer NOT NULL,
    size      integer NOT NULL DEFAULT 0 CHECK (size BETWEEN 0 AND 30),
    closed_at timestamptz,
    CONSTRAINT league_groups_number UNIQUE (week, tier, number)
);
CREATE INDEX league_groups_open ON gamification.league_groups (ends_at) WHERE closed_at IS NULL;

CREATE TABLE gamification.league_members (
    week      date NOT NULL,
    user_id   uuid NOT NULL REFERENCES gamification.members (user_id),
    group_id  uuid NOT NULL REFERENCES gamification.league_groups (id),
    -- Set when the group closes.
    rank      integer,
    score     bigint,
    outcome   text CHECK (outcome IN ('promoted', 'stayed', 'relegated')),
    next_tier integer CHECK (next_tier BETWEEN 1 AND 10),
    PRIMARY KEY (week, user_id),
    CHECK ((rank IS NULL) = (outcome IS NULL) AND (rank IS NULL) = (next_tier IS NULL) AND (rank IS NULL) = (score IS NULL))
);
CREATE INDEX league_members_group ON gamification.league_members (group_id);
CREATE INDEX league_members_user ON gamification.league_members (user_id, week DESC);
