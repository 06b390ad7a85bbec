//! The ledger of points.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName,
    sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::principal::UserId;

/// An entry to be.
#[derive(Clone, Debug)]
pub struct NewEntry {
    pub user: UserId,
    pub rule: String,
    pub source: String,
    pub rule_version: i32,
    pub points: i64,
    pub at: DateTime<Utc>,
    /// Only where it is credited to the gig's skills.
    pub gig: Option<Uuid>,
    /// Only where it counts on the course's board.
    pub course: Option<Uuid>,
    /// Of a correction: the rule and source that it sets right.
    pub of: Option<(String, String)>,
}

/// An entry.
#[derive(Clone, Debug, QueryableByName)]
pub struct Entry {
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    #[diesel(sql_type = Text)]
    pub rule: String,
    #[diesel(sql_type = Text)]
    pub source: String,
    #[diesel(sql_type = Integer)]
    pub rule_version: i32,
    #[diesel(sql_type = BigInt)]
    pub points: i64,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub gig_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub course_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub of_rule: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub of_source: Option<String>,
}

#[derive(QueryableByName)]
struct Seq {
    #[diesel(sql_type = BigInt)]
    seq: i64,
}

/// Adds an entry; its number, or `None` when there is one of this person, rule and source.
pub async fn insert(conn: &mut AsyncPgConnection, new: &NewEntry) -> QueryResult<Option<i64>> {
    let (of_rule, of_source) = new.of.clone().unzip();
    let row: Option<Seq> = diesel::sql_query(
        "insert into gamification.ledger (user_id, rule, source, rule_version, points, at, gig_id, of_rule, of_source, course_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing returning seq",
    )
    .bind::<SqlUuid, _>(new.user.0)
    .bind::<Text, _>(&new.rule)
    .bind::<Text, _>(&new.source)
    .bind::<Integer, _>(new.rule_version)
    .bind::<BigInt, _>(new.points)
    .bind::<Timestamptz, _>(new.at)
    .bind::<Nullable<SqlUuid>, _>(new.gig)
    .bind::<Nullable<Text>, _>(of_rule)
    .bind::<Nullable<Text>, _>(of_source)
    .bind::<Nullable<SqlUuid>, _>(new.course)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map(|row| row.seq))
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How often a rule has awarded somebody something between two moments.
pub async fn count_between(
    conn: &mut AsyncPgConnection,
    user: UserId,
    rule: &str,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> QueryResult<i64> {
    let row: Count = diesel::sql_query(
        "select count(*) as count from gamification.ledger
         where user_id = $1 and rule = $2 and at >= $3 and at < $4",
    )
    .bind::<SqlUuid, _>(user.0)
    .bind::<Text, _>(rule)
    .bind::<Timestamptz, _>(from)
    .bind::<Timestamptz, _>(to)
    .get_result(conn)
    .await?;
    Ok(row.count)
}

const COLUMNS: &str = "seq, rule, source, rule_version, points, at, gig_id, course_id, of_rule, of_source";

/// Somebody's entries before `before`, newest first.
pub async fn page(
    conn: &mut AsyncPgConnection,
    user: UserId,
    before: Option<i64>,
    limit: i64,
) -> QueryResult<Vec<Entry>> {
    diesel::sql_query(format!(
        "select {COLUMNS} from gamification.ledger where user_id = $1 and seq < $2 order by seq desc limit $3"
    ))
    .bind::<SqlUuid, _>(user.0)
    .bind::<BigInt, _>(before.unwrap_or(i64::MAX))
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
}

/// All of somebody's entries, oldest first.
pub async fn of(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<Entry>> {
    diesel::sql_query(format!("select {COLUMNS} from gamification.ledger where user_id = $1 order by seq"))
        .bind::<SqlUuid, _>(user.0)
        .load(conn)
        .await
}
