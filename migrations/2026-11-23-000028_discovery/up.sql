-- Discovery: which things can be found, and how far the indexes are with them. The things themselves belong to
-- other contexts; the words and vectors, to the text index and the vector store.
CREATE SCHEMA discovery;

CREATE TABLE discovery.documents (
    kind        text NOT NULL CHECK (kind IN ('gig', 'course', 'person', 'mentor')),
    id          uuid NOT NULL,
    -- Grows with every change that was heard of: the revision in both indexes.
    stamp       bigint NOT NULL DEFAULT 1,
    -- The stamps that the indexes have.
    text_done   bigint NOT NULL DEFAULT 0,
    vector_done bigint NOT NULL DEFAULT 0,
    -- The model of its vector.
    model       text,
    -- Whether the indexes hold it: what is not public any more is known by its id only.
    shown       boolean NOT NULL DEFAULT false,
    attributes  jsonb NOT NULL DEFAULT '{}',
    -- The first change that the indexes do not have; when it is to be done; whether behind everything else.
    since       timestamptz NOT NULL,
    due_at      timestamptz NOT NULL,
    bulk        boolean NOT NULL DEFAULT false,
    attempts    integer NOT NULL DEFAULT 0,
    error       text,
    PRIMARY KEY (kind, id)
);
CREATE INDEX documents_due ON discovery.documents (bulk, due_at) WHERE text_done < stamp OR vector_done < stamp;
CREATE INDEX documents_model ON discovery.documents (kind, model) WHERE shown;

-- What people can do, for telling them alone what fits: whether their profile is public makes no difference.
CREATE TABLE discovery.seekers (
    user_id    uuid PRIMARY KEY,
    stamp      bigint NOT NULL,
    skills     text[] NOT NULL DEFAULT '{}',
    -- Does not look for work.
    busy       boolean NOT NULL DEFAULT false,
    updated_at timestamptz NOT NULL
);
CREATE INDEX seekers_skills ON discovery.seekers USING gin (skills) WHERE NOT busy;

-- Gigs whose students are to be told: work that a crash does not lose.
CREATE TABLE discovery.matchings (
    gig_id         uuid PRIMARY KEY,
    due_at         timestamptz NOT NULL,
    attempts       integer NOT NULL DEFAULT 0,
    error          text,
    correlation_id text NOT NULL
);
CREATE INDEX matchings_due ON discovery.matchings (due_at);

-- Who was told of which gig: once.
CREATE TABLE discovery.matches (
    gig_id  uuid NOT NULL,
    user_id uuid NOT NULL,
    score   double precision NOT NULL,
    at      timestamptz NOT NULL,
    PRIMARY KEY (gig_id, user_id)
);
CREATE INDEX matches_user ON discovery.matches (user_id);

-- What people did with what they were shown; each once.
CREATE TABLE discovery.feedback (
    user_id uuid NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('gig', 'course', 'person', 'mentor')),
    id      uuid NOT NULL,
    deed    text NOT NULL CHECK (deed IN ('shown', 'opened', 'applied', 'dismissed')),
    at      timestamptz NOT NULL,
    PRIMARY KEY (user_id, kind, id, deed)
);
CREATE INDEX feedback_popular ON discovery.feedback (kind, id) WHERE deed IN ('opened', 'applied');
