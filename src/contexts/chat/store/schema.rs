//! The tables of schema `chat`, as diesel sees them.

#![allow(clippy::too_many_arguments, reason = "a function of the database takes what it takes")]

diesel::table! {
    chat.rooms (id) {
        id -> Uuid,
        kind -> Text,
        name -> Nullable<Text>,
        topic -> Text,
        direct_key -> Nullable<Text>,
        created_by -> Uuid,
        created_at -> Timestamptz,
        archived_at -> Nullable<Timestamptz>,
        version -> Int8,
        settings -> Jsonb,
    }
}

diesel::table! {
    chat.members (room_id, user_id) {
        room_id -> Uuid,
        user_id -> Uuid,
        role -> Text,
        joined_at -> Timestamptz,
        read_seq -> Int8,
        delivered_seq -> Int8,
        suspended_until -> Nullable<Timestamptz>,
        muted -> Bool,
        notify -> Text,
        favourite -> Bool,
        draft -> Text,
        own_version -> Int8,
    }
}

diesel::table! {
    chat.blocks (user_id, blocked_id) {
        user_id -> Uuid,
        blocked_id -> Uuid,
        at -> Timestamptz,
    }
}

diesel::table! {
    chat.people (user_id) {
        user_id -> Uuid,
        last_seen_to -> Text,
        receipts -> Bool,
        last_seen_at -> Nullable<Timestamptz>,
        version -> Int8,
    }
}

diesel::table! {
    chat.statuses (session_id) {
        session_id -> Uuid,
        user_id -> Uuid,
        status -> Text,
        at -> Timestamptz,
    }
}

diesel::table! {
    chat.bans (room_id, user_id) {
        room_id -> Uuid,
        user_id -> Uuid,
        by_id -> Uuid,
        reason -> Text,
        at -> Timestamptz,
        until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    chat.reports (id) {
        id -> Uuid,
        room_id -> Uuid,
        message_id -> Uuid,
        sender_id -> Uuid,
        reporter_id -> Uuid,
        reason -> Text,
        detail -> Text,
        body -> Text,
        at -> Timestamptz,
        resolution -> Nullable<Text>,
        note -> Text,
        resolved_by -> Nullable<Uuid>,
        resolved_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    chat.audit (id) {
        id -> Uuid,
        at -> Timestamptz,
        actor_id -> Uuid,
        action -> Text,
        room_id -> Nullable<Uuid>,
        user_id -> Nullable<Uuid>,
        message_id -> Nullable<Uuid>,
        detail -> Jsonb,
        correlation_id -> Text,
    }
}

diesel::table! {
    chat.announced (room_id) {
        room_id -> Uuid,
        epoch -> Text,
        seq -> Int8,
    }
}

diesel::table! {
    chat.outbox (id) {
        id -> Uuid,
        room_id -> Uuid,
        actor_id -> Uuid,
        kind -> Text,
        data -> Jsonb,
        created_at -> Timestamptz,
        correlation_id -> Text,
    }
}

diesel::table! {
    chat.streams (room_id) {
        room_id -> Uuid,
        epoch -> Text,
        first_seq -> Int8,
        last_seq -> Int8,
    }
}

diesel::table! {
    chat.events (room_id, seq) {
        room_id -> Uuid,
        seq -> Int8,
        kind -> Text,
        message_id -> Uuid,
        sender_id -> Uuid,
        client_msg_id -> Text,
        data -> Jsonb,
        created_at -> Timestamptz,
        correlation_id -> Text,
    }
}

diesel::table! {
    chat.changed (room_id, seq) {
        room_id -> Uuid,
        seq -> Int8,
        message_id -> Uuid,
        pinned_seq -> Nullable<Int8>,
        message -> Jsonb,
    }
}

diesel::table! {
    chat.mentions (room_id, user_id, seq) {
        room_id -> Uuid,
        user_id -> Uuid,
        seq -> Int8,
        sender_id -> Uuid,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    rooms, members, outbox, streams, events, changed, mentions, bans
);

diesel::define_sql_function! {
    /// See the migration.
    #[sql_name = "chat.append"]
    fn append_events(
        room: diesel::sql_types::Uuid,
        kinds: diesel::sql_types::Array<diesel::sql_types::Text>,
        message_ids: diesel::sql_types::Array<diesel::sql_types::Uuid>,
        senders: diesel::sql_types::Array<diesel::sql_types::Uuid>,
        client_msg_ids: diesel::sql_types::Array<diesel::sql_types::Text>,
        datas: diesel::sql_types::Array<diesel::sql_types::Jsonb>,
        times: diesel::sql_types::Array<diesel::sql_types::Timestamptz>,
        correlations: diesel::sql_types::Array<diesel::sql_types::Text>,
    ) -> diesel::sql_types::Nullable<diesel::sql_types::Jsonb>;
}
