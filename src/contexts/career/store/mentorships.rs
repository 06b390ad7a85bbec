//! Mentorships: goals, actions, notes, reviews.

use diesel::{
    OptionalExtension,
    sql_types::{BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::career::model::{Booking, BookingId, Item, ItemId, Mentorship, MentorshipId, Note},
    postgres::DbError,
    principal::UserId,
};

/// The mentorship of two people, begun now if there was none.
pub async fn of_pair(conn: &mut AsyncPgConnection, booking: &Booking) -> Result<MentorshipId, DbError> {
    let mentorship: Mentorship = diesel::sql_query(
        "INSERT INTO career.mentorships (id, mentor_id, seeker_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT mentorships_once DO UPDATE SET mentor_id = excluded.mentor_id RETURNING *",
    )
    .bind::<SqlUuid, _>(MentorshipId::new())
    .bind::<SqlUuid, _>(booking.mentor_id)
    .bind::<SqlUuid, _>(booking.seeker_id)
    .bind::<Timestamptz, _>(booking.updated_at)
    .get_result(conn)
    .await?;
    Ok(mentorship.id)
}

/// One mentorship.
pub async fn load(conn: &mut AsyncPgConnection, id: MentorshipId) -> Result<Option<Mentorship>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.mentorships WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// Somebody's mentorships, newest first.
pub async fn of_person(
    conn: &mut AsyncPgConnection,
    who: UserId,
    before: Option<MentorshipId>,
    limit: i64,
) -> Result<Vec<Mentorship>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.mentorships
         WHERE (mentor_id = $1 OR seeker_id = $1) AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(who)
    .bind::<Nullable<SqlUuid>, _>(before)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?)
}

/// Goals and actions, oldest first.
pub async fn items(conn: &mut AsyncPgConnection, of: MentorshipId) -> Result<Vec<Item>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.items WHERE mentorship_id = $1 ORDER BY id LIMIT 500")
        .bind::<SqlUuid, _>(of)
        .load(conn)
        .await?)
}

/// One of them, locked.
pub async fn lock_item(conn: &mut AsyncPgConnection, id: ItemId) -> Result<Option<Item>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.items WHERE id = $1 FOR UPDATE")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// Writes an item's fields.
pub async fn update_item(conn: &mut AsyncPgConnection, item: &Item) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.items SET title = $2, due_on = $3, done_at = $4, version = $5, updated_at = $6 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(item.id)
    .bind::<Text, _>(&item.title)
    .bind::<Nullable<Date>, _>(item.due_on)
    .bind::<Nullable<Timestamptz>, _>(item.done_at)
    .bind::<BigInt, _>(item.version)
    .bind::<Timestamptz, _>(item.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes an item away.
pub async fn drop_item(conn: &mut AsyncPgConnection, id: ItemId) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM career.items WHERE id = $1").bind::<SqlUuid, _>(id).execute(conn).await?;
    Ok(())
}

/// A session's notes that somebody may read: their own, and shared ones; oldest first.
pub async fn notes(
    conn: &mut AsyncPgConnection,
    of: BookingId,
    reader: UserId,
) -> Result<Vec<Note>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.notes WHERE booking_id = $1 AND (shared OR author_id = $2) ORDER BY id LIMIT 200",
    )
    .bind::<SqlUuid, _>(of)
    .bind::<SqlUuid, _>(reader)
    .load(conn)
    .await?)
}

/// Whether somebody wrote a note of that id.
pub async fn note(conn: &mut AsyncPgConnection, id: uuid::Uuid) -> Result<Option<Note>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.notes WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}
