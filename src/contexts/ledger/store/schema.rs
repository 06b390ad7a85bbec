//! Schema `ledger`, as its migration makes it.

diesel::table! {
    ledger.accounts (id) {
        id -> Uuid,
        kind -> Text,
        owner_id -> Nullable<Uuid>,
        currency -> Text,
        balance_minor -> BigInt,
    }
}

diesel::table! {
    ledger.transactions (id) {
        id -> Uuid,
        kind -> Text,
        subject_id -> Uuid,
        provider_ref -> Nullable<Text>,
        correlation_id -> Nullable<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    ledger.entries (transaction_id, line) {
        transaction_id -> Uuid,
        line -> SmallInt,
        account_id -> Uuid,
        currency -> Text,
        amount_minor -> BigInt,
    }
}

diesel::table! {
    ledger.holds (id) {
        id -> Uuid,
        account_id -> Uuid,
        payer_id -> Uuid,
        payee_id -> Uuid,
        amount_minor -> BigInt,
        currency -> Text,
        provider_ref -> Text,
        transaction_id -> Uuid,
    }
}

diesel::table! {
    ledger.resolutions (hold_id) {
        hold_id -> Uuid,
        kind -> Text,
        funded_minor -> BigInt,
        currency -> Text,
        released_minor -> BigInt,
        fee_minor -> BigInt,
        refunded_minor -> BigInt,
        reversed_minor -> BigInt,
        transaction_id -> Uuid,
    }
}

diesel::table! {
    ledger.losses (provider_ref) {
        provider_ref -> Text,
        hold_id -> Uuid,
        transaction_id -> Uuid,
    }
}

diesel::table! {
    ledger.payouts (id) {
        id -> Uuid,
        account_id -> Uuid,
        user_id -> Uuid,
        amount_minor -> BigInt,
        currency -> Text,
        request_key -> Text,
        transaction_id -> Uuid,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    ledger.payout_outcomes (payout_id) {
        payout_id -> Uuid,
        paid -> Bool,
        transaction_id -> Uuid,
    }
}

diesel::table! {
    ledger.payout_requests (payout_id) {
        payout_id -> Uuid,
        provider_ref -> Text,
    }
}

diesel::table! {
    ledger.payee_accounts (user_id, provider) {
        user_id -> Uuid,
        provider -> Text,
        account_ref -> Text,
    }
}

diesel::table! {
    ledger.provider_events (provider, event_id) {
        provider -> Text,
        event_id -> Text,
        kind -> Text,
        object_id -> Text,
    }
}

diesel::joinable!(entries -> transactions (transaction_id));
diesel::joinable!(entries -> accounts (account_id));
diesel::allow_tables_to_appear_in_same_query!(
    accounts,
    transactions,
    entries,
    holds,
    resolutions,
    payouts,
    payout_outcomes,
    payout_requests
);
