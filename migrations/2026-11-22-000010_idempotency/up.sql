-- Answers to requests that carried an Idempotency-Key, so that a repetition gets the same answer.
create table platform.idempotency (
    -- SHA-256 over caller, method and route, key: what a client sends is not kept.
    scope bytea primary key check (length(scope) = 32),
    -- SHA-256 over path, query, media type and body.
    fingerprint bytea not null check (length(fingerprint) = 32),
    -- The id that what is created gets: the same in every attempt, so that an attempt after a crash
    -- finds what the one before had made.
    resource_id uuid not null,
    -- Whoever runs it now; a later attempt takes over with a token of its own.
    owner uuid not null,
    -- While unanswered: until when nobody else may take over.
    locked_until timestamptz not null,
    -- The answer.
    status smallint check (status between 100 and 599),
    headers jsonb,
    body bytea,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    check ((status is null) = (headers is null) and (status is null) = (body is null))
);

create index idempotency_expiry on platform.idempotency (expires_at);
