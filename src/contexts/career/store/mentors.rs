//! Mentors, and what is said about them.

use diesel::{
    OptionalExtension,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::career::model::{Mentor, MentorState, Review, ReviewId},
    postgres::DbError,
    principal::UserId,
};

/// One mentor.
pub async fn load(conn: &mut AsyncPgConnection, id: UserId) -> Result<Option<Mentor>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.mentors WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// One mentor, locked.
pub async fn lock(conn: &mut AsyncPgConnection, id: UserId) -> Result<Option<Mentor>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.mentors WHERE id = $1 FOR UPDATE")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// Which mentors.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Words of headline or biography.
    pub words: Option<String>,
    /// Slugs that they must all have.
    pub skills: Vec<String>,
    /// A language they speak.
    pub language: Option<String>,
    /// Only those who take no money.
    pub free: bool,
    /// In this state.
    pub state: Option<MentorState>,
    /// After this one in the list.
    pub before: Option<UserId>,
}

/// A page of mentors, the newest people first.
pub async fn list(conn: &mut AsyncPgConnection, filter: &Filter, limit: i64) -> Result<Vec<Mentor>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.mentors
         WHERE state = $1
           AND ($2::text IS NULL OR position(lower($2) in lower(headline || ' ' || bio)) > 0)
           AND skills @> $3
           AND ($4::text IS NULL OR $4 = ANY(languages))
           AND (NOT $5 OR price_minor = 0)
           AND ($6::uuid IS NULL OR id < $6)
         ORDER BY id DESC LIMIT $7",
    )
    .bind::<Text, _>(filter.state.unwrap_or(MentorState::Approved).as_str())
    .bind::<Nullable<Text>, _>(&filter.words)
    .bind::<Array<Text>, _>(&filter.skills)
    .bind::<Nullable<Text>, _>(&filter.language)
    .bind::<Bool, _>(filter.free)
    .bind::<Nullable<SqlUuid>, _>(filter.before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// Writes what a mentor may edit, and counts a version.
pub async fn update(conn: &mut AsyncPgConnection, mentor: &Mentor) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.mentors SET headline = $2, bio = $3, skills = $4, languages = $5, goals = $6, zone = $7,
                rules = $8, exceptions = $9, minutes = $10, every = $11, buffer_before = $12, buffer_after = $13,
                notice_minutes = $14, horizon_days = $15, seats = $16, price_minor = $17, currency = $18,
                cancel_hours = $19, meeting_url = $20, version = version + 1, updated_at = $21
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(mentor.id)
    .bind::<Text, _>(&mentor.headline)
    .bind::<Text, _>(&mentor.bio)
    .bind::<Array<Text>, _>(&mentor.skills)
    .bind::<Array<Text>, _>(&mentor.languages)
    .bind::<Array<Text>, _>(&mentor.goals)
    .bind::<Text, _>(&mentor.zone)
    .bind::<Jsonb, _>(&mentor.rules)
    .bind::<Jsonb, _>(&mentor.exceptions)
    .bind::<Integer, _>(mentor.minutes)
    .bind::<Integer, _>(mentor.every)
    .bind::<Integer, _>(mentor.buffer_before)
    .bind::<Integer, _>(mentor.buffer_after)
    .bind::<Integer, _>(mentor.notice_minutes)
    .bind::<Integer, _>(mentor.horizon_days)
    .bind::<Integer, _>(mentor.seats)
    .bind::<BigInt, _>(mentor.price_minor)
    .bind::<Text, _>(&mentor.currency)
    .bind::<Integer, _>(mentor.cancel_hours)
    .bind::<Nullable<Text>, _>(&mentor.meeting_url)
    .bind::<Timestamptz, _>(mentor.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Keeps what a reviewer said of an application.
pub async fn set_review_note(
    conn: &mut AsyncPgConnection,
    id: UserId,
    note: Option<&str>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE career.mentors SET review_note = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Nullable<Text>, _>(note)
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts a rating; the mentor's row is not a new version for that.
pub async fn rate(conn: &mut AsyncPgConnection, id: UserId, rating: i32) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.mentors SET rating_sum = rating_sum + $2, rating_count = rating_count + 1 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<BigInt, _>(i64::from(rating))
    .execute(conn)
    .await?;
    Ok(())
}

/// A page of what was said about a mentor, newest first.
pub async fn reviews(
    conn: &mut AsyncPgConnection,
    mentor: UserId,
    before: Option<ReviewId>,
    limit: i64,
) -> Result<Vec<Review>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.reviews WHERE mentor_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(mentor)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}
