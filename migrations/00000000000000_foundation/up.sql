-- What belongs to no context: the server's own small facts (its signing secret, the demo marker).
create schema platform;

create table platform.settings (
    key text primary key check (length(key) between 1 and 100),
    value jsonb not null,
    updated_at timestamptz not null default now()
);
