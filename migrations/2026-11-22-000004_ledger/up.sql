-- Money: a double-entry ledger. The rules below are the database's own, so that no code path and no
-- psql session can get past them: rows are immutable, every transaction sums to zero per currency,
-- nobody's account goes below zero, and a hold resolves at most once.
create schema ledger;

-- Amounts are claims in minor units: what is positive, somebody may ask of the platform. The
-- `provider` account is the other side: minus what the payment provider keeps for us.
create table ledger.accounts (
    id uuid primary key,
    kind text not null check (kind in ('provider', 'hold', 'user', 'payout', 'fees', 'losses')),
    -- The hold, the person or the payout; null for the platform's own accounts.
    owner_id uuid,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    -- Kept by the entries' trigger, and only where a bound must be checked: a platform account would
    -- be one row that every payment waits for.
    balance_minor bigint not null default 0,
    created_at timestamptz not null default now(),
    check ((owner_id is null) = (kind in ('provider', 'fees', 'losses'))),
    check (owner_id is not null or balance_minor = 0),
    constraint accounts_owner unique nulls not distinct (kind, owner_id, currency),
    -- For the entries' foreign key: an entry is in its account's currency.
    unique (id, currency)
);

create table ledger.transactions (
    id uuid primary key,
    kind text not null check (kind in
        ('fund', 'release', 'refund', 'reverse', 'loss', 'payout', 'payout_paid', 'payout_failed')),
    -- What it is about: a hold, or a payout.
    subject_id uuid not null,
    -- The provider's name of the payment, refund, transfer, dispute or payout.
    provider_ref text check (length(provider_ref) between 1 and 255),
    correlation_id text,
    created_at timestamptz not null default clock_timestamp(),
    -- The database transaction that posted it: entries come with it or never.
    posted_in xid8 not null default pg_current_xact_id()
);

create index transactions_subject on ledger.transactions (subject_id, created_at, id);

create table ledger.entries (
    transaction_id uuid not null references ledger.transactions,
    line smallint not null,
    account_id uuid not null,
    currency text not null,
    amount_minor bigint not null check (amount_minor <> 0),
    primary key (transaction_id, line),
    constraint entries_account foreign key (account_id, currency) references ledger.accounts (id, currency)
);

create index entries_account on ledger.entries (account_id);

-- Money for one milestone, from the payment's arrival to its resolution.
create table ledger.holds (
    id uuid primary key,
    account_id uuid not null unique references ledger.accounts,
    payer_id uuid not null,
    payee_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    -- One payment funds one hold, however often its webhook comes.
    provider_ref text not null constraint holds_payment unique,
    transaction_id uuid not null references ledger.transactions,
    unique (id, amount_minor, currency)
);

create index holds_payer on ledger.holds (payer_id);
create index holds_payee on ledger.holds (payee_id);

-- Where a hold's money went. The primary key is what lets it resolve only once; the foreign key and
-- the check make the parts sum to what was funded.
create table ledger.resolutions (
    hold_id uuid constraint resolutions_once primary key,
    kind text not null check (kind in ('release', 'refund', 'reverse')),
    funded_minor bigint not null,
    currency text not null,
    released_minor bigint not null check (released_minor >= 0),
    fee_minor bigint not null check (fee_minor >= 0),
    refunded_minor bigint not null check (refunded_minor >= 0),
    reversed_minor bigint not null check (reversed_minor >= 0),
    transaction_id uuid not null unique references ledger.transactions,
    foreign key (hold_id, funded_minor, currency) references ledger.holds (id, amount_minor, currency),
    constraint resolutions_exact
        check (released_minor + fee_minor + refunded_minor + reversed_minor = funded_minor),
    check (kind = 'release' or released_minor + fee_minor = 0),
    check (kind = 'reverse' or reversed_minor = 0)
);

-- A charge-back after the hold had resolved: the platform pays. Once per dispute of the provider.
create table ledger.losses (
    provider_ref text constraint losses_once primary key,
    hold_id uuid not null references ledger.holds,
    transaction_id uuid not null unique references ledger.transactions
);

-- Money on its way out of a person's balance.
create table ledger.payouts (
    id uuid primary key,
    account_id uuid not null unique references ledger.accounts,
    user_id uuid not null,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    -- The caller's key: the same request makes one payout.
    request_key text not null check (length(request_key) between 1 and 255),
    transaction_id uuid not null unique references ledger.transactions,
    created_at timestamptz not null default now(),
    constraint payouts_once unique (user_id, request_key)
);

create index payouts_user on ledger.payouts (user_id, id desc);

-- The provider has taken it on: from here on its end comes by webhook, and it is never asked again.
create table ledger.payout_requests (
    payout_id uuid primary key references ledger.payouts,
    provider_ref text not null,
    asked_at timestamptz not null default now()
);

create table ledger.payout_outcomes (
    payout_id uuid constraint payout_outcomes_once primary key references ledger.payouts,
    paid boolean not null,
    transaction_id uuid not null unique references ledger.transactions
);

create function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'ledger.% is append-only', tg_table_name
        using errcode = 'check_violation', constraint = 'ledger_immutable';
end $$;

do $$
declare name text;
begin
    foreach name in array array
        ['transactions', 'entries', 'holds', 'resolutions', 'losses', 'payouts', 'payout_requests', 'payout_outcomes']
    loop
        execute format('create trigger immutable before update or delete on ledger.%I
            for each row execute function ledger.refuse_change()', name);
        execute format('create trigger immutable_whole before truncate on ledger.%I
            for each statement execute function ledger.refuse_change()', name);
    end loop;
end $$;

create trigger immutable before delete on ledger.accounts
    for each row execute function ledger.refuse_change();
create trigger immutable_whole before truncate on ledger.accounts
    for each statement execute function ledger.refuse_change();
-- Only the entries' trigger moves a balance; nothing else of an account changes.
create trigger balance_by_entries_only before update on ledger.accounts
    for each row when (pg_trigger_depth() = 0 or (old.id, old.kind, old.owner_id, old.currency)
        is distinct from (new.id, new.kind, new.owner_id, new.currency))
    execute function ledger.refuse_change();

create function ledger.apply_entry() returns trigger language plpgsql as $$
begin
    perform from ledger.transactions
        where id = new.transaction_id and posted_in = pg_current_xact_id();
    if not found then
        raise exception 'a posted transaction takes no further entries'
            using errcode = 'check_violation', constraint = 'ledger_immutable';
    end if;
    update ledger.accounts set balance_minor = balance_minor + new.amount_minor
        where id = new.account_id and owner_id is not null;
    return null;
end $$;

create trigger apply after insert on ledger.entries
    for each row execute function ledger.apply_entry();

create function ledger.check_balanced() returns trigger language plpgsql as $$
begin
    if not exists (select from ledger.entries where transaction_id = new.id)
        or exists (select from ledger.entries where transaction_id = new.id
            group by currency having sum(amount_minor) <> 0)
    then
        raise exception 'transaction % does not sum to zero', new.id
            using errcode = 'check_violation', constraint = 'ledger_balanced';
    end if;
    return null;
end $$;

-- One check a transaction is enough: its entries come in the same database transaction or never.
create constraint trigger balanced after insert on ledger.transactions
    deferrable initially deferred for each row execute function ledger.check_balanced();

-- The row is locked since its balance moved, so what is read here is what will be committed.
create function ledger.check_account() returns trigger language plpgsql as $$
declare
    balance bigint := (select balance_minor from ledger.accounts where id = new.id);
    due bigint;
begin
    if balance < 0 then
        raise exception 'account % would go below zero', new.id
            using errcode = 'check_violation', constraint = 'ledger_not_negative';
    end if;
    if new.kind = 'hold' then
        select case when resolution.hold_id is null then hold.amount_minor else 0 end into due
            from ledger.holds hold left join ledger.resolutions resolution on resolution.hold_id = hold.id
            where hold.id = new.owner_id;
    elsif new.kind = 'payout' then
        select case when outcome.payout_id is null then payout.amount_minor else 0 end into due
            from ledger.payouts payout left join ledger.payout_outcomes outcome on outcome.payout_id = payout.id
            where payout.id = new.owner_id;
    else
        return null;
    end if;
    if due is distinct from balance then
        raise exception 'account % does not agree with what it stands for', new.id
            using errcode = 'check_violation', constraint = 'ledger_hold_agrees';
    end if;
    return null;
end $$;

create constraint trigger agrees after insert or update on ledger.accounts
    deferrable initially deferred for each row when (new.owner_id is not null)
    execute function ledger.check_account();

-- A payee's account with the payment provider.
create table ledger.payee_accounts (
    user_id uuid not null,
    provider text not null,
    account_ref text not null,
    created_at timestamptz not null default now(),
    primary key (user_id, provider),
    unique (provider, account_ref)
);

-- Webhooks that took effect, written with their effect: the same event does nothing twice.
create table ledger.provider_events (
    provider text not null,
    event_id text not null,
    kind text not null,
    object_id text not null,
    handled_at timestamptz not null default now(),
    primary key (provider, event_id)
);

-- The sandbox provider's own books: what a real provider keeps on its side. They outlive a crash of
-- the server, as a real provider does.
create schema sandbox;

create table sandbox.objects (
    id text primary key,
    kind text not null check (kind in ('payment', 'transfer', 'refund', 'payout', 'account', 'dispute')),
    request_key text unique,
    -- What was asked for: the same key with other particulars is refused.
    request jsonb not null,
    amount_minor bigint not null check (amount_minor >= 0),
    currency text,
    -- The milestone, the payout or the person.
    reference uuid,
    -- The payment that a transfer, refund or dispute belongs to.
    payment text references sandbox.objects,
    succeeds boolean not null,
    -- Before this the object is pending.
    settles_at timestamptz not null,
    created_at timestamptz not null default now()
);

create index objects_payment on sandbox.objects (payment) where payment is not null;

create table sandbox.webhooks (
    id bigint generated always as identity primary key,
    event_id text not null,
    kind text not null,
    object_id text not null,
    due_at timestamptz not null,
    attempts integer not null default 0,
    delivered_at timestamptz
);

create index webhooks_due on sandbox.webhooks (due_at) where delivered_at is null;
