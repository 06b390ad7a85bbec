//! Everybody who plays.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName,
    sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{postgres::Kept, principal::UserId};

/// Somebody, as stored.
#[derive(Clone, Debug, QueryableByName)]
pub struct Member {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub total: i64,
    #[diesel(sql_type = Integer)]
    pub level: i32,
    #[diesel(sql_type = Integer)]
    pub longest_streak: i32,
    #[diesel(sql_type = Text)]
    pub zone: String,
    #[diesel(sql_type = Bool)]
    pub opted_out: bool,
    #[diesel(sql_type = Bool)]
    pub anonymous: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub cohort: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = BigInt)]
    pub news: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub erased_at: Option<DateTime<Utc>>,
}

impl Member {
    /// Somebody who has not played yet.
    pub fn new(user: UserId) -> Self {
        Self {
            user_id: user.0,
            total: 0,
            level: 1,
            longest_streak: 0,
            zone: "UTC".to_owned(),
            opted_out: false,
            anonymous: false,
            cohort: None,
            version: 1,
            news: 0,
            erased_at: None,
        }
    }

    pub fn user(&self) -> UserId {
        UserId(self.user_id)
    }

    /// The zone, which was checked when it was set.
    pub fn tz(&self) -> chrono_tz::Tz {
        self.zone.parse().unwrap_or(chrono_tz::Tz::UTC)
    }
}

const COLUMNS: &str =
    "user_id, total, level, longest_streak, zone, opted_out, anonymous, cohort, version, news, erased_at";

/// The person's row, made if need be, locked to the end of the transaction.
pub async fn lock(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Member> {
    let locked = format!("select {COLUMNS} from gamification.members where user_id = $1 for update");
    let query = || Kept(diesel::sql_query(&locked).bind::<SqlUuid, _>(user.0));
    // Nearly always there already.
    if let Some(member) = query().get_result(conn).await.optional()? {
        return Ok(member);
    }
    let made = "insert into gamification.members (user_id) values ($1) on conflict do nothing";
    Kept(diesel::sql_query(made).bind::<SqlUuid, _>(user.0)).execute(conn).await?;
    query().get_result(conn).await
}

/// The person's row.
pub async fn load(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Option<Member>> {
    diesel::sql_query(format!("select {COLUMNS} from gamification.members where user_id = $1"))
        .bind::<SqlUuid, _>(user.0)
        .get_result(conn)
        .await
        .optional()
}

/// Writes what points change. The caller holds the lock.
pub async fn save(conn: &mut AsyncPgConnection, member: &Member) -> QueryResult<()> {
    diesel::sql_query(
        "update gamification.members set total = $2, level = $3, longest_streak = $4, news = $5
         where user_id = $1",
    )
    .bind::<SqlUuid, _>(member.user_id)
    .bind::<BigInt, _>(member.total)
    .bind::<Integer, _>(member.level)
    .bind::<Integer, _>(member.longest_streak)
    .bind::<BigInt, _>(member.news)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Writes settings, and the next version. The caller holds the lock.
pub async fn save_settings(conn: &mut AsyncPgConnection, member: &Member) -> QueryResult<()> {
    diesel::sql_query(
        "update gamification.members set zone = $2, opted_out = $3, anonymous = $4, cohort = $5,
             version = version + 1, settings_at = clock_timestamp(), erased_at = $6
         where user_id = $1",
    )
    .bind::<SqlUuid, _>(member.user_id)
    .bind::<Text, _>(&member.zone)
    .bind::<Bool, _>(member.opted_out)
    .bind::<Bool, _>(member.anonymous)
    .bind::<Nullable<Text>, _>(&member.cohort)
    .bind::<Nullable<Timestamptz>, _>(member.erased_at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Removes what is personal and no ledger: facts, days, badges; how many rows.
pub async fn forget(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<u64> {
    let mut gone = 0;
    for table in ["facts", "active_days", "badge_awards"] {
        gone += diesel::sql_query(format!("delete from gamification.{table} where user_id = $1"))
            .bind::<SqlUuid, _>(user.0)
            .execute(conn)
            .await? as u64;
    }
    Ok(gone)
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
}

/// Up to `limit` people after `after`, who are not erased, in the order of ids.
pub async fn after(conn: &mut AsyncPgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<UserId>> {
    let rows: Vec<Id> = diesel::sql_query(
        "select user_id from gamification.members where user_id > $1 and erased_at is null
         order by user_id limit $2",
    )
    .bind::<SqlUuid, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId(row.user_id)).collect())
}

/// Somebody who does not want to be seen, or not by name.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Hidden {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = Bool)]
    pub opted_out: bool,
}

/// Of these people, who does not want to be seen, or not by name.
pub async fn hidden_of(conn: &mut AsyncPgConnection, users: &[UserId]) -> QueryResult<Vec<Hidden>> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    diesel::sql_query(
        "select user_id, opted_out from gamification.members
         where user_id = any($1) and (anonymous or opted_out)",
    )
    .bind::<diesel::sql_types::Array<SqlUuid>, _>(ids)
    .load(conn)
    .await
}

/// Of these people, who does not want to be named.
pub async fn anonymous_of(conn: &mut AsyncPgConnection, users: &[UserId]) -> QueryResult<Vec<UserId>> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows: Vec<Id> = diesel::sql_query(
        "select user_id from gamification.members where user_id = any($1) and (anonymous or opted_out)",
    )
    .bind::<diesel::sql_types::Array<SqlUuid>, _>(ids)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| UserId(row.user_id)).collect())
}
