//! Dead letters: events that a consumer could not handle, and giving them to it again.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, QueryDsl,
    sql_types::{Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use uuid::Uuid;

use super::schema::dead_letters;
use crate::postgres::{Database, DbError};

/// An event that a consumer gave up on.
#[derive(Clone, Debug, PartialEq, diesel::Queryable, Serialize)]
pub struct DeadLetter {
    /// Who gave up.
    pub consumer: String,
    /// On which event.
    pub event_id: Uuid,
    /// What it tells of.
    pub subject: String,
    /// About what.
    pub aggregate: String,
    /// Where it all began.
    pub correlation_id: String,
    /// The last failure.
    pub error: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was given up.
    pub died_at: DateTime<Utc>,
    /// When it was given to the consumer again.
    pub replayed_at: Option<DateTime<Utc>>,
}

/// Which dead letters: all without a field set.
#[derive(Clone, Debug, Default)]
pub struct Letters {
    /// Only this consumer's.
    pub consumer: Option<String>,
    /// Only this event.
    pub event_id: Option<Uuid>,
}

/// Puts a waiting event aside; whether it was still waiting.
pub(super) async fn bury(
    conn: &mut AsyncPgConnection,
    consumer: &str,
    event_id: Uuid,
    attempts: i32,
    error: &str,
) -> Result<bool, DbError> {
    let buried = diesel::sql_query(
        "with died as ( \
             update platform.inbox set died_at = now(), attempts = $3, error = $4 \
             where consumer = $1 and event_id = $2 and handled_at is null and died_at is null \
             returning consumer, event_id, subject, aggregate, correlation_id, envelope) \
         insert into platform.dead_letters \
             (consumer, event_id, subject, aggregate, correlation_id, envelope, error, attempts, died_at) \
         select consumer, event_id, subject, aggregate, correlation_id, envelope, $4, $3, now() from died \
         on conflict (consumer, event_id) do update \
             set error = excluded.error, attempts = excluded.attempts, died_at = excluded.died_at, replayed_at = null",
    )
    .bind::<Text, _>(consumer)
    .bind::<SqlUuid, _>(event_id)
    .bind::<Integer, _>(attempts)
    .bind::<Text, _>(error)
    .execute(conn)
    .await?;
    Ok(buried > 0)
}

/// Dead letters that nobody has replayed, the oldest first.
///
/// # Errors
/// The database's.
pub async fn dead_letters(
    database: &Database,
    which: &Letters,
    limit: i64,
) -> Result<Vec<DeadLetter>, DbError> {
    let mut conn = database.conn().await?;
    let mut query = dead_letters::table
        .filter(dead_letters::replayed_at.is_null())
        .order((dead_letters::died_at, dead_letters::event_id))
        .limit(limit)
        .select((
            dead_letters::consumer,
            dead_letters::event_id,
            dead_letters::subject,
            dead_letters::aggregate,
            dead_letters::correlation_id,
            dead_letters::error,
            dead_letters::attempts,
            dead_letters::died_at,
            dead_letters::replayed_at,
        ))
        .into_boxed();
    if let Some(consumer) = &which.consumer {
        query = query.filter(dead_letters::consumer.eq(consumer));
    }
    if let Some(id) = which.event_id {
        query = query.filter(dead_letters::event_id.eq(id));
    }
    Ok(query.load(&mut conn).await?)
}

/// Gives dead letters to their consumers again, with all their attempts; how many. A running server
/// takes them up within a second. Of one aggregate they come in their order, but behind what was
/// handled meanwhile.
///
/// # Errors
/// The database's.
pub async fn replay(database: &Database, which: &Letters) -> Result<usize, DbError> {
    let mut conn = database.conn().await?;
    conn.transaction(async |conn| {
        let replayed = diesel::sql_query(
            "with chosen as ( \
                 update platform.dead_letters set replayed_at = now() \
                 where replayed_at is null and ($1 is null or consumer = $1) and ($2 is null or event_id = $2) \
                 returning consumer, event_id, subject, aggregate, correlation_id, envelope) \
             insert into platform.inbox \
                 (consumer, event_id, seq, context, subject, aggregate, correlation_id, envelope) \
             select consumer, event_id, coalesce((envelope->>'sequence')::bigint, 0), \
                 split_part(envelope->>'source', '/', 3), subject, aggregate, correlation_id, envelope from chosen \
             on conflict (consumer, event_id) do update \
                 set died_at = null, attempts = 0, next_at = now(), error = null \
                 where inbox.handled_at is null",
        )
        .bind::<Nullable<Text>, _>(which.consumer.as_deref())
        .bind::<Nullable<SqlUuid>, _>(which.event_id)
        .execute(conn)
        .await?;
        Ok(replayed)
    })
    .await
}
