//! Keys and the answers they got, in `platform.idempotency`.

use chrono::{DateTime, Duration, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, sql_types};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    postgres::{Database, DbError},
    principal::UserId,
};

diesel::table! {
    platform.idempotency (scope) {
        scope -> Binary,
        fingerprint -> Binary,
        resource_id -> Uuid,
        owner -> Uuid,
        locked_until -> Timestamptz,
        status -> Nullable<SmallInt>,
        headers -> Nullable<Jsonb>,
        body -> Nullable<Binary>,
        expires_at -> Timestamptz,
    }
}

/// How long an answer is kept.
pub(super) const KEPT: Duration = Duration::hours(48);
/// How long an attempt may run before another may take over: past anything a handler waits for.
pub(super) const LOCK: Duration = Duration::seconds(90);

/// An answer that was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub status: u16,
    /// Names and values of the headers that belong to the answer itself.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a key stands for when it comes.
#[derive(Debug)]
pub(super) enum Claim {
    /// Nothing yet: go on, and save the answer as `owner`.
    Run { owner: Uuid, resource_id: Uuid },
    /// This was answered.
    Answered(Stored),
    /// The same request is being worked on.
    InFlight,
    /// Another request had the key.
    Other,
}

#[derive(diesel::QueryableByName)]
struct Claimed {
    #[diesel(sql_type = sql_types::Uuid)]
    resource_id: Uuid,
}

type Found = (Vec<u8>, Option<i16>, Option<serde_json::Value>, Option<Vec<u8>>);

pub(super) async fn claim(
    database: &Database,
    scope: &[u8],
    fingerprint: &[u8],
    person: UserId,
    now: DateTime<Utc>,
) -> Result<Claim, DbError> {
    let mut conn = database.conn().await?;
    let owner = Uuid::now_v7();
    // One statement decides: of several at once, one inserts or takes over.
    let claimed: Option<Claimed> = diesel::sql_query(
        "insert into platform.idempotency as held
            (scope, fingerprint, resource_id, owner, locked_until, created_at, expires_at, person)
         values ($1, $2, $3, $3, $4, $5, $6, $7)
         on conflict (scope) do update set
            fingerprint = excluded.fingerprint,
            resource_id = case when held.expires_at <= $5 then excluded.resource_id else held.resource_id end,
            owner = excluded.owner, locked_until = excluded.locked_until,
            status = null, headers = null, body = null,
            expires_at = excluded.expires_at
         where held.expires_at <= $5
            or (held.status is null and held.locked_until <= $5 and held.fingerprint = excluded.fingerprint)
         returning resource_id",
    )
    .bind::<sql_types::Binary, _>(scope)
    .bind::<sql_types::Binary, _>(fingerprint)
    .bind::<sql_types::Uuid, _>(owner)
    .bind::<sql_types::Timestamptz, _>(now + LOCK)
    .bind::<sql_types::Timestamptz, _>(now)
    .bind::<sql_types::Timestamptz, _>(now + KEPT)
    .bind::<sql_types::Uuid, _>(person)
    .get_result(&mut conn)
    .await
    .optional()?;
    if let Some(claimed) = claimed {
        return Ok(Claim::Run { owner, resource_id: claimed.resource_id });
    }
    let found: Option<Found> = idempotency::table
        .find(scope)
        .select((idempotency::fingerprint, idempotency::status, idempotency::headers, idempotency::body))
        .first(&mut conn)
        .await
        .optional()?;
    Ok(match found {
        Some((before, ..)) if before != fingerprint => Claim::Other,
        Some((_, Some(status), Some(headers), Some(body))) => Claim::Answered(Stored {
            status: u16::try_from(status).unwrap_or(500),
            headers: serde_json::from_value(headers).unwrap_or_default(),
            body,
        }),
        // Also for one that was tidied away just now: the caller comes again.
        _ => Claim::InFlight,
    })
}

/// Forgets the answers to a person; how many.
pub(super) async fn forget(conn: &mut AsyncPgConnection, person: UserId) -> Result<u64, DbError> {
    let gone = diesel::sql_query("delete from platform.idempotency where person = $1")
        .bind::<sql_types::Uuid, _>(person);
    Ok(gone.execute(conn).await? as u64)
}

/// Keeps the answer, unless somebody else took over.
pub(super) async fn save(
    database: &Database,
    scope: &[u8],
    owner: Uuid,
    answer: &Stored,
) -> Result<(), DbError> {
    let mut conn = database.conn().await?;
    let status = i16::try_from(answer.status).unwrap_or(500);
    let headers = serde_json::to_value(&answer.headers).unwrap_or_default();
    diesel::update(idempotency::table.find(scope))
        .filter(idempotency::owner.eq(owner))
        .set((
            idempotency::status.eq(status),
            idempotency::headers.eq(headers),
            idempotency::body.eq(&answer.body),
        ))
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// Lets the next attempt begin at once. The row stays, and with it the id of what may have been made.
pub(super) async fn release(
    database: &Database,
    scope: &[u8],
    owner: Uuid,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let mut conn = database.conn().await?;
    diesel::update(idempotency::table.find(scope))
        .filter(idempotency::owner.eq(owner))
        .filter(idempotency::status.is_null())
        .set(idempotency::locked_until.eq(now))
        .execute(&mut conn)
        .await?;
    Ok(())
}

/// Removes what has expired; answers how many.
pub(super) async fn tidy(database: &Database, now: DateTime<Utc>) -> Result<usize, DbError> {
    let mut conn = database.conn().await?;
    let gone =
        diesel::delete(idempotency::table.filter(idempotency::expires_at.le(now))).execute(&mut conn).await?;
    Ok(gone)
}
