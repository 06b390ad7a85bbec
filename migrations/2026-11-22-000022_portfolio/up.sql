-- Profiles and portfolios: what people say of themselves, and what events prove.

CREATE TABLE career.profiles (
    user_id    uuid PRIMARY KEY,
    -- Where the public page is: /p/{slug}.
    slug       text NOT NULL CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) BETWEEN 3 AND 60),
    visibility text NOT NULL CHECK (visibility IN ('private', 'connections', 'public')),
    -- Slugs of the taxonomy, for finding people.
    skills     text[] NOT NULL,
    -- Everything that its owner wrote, as it is shown.
    doc        jsonb NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT profiles_slug UNIQUE (slug)
);
CREATE INDEX profiles_skills ON career.profiles USING gin (skills);

-- Who vouches for a skill of somebody.
CREATE TABLE career.endorsements (
    user_id    uuid NOT NULL,
    skill      text NOT NULL,
    by_id      uuid NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, skill, by_id),
    CHECK (user_id <> by_id)
);
CREATE INDEX endorsements_by ON career.endorsements (by_id);

CREATE TABLE career.projects (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    title      text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    summary    text NOT NULL CHECK (char_length(summary) <= 5000),
    url        text,
    skills     text[] NOT NULL,
    visibility text NOT NULL CHECK (visibility IN ('private', 'connections', 'public')),
    -- Smaller comes first.
    position   integer NOT NULL,
    version    bigint NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX projects_user ON career.projects (user_id, position);

-- What happened on the platform and speaks for somebody. One row a fact, whatever events tell of it.
CREATE TABLE career.evidence (
    id           uuid PRIMARY KEY,
    user_id      uuid NOT NULL,
    -- milestone:<id>, badge:<award>, review:<id>, certificate:<id>.
    fact         text NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('milestone', 'badge', 'review', 'certificate')),
    -- The event that proves it, and the one that took it back.
    event_id     uuid NOT NULL,
    withdrawn_by uuid,
    title        text NOT NULL,
    detail       text NOT NULL,
    link         text,
    -- Whether its owner shows it.
    shown        boolean NOT NULL,
    at           timestamptz NOT NULL,
    CONSTRAINT evidence_once UNIQUE (user_id, fact)
);
CREATE INDEX evidence_user ON career.evidence (user_id, at DESC, id DESC);
CREATE INDEX evidence_fact ON career.evidence (fact);

-- Who follows whom, or a skill.
CREATE TABLE career.follows (
    id          uuid PRIMARY KEY,
    follower_id uuid NOT NULL,
    person_id   uuid,
    skill       text,
    created_at  timestamptz NOT NULL,
    CHECK ((person_id IS NULL) <> (skill IS NULL)),
    CHECK (person_id <> follower_id),
    CONSTRAINT follows_person UNIQUE (follower_id, person_id),
    CONSTRAINT follows_skill UNIQUE (follower_id, skill)
);
CREATE INDEX follows_of ON career.follows (person_id) WHERE person_id IS NOT NULL;
