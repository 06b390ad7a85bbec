-- Answers to requests that carried an Idempotency-Key, so that a repetition gets the same answer.
create table platform.idempotency (
    -- SHA-256 over caller, method and route, key: what a client sends is not kept.
    scope bytea primary key check (length(scope) = 32),
    -- SHA-256 over path, query, media type and body.
    fingerprint bytea not null check (length(fingerprint) = 32),
    -- Whoever runs it now; a later attempt after a crash takes over with a token of its own.
    owner uuid not null,
    -- While in flight: until when nobody else may take over. Null: answered.
    locked_until timestamptz,
    status smallint check (status between 100 and 599),
    headers jsonb,
    body bytea,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    check ((locked_until is null) = (status is not null and headers is not null and body is not null))
);

create index idempotency_expiry on platform.idempotency (expires_at);
