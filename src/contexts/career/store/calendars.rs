//! Whose time is taken when: the constraint that makes double booking impossible, and sessions' seats.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::career::{
        error::CareerError,
        model::{Booking, Session, slots::Span},
    },
    postgres::DbError,
    principal::UserId,
};

/// The constraint's name.
const NOBODY_TWICE: &str = "nobody_is_busy_twice";

/// Locks people's calendars, in one order whoever asks; makes those that are not there.
pub async fn lock(conn: &mut AsyncPgConnection, people: &[UserId]) -> Result<(), DbError> {
    let mut people = people.to_vec();
    people.sort_unstable();
    people.dedup();
    diesel::sql_query(
        // Only for those who have none: a number is spent even where a conflict is ignored.
        "INSERT INTO career.calendars (person_id)
         SELECT person FROM unnest($1::uuid[]) AS person
         WHERE NOT EXISTS (SELECT 1 FROM career.calendars WHERE person_id = person)
         ON CONFLICT (person_id) DO NOTHING",
    )
    .bind::<Array<SqlUuid>, _>(&people)
    .execute(conn)
    .await?;
    diesel::sql_query(
        "SELECT person_id FROM career.calendars WHERE person_id = ANY($1) ORDER BY person_id FOR UPDATE",
    )
    .bind::<Array<SqlUuid>, _>(&people)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes somebody's time; `taken` when the constraint says that it is.
///
/// # Errors
/// `taken`, and the database's.
pub async fn occupy(
    conn: &mut AsyncPgConnection,
    source: Uuid,
    person: UserId,
    time: Span,
    taken: CareerError,
) -> Result<(), CareerError> {
    // A part of a second at the end counts as a whole one.
    let to = time.to.timestamp() + i64::from(time.to.timestamp_subsec_nanos() > 0);
    let written = diesel::sql_query(
        "INSERT INTO career.busy (source_id, person_id, no, from_s, to_s)
         SELECT $1, person_id, no, $3, $4 FROM career.calendars WHERE person_id = $2",
    )
    .bind::<SqlUuid, _>(source)
    .bind::<SqlUuid, _>(person)
    .bind::<BigInt, _>(time.from.timestamp())
    .bind::<BigInt, _>(to)
    .execute(conn)
    .await;
    match written.map_err(DbError::from) {
        Ok(_) => Ok(()),
        Err(DbError::Exclusion { constraint }) if constraint == NOBODY_TWICE => Err(taken),
        Err(error) => Err(error.into()),
    }
}

/// Gives somebody's time back.
pub async fn release(conn: &mut AsyncPgConnection, source: Uuid) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM career.busy WHERE source_id = $1")
        .bind::<SqlUuid, _>(source)
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Taken {
    #[diesel(sql_type = BigInt)]
    from_s: i64,
    #[diesel(sql_type = BigInt)]
    to_s: i64,
}

/// When somebody is not free within a span.
pub async fn busy(conn: &mut AsyncPgConnection, person: UserId, within: Span) -> Result<Vec<Span>, DbError> {
    let rows: Vec<Taken> = diesel::sql_query(
        "SELECT from_s, to_s FROM career.busy WHERE person_id = $1 AND to_s > $2 AND from_s < $3 ORDER BY from_s",
    )
    .bind::<SqlUuid, _>(person)
    .bind::<BigInt, _>(within.from.timestamp())
    .bind::<BigInt, _>(within.to.timestamp())
    .load(conn)
    .await?;
    let instant = |at| DateTime::from_timestamp(at, 0).unwrap_or(within.from);
    Ok(rows.into_iter().map(|row| Span { from: instant(row.from_s), to: instant(row.to_s) }).collect())
}

/// Sessions of a mentor that have somebody and still take more.
pub async fn with_seats(
    conn: &mut AsyncPgConnection,
    mentor: UserId,
    within: Span,
) -> Result<Vec<Session>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.sessions
         WHERE mentor_id = $1 AND taken > 0 AND taken < seats AND starts_at >= $2 AND starts_at < $3",
    )
    .bind::<SqlUuid, _>(mentor)
    .bind::<Timestamptz, _>(within.from)
    .bind::<Timestamptz, _>(within.to)
    .load(conn)
    .await?)
}

/// One session.
pub async fn session(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Session>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.sessions WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// Takes a seat in the session at that time, which is made if it is not there. `kept` is the session
/// with its buffers. The caller holds the mentor's calendar.
///
/// # Errors
/// [`CareerError::Taken`].
pub async fn seat(
    conn: &mut AsyncPgConnection,
    mentor: UserId,
    time: Span,
    kept: Span,
    seats: i32,
) -> Result<Uuid, CareerError> {
    let there: Option<Session> = diesel::sql_query(
        "SELECT * FROM career.sessions WHERE mentor_id = $1 AND starts_at = $2 AND taken > 0 FOR UPDATE",
    )
    .bind::<SqlUuid, _>(mentor)
    .bind::<Timestamptz, _>(time.from)
    .get_result(conn)
    .await
    .optional()?;
    if let Some(session) = there {
        if session.ends_at != time.to || session.taken >= session.seats {
            return Err(CareerError::Taken);
        }
        diesel::sql_query("UPDATE career.sessions SET taken = taken + 1 WHERE id = $1")
            .bind::<SqlUuid, _>(session.id)
            .execute(conn)
            .await?;
        return Ok(session.id);
    }
    let session = Session {
        id: Uuid::now_v7(),
        mentor_id: mentor,
        starts_at: time.from,
        ends_at: time.to,
        seats,
        taken: 1,
    };
    super::insert(conn, "sessions", &session).await.map_err(|error| match error.constraint() {
        Some("sessions_live") => CareerError::Taken,
        _ => error.into(),
    })?;
    occupy(conn, session.id, mentor, kept, CareerError::Taken).await?;
    Ok(session.id)
}

/// Leaves a seat, and what was taken for the booking. The mentor is free once the last one has left.
pub async fn leave(conn: &mut AsyncPgConnection, booking: &Booking) -> Result<(), DbError> {
    release(conn, booking.id.0).await?;
    let empty = diesel::sql_query(
        "UPDATE career.sessions SET taken = taken - 1 WHERE id = $1 AND taken > 0 RETURNING *",
    )
    .bind::<SqlUuid, _>(booking.session_id)
    .get_result::<Session>(conn)
    .await
    .optional()?;
    if empty.is_some_and(|session| session.taken == 0) {
        release(conn, booking.session_id).await?;
    }
    Ok(())
}

/// Forgets times that were over before `before`: nothing overlaps them any more. How many there were.
pub async fn prune(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> Result<usize, DbError> {
    Ok(diesel::sql_query("DELETE FROM career.busy WHERE to_s < $1")
        .bind::<BigInt, _>(before.timestamp())
        .execute(conn)
        .await?)
}
