//! The tables of schema `gigs`, but for `gigs.gigs`: it has more columns than diesel's tables have
//! without a costly feature, and is queried in SQL (`store::gigs`).

diesel::table! {
    gigs.skills (slug) { slug -> Text, name -> Text, category -> Text, }
}

diesel::table! {
    gigs.applications (id) {
        id -> Uuid,
        gig_id -> Uuid,
        student_id -> Uuid,
        proposal -> Text,
        answers -> Jsonb,
        offer -> Nullable<Jsonb>,
        state -> Text,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    gigs.contracts (id) {
        id -> Uuid,
        gig_id -> Uuid,
        application_id -> Uuid,
        client_id -> Uuid,
        student_id -> Uuid,
        title -> Text,
        currency -> Text,
        state -> Text,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    gigs.milestones (id) {
        id -> Uuid,
        contract_id -> Uuid,
        position -> Integer,
        title -> Text,
        amount_minor -> BigInt,
        due_at -> Nullable<Timestamptz>,
        note -> Nullable<Text>,
        state -> Text,
        version -> BigInt,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    gigs.payments (id) {
        id -> Uuid,
        milestone_id -> Uuid,
        provider -> Text,
        provider_ref -> Nullable<Text>,
        client_secret -> Nullable<Text>,
        amount_minor -> BigInt,
        currency -> Text,
        state -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    gigs.disputes (id) {
        id -> Uuid,
        milestone_id -> Uuid,
        contract_id -> Uuid,
        opened_by -> Uuid,
        reason -> Text,
        state -> Text,
        release_minor -> Nullable<BigInt>,
        refund_minor -> Nullable<BigInt>,
        resolved_by -> Nullable<Uuid>,
        resolution -> Nullable<Text>,
        version -> BigInt,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    gigs.reviews (id) {
        id -> Uuid,
        contract_id -> Uuid,
        author_id -> Uuid,
        subject_id -> Uuid,
        rating -> Integer,
        body -> Text,
        created_at -> Timestamptz,
        published_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    gigs.invitations (id) {
        id -> Uuid,
        gig_id -> Uuid,
        client_id -> Uuid,
        student_id -> Uuid,
        note -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    gigs.saved_searches (id) {
        id -> Uuid,
        user_id -> Uuid,
        name -> Text,
        words -> Nullable<Text>,
        skills -> Array<Text>,
        budget_min -> Nullable<BigInt>,
        budget_max -> Nullable<BigInt>,
        currency -> Nullable<Text>,
        kind -> Nullable<Text>,
        created_at -> Timestamptz,
        matches -> BigInt,
        matched_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    gigs.history (machine, entity_id, version) {
        machine -> Text,
        entity_id -> Uuid,
        version -> BigInt,
        transition -> Text,
        from_state -> Nullable<Text>,
        to_state -> Text,
        actor -> Text,
        actor_id -> Nullable<Uuid>,
        data -> Jsonb,
        correlation_id -> Text,
        at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(contracts, disputes);
