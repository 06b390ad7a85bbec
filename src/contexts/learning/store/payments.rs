//! The provider's payments for places.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension,
    sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::learning::model::{EnrolmentId, PlacePayment, PlacePaymentState},
    postgres::DbError,
};

pub async fn insert(conn: &mut AsyncPgConnection, new: &PlacePayment) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO learning.payments
            (id, enrolment_id, provider, provider_ref, amount_minor, currency, state, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
    )
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(new.enrolment_id)
    .bind::<Text, _>(&new.provider)
    .bind::<Nullable<Text>, _>(&new.provider_ref)
    .bind::<BigInt, _>(new.amount_minor)
    .bind::<Text, _>(&new.currency)
    .bind::<Text, _>(new.state)
    .bind::<Timestamptz, _>(new.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn load(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<PlacePayment>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.payments WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn by_ref(
    conn: &mut AsyncPgConnection,
    provider: &str,
    reference: &str,
) -> Result<Option<PlacePayment>, DbError> {
    let found =
        diesel::sql_query("SELECT * FROM learning.payments WHERE provider = $1 AND provider_ref = $2")
            .bind::<Text, _>(provider)
            .bind::<Text, _>(reference);
    Ok(found.get_result(conn).await.optional()?)
}

/// Those of an enrolment, the latest first.
pub async fn of(conn: &mut AsyncPgConnection, id: EnrolmentId) -> Result<Vec<PlacePayment>, DbError> {
    let found = diesel::sql_query("SELECT * FROM learning.payments WHERE enrolment_id = $1 ORDER BY id DESC")
        .bind::<SqlUuid, _>(id);
    Ok(found.get_results(conn).await?)
}

/// Notes what the provider calls it.
pub async fn name(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    reference: &str,
    secret: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE learning.payments SET provider_ref = $2, client_secret = coalesce($3, client_secret),
             state = CASE state WHEN 'created' THEN 'pending' ELSE state END, updated_at = $4 WHERE id = $1",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<Text, _>(reference)
    .bind::<Nullable<Text>, _>(secret)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn set(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    state: PlacePaymentState,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    diesel::sql_query("UPDATE learning.payments SET state = $2, updated_at = $3 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(state)
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await?;
    Ok(())
}
