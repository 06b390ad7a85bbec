//! The tables of schema `platform` that events use, as diesel sees them.

diesel::table! {
    platform.outbox (seq) {
        seq -> Int8,
        id -> Uuid,
        context -> Text,
        subject -> Text,
        aggregate -> Text,
        version -> Int8,
        envelope -> Jsonb,
        correlation_id -> Text,
        created_at -> Timestamptz,
        published_at -> Nullable<Timestamptz>,
        received_at -> Nullable<Timestamptz>,
        attempts -> Int4,
    }
}

diesel::table! {
    platform.consumers (name) {
        name -> Text,
        subjects -> Array<Text>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    platform.bus_positions (stream, incarnation) {
        stream -> Text,
        incarnation -> Text,
        seq -> Int8,
    }
}

diesel::table! {
    platform.inbox (consumer, event_id) {
        consumer -> Text,
        event_id -> Uuid,
        seq -> Int8,
        context -> Text,
        subject -> Text,
        aggregate -> Text,
        correlation_id -> Text,
        envelope -> Nullable<Jsonb>,
        received_at -> Timestamptz,
        attempts -> Int4,
        next_at -> Timestamptz,
        error -> Nullable<Text>,
        handled_at -> Nullable<Timestamptz>,
        died_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    platform.dead_letters (consumer, event_id) {
        consumer -> Text,
        event_id -> Uuid,
        subject -> Text,
        aggregate -> Text,
        correlation_id -> Text,
        envelope -> Jsonb,
        error -> Text,
        attempts -> Int4,
        died_at -> Timestamptz,
        replayed_at -> Nullable<Timestamptz>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(outbox, inbox, dead_letters);
