-- Two ways in which work finds people: a client invites somebody, somebody saves a search. And a trace that
-- does not end where a job begins.

CREATE TABLE gigs.invitations (
    id         uuid PRIMARY KEY,
    gig_id     uuid NOT NULL REFERENCES gigs.gigs (id),
    client_id  uuid NOT NULL,
    student_id uuid NOT NULL,
    note       text NOT NULL DEFAULT '' CHECK (char_length(note) <= 1000),
    created_at timestamptz NOT NULL,
    CONSTRAINT invitations_once UNIQUE (gig_id, student_id)
);
CREATE INDEX invitations_student ON gigs.invitations (student_id, id DESC);

-- What a person wants to hear of: the same filters as the list of gigs. NULL does not narrow.
CREATE TABLE gigs.saved_searches (
    id         uuid PRIMARY KEY,
    user_id    uuid NOT NULL,
    name       text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 80),
    words      text CHECK (char_length(words) BETWEEN 1 AND 200),
    skills     text[] NOT NULL DEFAULT '{}',
    budget_min bigint CHECK (budget_min >= 0),
    budget_max bigint CHECK (budget_max >= 0),
    currency   text CHECK (currency ~ '^[A-Z]{3}$'),
    kind       text CHECK (kind IN ('fixed', 'hourly')),
    created_at timestamptz NOT NULL,
    -- Gigs that were found since; the version of `saved_search.matched`.
    matches    bigint NOT NULL DEFAULT 0,
    matched_at timestamptz
);
CREATE INDEX saved_searches_user ON gigs.saved_searches (user_id, id DESC);
-- Which searches ask for one of a gig's skills, and which for none.
CREATE INDEX saved_searches_skills ON gigs.saved_searches USING gin (skills);

-- Of the request that set it: what the timer does belongs to the same story.
ALTER TABLE gigs.timers ADD COLUMN correlation_id text;
