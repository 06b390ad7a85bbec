//! Forgetting what recorded events say of a person.

use diesel::{
    QueryableByName, sql_query,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{postgres::DbError, principal::UserId};

/// These say nothing of a person but the bare id, which leads to nobody; and a context that is late needs them.
const BARE: &str = "('user.erasure_requested', 'erasure.completed')";

/// Removes the events that name a person and that everybody has handled, with their dead letters; how many
/// went, and how many are still on their way.
///
/// Handled events are kept for traces, and for consumers that are added later: those do not hear of them.
///
/// # Errors
/// The database's.
pub async fn forget(conn: &mut AsyncPgConnection, person: UserId) -> Result<(u64, i64), DbError> {
    #[derive(QueryableByName)]
    struct Left {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let id = person.to_string();
    let mut gone = 0;
    for statement in [
        format!(
            "delete from platform.inbox where died_at is not null and handled_at is null
                and subject not in {BARE} and position($1 in envelope::text) > 0"
        ),
        format!(
            "delete from platform.dead_letters
             where subject not in {BARE} and position($1 in envelope::text) > 0"
        ),
        format!(
            "delete from platform.outbox o
             where o.received_at is not null and o.subject not in {BARE} and position($1 in o.envelope::text) > 0
               and not exists (select from platform.inbox i where i.event_id = o.id
                               and i.handled_at is null and i.died_at is null)"
        ),
        format!(
            "update platform.inbox set aggregate = 'erased'
             where aggregate = $1 and handled_at is not null and subject not in {BARE}"
        ),
    ] {
        gone += sql_query(statement).bind::<Text, _>(&id).execute(conn).await? as u64;
    }
    let left: Left = sql_query(format!(
        "select count(*) as n from platform.outbox where subject not in {BARE} and position($1 in envelope::text) > 0"
    ))
    .bind::<Text, _>(&id)
    .get_result(conn)
    .await?;
    Ok((gone, left.n))
}

/// How a consumer stands with an event.
#[derive(Clone, Debug, QueryableByName)]
pub struct Standing {
    /// The consumer.
    #[diesel(sql_type = Text)]
    pub consumer: String,
    /// Attempts that failed so far.
    #[diesel(sql_type = diesel::sql_types::Integer)]
    pub attempts: i32,
    /// What the last of them said; for operators.
    #[diesel(sql_type = diesel::sql_types::Nullable<Text>)]
    pub error: Option<String>,
    /// It is a dead letter: an operator has to replay it.
    #[diesel(sql_type = diesel::sql_types::Bool)]
    pub dead: bool,
}

/// The consumers that have an event and have not handled it.
///
/// # Errors
/// The database's.
pub async fn unhandled(conn: &mut AsyncPgConnection, event: uuid::Uuid) -> Result<Vec<Standing>, DbError> {
    Ok(sql_query(
        "select consumer, attempts, error, died_at is not null as dead from platform.inbox
         where event_id = $1 and handled_at is null",
    )
    .bind::<diesel::sql_types::Uuid, _>(event)
    .load(conn)
    .await?)
}
