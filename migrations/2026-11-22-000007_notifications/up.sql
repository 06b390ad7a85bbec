-- What people are told: each person's notifications, the log behind their channel `user:<id>`, what
-- they want to be told and how, and the mails that are due.
create schema notifications;

-- One row a person: the end of their log. Whoever tells them something locks it, so offsets are
-- gapless and the unread counter is exact.
create table notifications.streams (
    user_id uuid primary key,
    epoch text not null check (length(epoch) between 1 and 32),
    -- The log holds first_offset .. last_offset.
    first_offset bigint not null default 1,
    last_offset bigint not null default 0,
    unread integer not null default 0 check (unread >= 0),
    check (first_offset between 1 and last_offset + 1)
);

-- What was published on `user:<id>`, for those who were away; bounded.
create table notifications.log (
    user_id uuid not null references notifications.streams on delete cascade,
    "offset" bigint not null check ("offset" > 0),
    -- The publication's data: compact JSON, as it goes out.
    data text not null,
    at timestamptz not null,
    primary key (user_id, "offset")
);

create index log_at on notifications.log (at);

create table notifications.items (
    id uuid primary key,
    user_id uuid not null references notifications.streams on delete cascade,
    kind text not null,
    -- What it is about: events of one group are one notification while it is unread.
    group_key text not null,
    -- Whether it is shown in the list; otherwise it is here only to be mailed.
    in_app boolean not null,
    title text not null,
    body text not null,
    link text not null,
    -- Ids for clients, and what the latest event put into the words.
    data jsonb not null,
    params jsonb not null,
    actor_id uuid,
    -- How many events it stands for, and which of them is the latest.
    events integer not null check (events > 0),
    latest_event uuid not null,
    -- Where in the log its latest state is; 0 if it is not shown.
    "offset" bigint not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    read_at timestamptz,
    mailed_at timestamptz
);

-- One notification of a group is open at a time.
create unique index items_open on notifications.items (user_id, kind, group_key, in_app) where read_at is null;
create index items_list on notifications.items (user_id, "offset" desc) where in_app;
create index items_unread on notifications.items (user_id, "offset" desc) where in_app and read_at is null;
create index items_read on notifications.items (read_at) where read_at is not null;
create index items_actor on notifications.items (actor_id) where actor_id is not null;

-- Events that a person was told of: an event that comes again tells nothing new.
create table notifications.sources (
    user_id uuid not null references notifications.streams on delete cascade,
    event_id uuid not null,
    item_id uuid not null references notifications.items on delete cascade,
    primary key (user_id, event_id)
);

create index sources_item on notifications.sources (item_id);

-- What a person wants; those who never said have no row.
create table notifications.preferences (
    user_id uuid primary key,
    version bigint not null,
    doc jsonb not null,
    updated_at timestamptz not null
);

-- A mail that is due: one row a person and time. Its id becomes the mail's.
create table notifications.mailings (
    id uuid primary key,
    user_id uuid not null references notifications.streams on delete cascade,
    due_at timestamptz not null,
    -- When a worker looks at it next: due_at, the end of a lease, or of quiet hours.
    next_at timestamptz not null,
    attempts integer not null default 0,
    error text,
    unique (user_id, due_at)
);

create index mailings_next on notifications.mailings (next_at);

create table notifications.mailing_items (
    -- An item waits for one mail at a time.
    item_id uuid primary key references notifications.items on delete cascade,
    mailing_id uuid not null references notifications.mailings on delete cascade
);

create index mailing_items_mailing on notifications.mailing_items (mailing_id);

-- People who asked to be forgotten: a late event must not begin a new record of them.
create table notifications.forgotten (
    user_id uuid primary key,
    at timestamptz not null
);

-- Mails on their way to a mail server; whoever has something to mail writes a row in the transaction
-- of its cause. The id is the Message-ID of every attempt.
create table platform.mails (
    id uuid primary key,
    -- For whom, where that is a person of ours.
    user_id uuid,
    recipient text not null,
    subject text not null,
    -- Gone once the mail is: a body may hold a link that lets its reader in.
    text_part text,
    html_part text,
    unsubscribe text,
    state text not null check (state in ('waiting', 'sent', 'dead')),
    attempts integer not null default 0,
    -- When a worker takes it next; while one has it, the end of its lease.
    next_at timestamptz not null,
    error text,
    created_at timestamptz not null,
    ended_at timestamptz,
    check ((state = 'waiting') = (ended_at is null)),
    check (state = 'waiting' or (text_part is null and html_part is null))
);

create index mails_next on platform.mails (next_at) where state = 'waiting';
create index mails_dead on platform.mails (ended_at desc) where state = 'dead';
create index mails_ended on platform.mails (ended_at) where ended_at is not null;
create index mails_user on platform.mails (user_id) where user_id is not null;
