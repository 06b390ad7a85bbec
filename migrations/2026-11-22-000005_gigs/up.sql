-- The marketplace. State, history, timers and the platform's outbox are written in one transaction;
-- the money itself is in schema ledger. People are ids: who they are is identity's matter.
CREATE SCHEMA gigs;

-- What can be asked for: a small taxonomy, so that "React" and "react.js" are one thing.
CREATE TABLE gigs.skills (
    slug     text PRIMARY KEY CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    name     text NOT NULL,
    category text NOT NULL
);

INSERT INTO gigs.skills (slug, name, category) VALUES
    ('rust', 'Rust', 'Programming'), ('python', 'Python', 'Programming'), ('java', 'Java', 'Programming'),
    ('kotlin', 'Kotlin', 'Programming'), ('swift', 'Swift', 'Programming'), ('go', 'Go', 'Programming'),
    ('c-cpp', 'C and C++', 'Programming'), ('csharp', 'C#', 'Programming'), ('php', 'PHP', 'Programming'),
    ('javascript', 'JavaScript', 'Web'), ('typescript', 'TypeScript', 'Web'), ('react', 'React', 'Web'),
    ('vue', 'Vue', 'Web'), ('html-css', 'HTML and CSS', 'Web'), ('wordpress', 'WordPress', 'Web'),
    ('accessibility', 'Accessibility', 'Web'), ('nodejs', 'Node.js', 'Web'),
    ('sql', 'SQL', 'Data'), ('postgresql', 'PostgreSQL', 'Data'), ('data-analysis', 'Data analysis', 'Data'),
    ('data-visualisation', 'Data visualisation', 'Data'), ('machine-learning', 'Machine learning', 'Data'),
    ('spreadsheets', 'Spreadsheets', 'Data'), ('statistics', 'Statistics', 'Data'),
    ('docker', 'Docker', 'Operations'), ('linux', 'Linux', 'Operations'), ('devops', 'DevOps', 'Operations'),
    ('testing', 'Testing', 'Operations'), ('security', 'Security', 'Operations'),
    ('graphic-design', 'Graphic design', 'Design'), ('ui-design', 'UI design', 'Design'),
    ('ux-research', 'UX research', 'Design'), ('illustration', 'Illustration', 'Design'),
    ('figma', 'Figma', 'Design'), ('branding', 'Branding', 'Design'), ('3d-modelling', '3D modelling', 'Design'),
    ('video-editing', 'Video editing', 'Media'), ('photography', 'Photography', 'Media'),
    ('audio-editing', 'Audio editing', 'Media'), ('animation', 'Animation', 'Media'),
    ('copywriting', 'Copywriting', 'Writing'), ('editing', 'Editing', 'Writing'),
    ('translation', 'Translation', 'Writing'), ('technical-writing', 'Technical writing', 'Writing'),
    ('research', 'Research', 'Writing'), ('tutoring', 'Tutoring', 'Teaching'),
    ('social-media', 'Social media', 'Marketing'), ('seo', 'Search engine optimisation', 'Marketing'),
    ('marketing', 'Marketing', 'Marketing'), ('event-planning', 'Event planning', 'Organisation'),
    ('web-development', 'Web development', 'Web'), ('frontend', 'Front-end development', 'Web'),
    ('backend', 'Back-end development', 'Web'), ('mobile-development', 'Mobile development', 'Programming'),
    ('api-design', 'API design', 'Programming'), ('git', 'Git', 'Operations'), ('aws', 'AWS', 'Operations'),
    ('data-science', 'Data science', 'Data'), ('data-entry', 'Data entry', 'Data'),
    ('design', 'Design', 'Design'), ('logo-design', 'Logo design', 'Design'), ('photoshop', 'Photoshop', 'Design'),
    ('writing', 'Writing', 'Writing'), ('proofreading', 'Proofreading', 'Writing'),
    ('communication', 'Communication', 'Organisation'),
    ('bookkeeping', 'Bookkeeping', 'Organisation'), ('customer-support', 'Customer support', 'Organisation'),
    ('project-management', 'Project management', 'Organisation');

CREATE TABLE gigs.gigs (
    id                 uuid PRIMARY KEY,
    owner_id           uuid NOT NULL,
    title              text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    description        text NOT NULL CHECK (char_length(description) <= 10000),
    kind               text NOT NULL CHECK (kind IN ('fixed', 'hourly')),
    -- In minor units; of an hourly gig, for one hour.
    budget_min         bigint NOT NULL CHECK (budget_min > 0),
    budget_max         bigint NOT NULL,
    currency           text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    slots              integer NOT NULL CHECK (slots BETWEEN 1 AND 100),
    accepted           integer NOT NULL DEFAULT 0,
    -- Applications that were not taken back.
    applications_count integer NOT NULL DEFAULT 0 CHECK (applications_count >= 0),
    deadline           timestamptz,
    skills             text[] NOT NULL DEFAULT '{}',
    questions          jsonb NOT NULL DEFAULT '[]',
    attachments        jsonb NOT NULL DEFAULT '[]',
    state              text NOT NULL CHECK (state IN
        ('draft', 'open', 'paused', 'filled', 'expired', 'cancelled', 'completed', 'removed')),
    -- Grows with every change; the ETag and the event's aggregateversion.
    version            bigint NOT NULL DEFAULT 1,
    created_at         timestamptz NOT NULL,
    updated_at         timestamptz NOT NULL,
    posted_at          timestamptz,
    CONSTRAINT budget_range CHECK (budget_max >= budget_min),
    -- The last word on slots, whatever the code thinks.
    CONSTRAINT accepted_within_slots CHECK (accepted BETWEEN 0 AND slots)
);
CREATE INDEX gigs_open ON gigs.gigs (id DESC) WHERE state = 'open';
CREATE INDEX gigs_owner ON gigs.gigs (owner_id, id DESC);
CREATE INDEX gigs_skills ON gigs.gigs USING gin (skills);
CREATE INDEX gigs_text ON gigs.gigs USING gin (to_tsvector('simple', title || ' ' || description));

CREATE TABLE gigs.applications (
    id         uuid PRIMARY KEY,
    gig_id     uuid NOT NULL REFERENCES gigs.gigs (id),
    student_id uuid NOT NULL,
    proposal   text NOT NULL CHECK (char_length(proposal) BETWEEN 1 AND 5000),
    answers    jsonb NOT NULL DEFAULT '[]',
    -- The milestones offered, once there is an offer.
    offer      jsonb,
    state      text NOT NULL CHECK (state IN
        ('submitted', 'shortlisted', 'offered', 'accepted', 'declined', 'withdrawn', 'rejected', 'lapsed')),
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT applications_once UNIQUE (gig_id, student_id)
);
CREATE INDEX applications_gig ON gigs.applications (gig_id, id DESC);
CREATE INDEX applications_student ON gigs.applications (student_id, id DESC);

CREATE TABLE gigs.contracts (
    id             uuid PRIMARY KEY,
    gig_id         uuid NOT NULL REFERENCES gigs.gigs (id),
    application_id uuid NOT NULL UNIQUE REFERENCES gigs.applications (id),
    client_id      uuid NOT NULL,
    student_id     uuid NOT NULL,
    title          text NOT NULL,
    currency       text NOT NULL,
    state          text NOT NULL CHECK (state IN ('pending_funding', 'active', 'completed', 'ended', 'cancelled')),
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL
);
CREATE INDEX contracts_client ON gigs.contracts (client_id, id DESC);
CREATE INDEX contracts_student ON gigs.contracts (student_id, id DESC);
CREATE INDEX contracts_gig ON gigs.contracts (gig_id);

CREATE TABLE gigs.milestones (
    id           uuid PRIMARY KEY,
    contract_id  uuid NOT NULL REFERENCES gigs.contracts (id),
    position     integer NOT NULL,
    title        text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    due_at       timestamptz,
    -- What the student last said when delivering, or the client when asking for changes.
    note         text,
    state        text NOT NULL CHECK (state IN
        ('planned', 'funding', 'funded', 'submitted', 'changes_requested', 'approved', 'releasing', 'released',
         'refund_pending', 'refunded', 'disputed', 'resolved', 'charged_back', 'cancelled')),
    version      bigint NOT NULL DEFAULT 1,
    updated_at   timestamptz NOT NULL,
    UNIQUE (contract_id, position)
);

-- Payments with a provider. One milestone may see several: a failed one and its successor, one that
-- came too late and went back.
CREATE TABLE gigs.payments (
    id           uuid PRIMARY KEY,
    milestone_id uuid NOT NULL REFERENCES gigs.milestones (id),
    provider     text NOT NULL,
    -- The provider's id; there is none until it has answered.
    provider_ref text,
    -- What a browser needs to complete the payment, where the provider wants that.
    client_secret text,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency     text NOT NULL,
    -- created: we ask the provider; returning: it goes back without ever having been held.
    state        text NOT NULL CHECK (state IN
        ('created', 'pending', 'held', 'failed', 'returning', 'returned', 'charged_back')),
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    CONSTRAINT payments_ref UNIQUE (provider, provider_ref)
);
CREATE INDEX payments_milestone ON gigs.payments (milestone_id);
-- A milestone's money is held once.
CREATE UNIQUE INDEX payments_held ON gigs.payments (milestone_id) WHERE state IN ('held', 'charged_back');

CREATE TABLE gigs.disputes (
    id            uuid PRIMARY KEY,
    milestone_id  uuid NOT NULL REFERENCES gigs.milestones (id),
    contract_id   uuid NOT NULL REFERENCES gigs.contracts (id),
    opened_by     uuid NOT NULL,
    reason        text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 2000),
    state         text NOT NULL CHECK (state IN ('open', 'resolved', 'superseded')),
    release_minor bigint,
    refund_minor  bigint,
    resolved_by   uuid,
    resolution    text,
    version       bigint NOT NULL DEFAULT 1,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX disputes_open ON gigs.disputes (milestone_id) WHERE state = 'open';
CREATE INDEX disputes_contract ON gigs.disputes (contract_id);

-- Blind until both sides have written theirs, or the time for it is over.
CREATE TABLE gigs.reviews (
    id           uuid PRIMARY KEY,
    contract_id  uuid NOT NULL REFERENCES gigs.contracts (id),
    author_id    uuid NOT NULL,
    subject_id   uuid NOT NULL,
    rating       integer NOT NULL CHECK (rating BETWEEN 1 AND 5),
    body         text NOT NULL DEFAULT '' CHECK (char_length(body) <= 2000),
    created_at   timestamptz NOT NULL,
    published_at timestamptz,
    CONSTRAINT reviews_once UNIQUE (contract_id, author_id)
);
CREATE INDEX reviews_subject ON gigs.reviews (subject_id, id DESC) WHERE published_at IS NOT NULL;

-- Every step that was ever taken. The key refuses a version twice, whoever writes.
CREATE TABLE gigs.history (
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

CREATE INDEX history_entity ON gigs.history (entity_id);

-- What time, or the next worker that is free, has to do. A timer belongs to one version of its
-- thing: when that has moved on, the timer finds nothing to do.
CREATE TABLE gigs.timers (
    id        uuid PRIMARY KEY,
    machine   text NOT NULL,
    entity_id uuid NOT NULL,
    -- A transition of the machine, or a job ('transfer', 'return_payment', …).
    task      text NOT NULL,
    version   bigint NOT NULL,
    due_at    timestamptz NOT NULL,
    attempts  integer NOT NULL DEFAULT 0,
    error     text,
    CONSTRAINT timers_once UNIQUE (machine, entity_id, task, version)
);
CREATE INDEX timers_due ON gigs.timers (due_at);
