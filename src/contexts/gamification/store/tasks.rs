//! Work that outlives the process, and the rules by version.

use diesel::{
    OptionalExtension, QueryResult, QueryableByName,
    sql_types::{Integer, Jsonb, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

/// A task that is not done.
#[derive(Clone, Debug, QueryableByName)]
pub struct Task {
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub position: String,
}

/// Sets a task, if it was never set.
pub async fn set(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<()> {
    diesel::sql_query("insert into gamification.tasks (name) values ($1) on conflict do nothing")
        .bind::<Text, _>(name)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Takes a task to the end of the transaction that nobody else has in hand.
pub async fn take(conn: &mut AsyncPgConnection) -> QueryResult<Option<Task>> {
    diesel::sql_query(
        "select name, position from gamification.tasks where done_at is null
         order by created_at, name limit 1 for update skip locked",
    )
    .get_result(conn)
    .await
    .optional()
}

/// Notes how far a task is.
pub async fn advance(conn: &mut AsyncPgConnection, name: &str, position: &str) -> QueryResult<()> {
    diesel::sql_query("update gamification.tasks set position = $2 where name = $1")
        .bind::<Text, _>(name)
        .bind::<Text, _>(position)
        .execute(conn)
        .await
        .map(|_| ())
}

/// Notes that a task is done.
pub async fn done(conn: &mut AsyncPgConnection, name: &str) -> QueryResult<()> {
    diesel::sql_query("update gamification.tasks set done_at = now() where name = $1")
        .bind::<Text, _>(name)
        .execute(conn)
        .await
        .map(|_| ())
}

#[derive(QueryableByName)]
struct Open {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    open: i64,
}

/// How many tasks are not done.
pub async fn open(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let row: Open =
        diesel::sql_query("select count(*) as open from gamification.tasks where done_at is null")
            .get_result(conn)
            .await?;
    Ok(row.open)
}

#[derive(QueryableByName)]
struct Digest {
    #[diesel(sql_type = Text)]
    digest: String,
}

/// Keeps rules under their version; whether they are new, and the digest of those that are kept.
pub async fn install_rules(
    conn: &mut AsyncPgConnection,
    version: i32,
    digest: &str,
    rules: &Value,
) -> QueryResult<(bool, String)> {
    let rows = diesel::sql_query(
        "insert into gamification.rule_sets (version, digest, rules) values ($1, $2, $3) on conflict do nothing",
    )
    .bind::<Integer, _>(version)
    .bind::<Text, _>(digest)
    .bind::<Jsonb, _>(rules)
    .execute(conn)
    .await?;
    let kept: Digest = diesel::sql_query("select digest from gamification.rule_sets where version = $1")
        .bind::<Integer, _>(version)
        .get_result(conn)
        .await?;
    Ok((rows == 1, kept.digest))
}
