//! Schema `identity`, as its migration makes it.

diesel::table! {
    identity.users (id) {
        id -> Uuid,
        email -> Nullable<Text>,
        email_verified_at -> Nullable<Timestamptz>,
        password_hash -> Nullable<Text>,
        display_name -> Text,
        headline -> Nullable<Text>,
        bio -> Nullable<Text>,
        time_zone -> Nullable<Text>,
        roles -> Array<Text>,
        version -> BigInt,
        created_at -> Timestamptz,
        deletion_due_at -> Nullable<Timestamptz>,
        erased_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    identity.sessions (id) {
        id -> Uuid,
        user_id -> Uuid,
        token_hash -> Binary,
        device -> Nullable<Text>,
        address -> Nullable<Text>,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    identity.links (token_hash) {
        token_hash -> Binary,
        user_id -> Uuid,
        purpose -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    identity.sign_in_failures (account_key, network) {
        account_key -> Binary,
        network -> Text,
        failures -> Integer,
        last_at -> Timestamptz,
    }
}

diesel::table! {
    identity.known_networks (account_key, network) {
        account_key -> Binary,
        network -> Text,
        last_at -> Timestamptz,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(links -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(users, sessions, links);
