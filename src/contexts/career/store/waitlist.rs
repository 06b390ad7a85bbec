//! Who waits for a mentor's time.

use diesel::{
    OptionalExtension,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::career::model::{BookingId, WaitEntry, WaitId, WaitState, slots::Span},
    postgres::DbError,
    principal::UserId,
};

/// One entry.
pub async fn load(conn: &mut AsyncPgConnection, id: WaitId) -> Result<Option<WaitEntry>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.waitlist WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// Those who wait for that time, who came first before who came later.
pub async fn waiting(
    conn: &mut AsyncPgConnection,
    mentor: UserId,
    time: Span,
    limit: i64,
) -> Result<Vec<WaitEntry>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.waitlist
         WHERE mentor_id = $1 AND state = 'waiting' AND from_at <= $2 AND to_at >= $3 ORDER BY id LIMIT $4",
    )
    .bind::<SqlUuid, _>(mentor)
    .bind::<Timestamptz, _>(time.from)
    .bind::<Timestamptz, _>(time.to)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// Moves an entry that still waits; `false` when it does not.
pub async fn settle(
    conn: &mut AsyncPgConnection,
    id: WaitId,
    state: WaitState,
    booking: Option<BookingId>,
) -> Result<bool, DbError> {
    let moved = diesel::sql_query(
        "UPDATE career.waitlist SET state = $2, booking_id = $3 WHERE id = $1 AND state = 'waiting'",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(state.as_str())
    .bind::<Nullable<SqlUuid>, _>(booking)
    .execute(conn)
    .await?;
    Ok(moved == 1)
}

/// What became of an offer.
pub async fn follow(
    conn: &mut AsyncPgConnection,
    booking: BookingId,
    state: WaitState,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE career.waitlist SET state = $2 WHERE booking_id = $1 AND state = 'offered'")
        .bind::<SqlUuid, _>(booking)
        .bind::<Text, _>(state.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Somebody's entries, newest first.
pub async fn of_person(
    conn: &mut AsyncPgConnection,
    who: UserId,
    before: Option<WaitId>,
    limit: i64,
) -> Result<Vec<WaitEntry>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.waitlist WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2)
         ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(who)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}
