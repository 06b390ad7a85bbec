-- Who people are, and how they prove it. Secrets are here as hashes only.
create schema identity;

create table identity.users (
    id uuid primary key,
    -- Normalised by the server (NFKC, lower case): one address, one account. Null once erased.
    email text unique check (length(email) between 3 and 254),
    email_verified_at timestamptz,
    -- An Argon2id PHC string. Null: nobody signs in.
    password_hash text,
    display_name text not null check (length(display_name) between 1 and 64),
    headline text check (length(headline) between 1 and 120),
    bio text check (length(bio) between 1 and 2000),
    time_zone text,
    roles text[] not null default '{}'
        check (roles <@ array['student', 'client', 'mentor', 'instructor', 'moderator', 'operator']),
    version bigint not null default 1,
    created_at timestamptz not null,
    deletion_due_at timestamptz,
    erased_at timestamptz,
    -- An erased row is a pseudonym that others point at, and nothing else.
    check (erased_at is null or (email is null and password_hash is null and headline is null
        and bio is null and time_zone is null and roles = '{}')),
    check (erased_at is not null or email is not null)
);

create index users_deletion_due on identity.users (deletion_due_at)
    where deletion_due_at is not null and erased_at is null;

create table identity.sessions (
    id uuid primary key,
    user_id uuid not null references identity.users on delete cascade,
    -- SHA-256 of the token.
    token_hash bytea not null unique check (length(token_hash) = 32),
    device text check (length(device) between 1 and 80),
    address text,
    created_at timestamptz not null,
    last_seen_at timestamptz not null,
    expires_at timestamptz not null
);

create index sessions_user on identity.sessions (user_id, id desc);
create index sessions_expiry on identity.sessions (expires_at);

-- Links in mails: each works once.
create table identity.links (
    -- SHA-256 of the token.
    token_hash bytea primary key check (length(token_hash) = 32),
    user_id uuid not null references identity.users on delete cascade,
    purpose text not null check (purpose in ('verify_email', 'reset_password')),
    created_at timestamptz not null,
    expires_at timestamptz not null
);

create index links_user on identity.links (user_id, purpose, created_at);
create index links_expiry on identity.links (expires_at);

-- Wrong passwords, by account (SHA-256 of the address that was tried, whether it has an account or
-- not) and network; the empty network counts them all.
create table identity.sign_in_failures (
    account_key bytea not null check (length(account_key) = 32),
    network text not null,
    failures integer not null check (failures > 0),
    last_at timestamptz not null,
    primary key (account_key, network)
);

create index sign_in_failures_last on identity.sign_in_failures (last_at);

-- Networks from which an account was entered: a stranger's failures do not slow these.
create table identity.known_networks (
    account_key bytea not null check (length(account_key) = 32),
    network text not null,
    last_at timestamptz not null,
    primary key (account_key, network)
);

create index known_networks_last on identity.known_networks (last_at);
