//! Payments of bookings.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension,
    sql_types::{Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::career::model::{BookingId, Payment, PaymentId, PaymentState},
    postgres::DbError,
};

/// One payment.
pub async fn load(conn: &mut AsyncPgConnection, id: PaymentId) -> Result<Option<Payment>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.payments WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

/// The payment that a provider calls so.
pub async fn by_ref(
    conn: &mut AsyncPgConnection,
    provider: &str,
    reference: &str,
) -> Result<Option<Payment>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.payments WHERE provider = $1 AND provider_ref = $2")
        .bind::<Text, _>(provider)
        .bind::<Text, _>(reference)
        .get_result(conn)
        .await
        .optional()?)
}

/// A booking's payments, in the order they were made.
pub async fn of_booking(conn: &mut AsyncPgConnection, id: BookingId) -> Result<Vec<Payment>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.payments WHERE booking_id = $1 ORDER BY id")
        .bind::<SqlUuid, _>(id)
        .load(conn)
        .await?)
}

/// Moves a payment.
pub async fn set(
    conn: &mut AsyncPgConnection,
    id: PaymentId,
    state: PaymentState,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE career.payments SET state = $2, updated_at = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(state.as_str())
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps what the provider calls it.
pub async fn name(
    conn: &mut AsyncPgConnection,
    id: PaymentId,
    reference: &str,
    secret: Option<&str>,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.payments SET provider_ref = $2, client_secret = $3, updated_at = $4 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(reference)
    .bind::<Nullable<Text>, _>(secret)
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    Ok(())
}
