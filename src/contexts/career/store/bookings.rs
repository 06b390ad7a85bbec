//! Bookings.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::career::model::{Booking, BookingId, BookingState, MentorshipId},
    postgres::DbError,
    principal::UserId,
};

/// One booking.
pub async fn load(conn: &mut AsyncPgConnection, id: BookingId) -> Result<Option<Booking>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.bookings WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// One booking with the calendars of its two people locked: nobody else moves it meanwhile.
pub async fn lock(conn: &mut AsyncPgConnection, id: BookingId) -> Result<Option<Booking>, DbError> {
    let Some(seen) = load(conn, id).await? else { return Ok(None) };
    super::calendars::lock(conn, &[seen.mentor_id, seen.seeker_id]).await?;
    load(conn, id).await
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many bookings of somebody wait for an answer or a session.
pub async fn live_of(conn: &mut AsyncPgConnection, seeker: UserId) -> Result<i64, DbError> {
    let count: Count = diesel::sql_query(
        "SELECT count(*) AS n FROM career.bookings WHERE seeker_id = $1
           AND state IN ('held', 'funding', 'requested', 'proposed', 'confirmed')",
    )
    .bind::<SqlUuid, _>(seeker)
    .get_result(conn)
    .await?;
    Ok(count.n)
}

/// Writes what a step changed beside state and version.
pub async fn keep(conn: &mut AsyncPgConnection, booking: &Booking) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.bookings SET session_id = $2, mentorship_id = $3, starts_at = $4, ends_at = $5,
                sequence = $6, published = $7, deadline = $8, note = $9, meeting_url = $10 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(booking.id)
    .bind::<SqlUuid, _>(booking.session_id)
    .bind::<Nullable<SqlUuid>, _>(booking.mentorship_id)
    .bind::<Timestamptz, _>(booking.starts_at)
    .bind::<Timestamptz, _>(booking.ends_at)
    .bind::<Integer, _>(booking.sequence)
    .bind::<Bool, _>(booking.published)
    .bind::<Nullable<Timestamptz>, _>(booking.deadline)
    .bind::<Nullable<Text>, _>(&booking.note)
    .bind::<Nullable<Text>, _>(&booking.meeting_url)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whose, in which state, before which: the filter of a list.
#[derive(Clone, Copy, Debug, Default)]
pub struct Filter {
    /// As mentor.
    pub mentor: Option<UserId>,
    /// As who booked.
    pub seeker: Option<UserId>,
    /// Of this mentorship.
    pub mentorship: Option<MentorshipId>,
    /// In this state.
    pub state: Option<BookingState>,
    /// After this one in the list.
    pub before: Option<BookingId>,
}

/// A page of bookings, newest first: as mentor or as who booked, where both are given.
pub async fn list(conn: &mut AsyncPgConnection, filter: Filter, limit: i64) -> Result<Vec<Booking>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.bookings
         WHERE (($1::uuid IS NULL AND $2::uuid IS NULL) OR mentor_id = $1 OR seeker_id = $2)
           AND ($3::uuid IS NULL OR mentorship_id = $3)
           AND ($4::text IS NULL OR state = $4)
           AND ($5::uuid IS NULL OR id < $5)
         ORDER BY id DESC LIMIT $6",
    )
    .bind::<Nullable<SqlUuid>, _>(filter.mentor)
    .bind::<Nullable<SqlUuid>, _>(filter.seeker)
    .bind::<Nullable<SqlUuid>, _>(filter.mentorship)
    .bind::<Nullable<Text>, _>(filter.state.map(BookingState::as_str))
    .bind::<Nullable<SqlUuid>, _>(filter.before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// What stands, or stood, in somebody's calendar since then, by start.
pub async fn published(
    conn: &mut AsyncPgConnection,
    who: UserId,
    since: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Booking>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.bookings WHERE (mentor_id = $1 OR seeker_id = $1) AND published AND ends_at > $2
         ORDER BY starts_at, id LIMIT $3",
    )
    .bind::<SqlUuid, _>(who)
    .bind::<Timestamptz, _>(since)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}
