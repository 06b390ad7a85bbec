//! Badges that were awarded.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName,
    sql_types::{Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::principal::UserId;

/// A badge of somebody.
#[derive(Clone, Debug, QueryableByName)]
pub struct Award {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = Text)]
    pub badge: String,
    #[diesel(sql_type = Text)]
    pub tier: String,
    #[diesel(sql_type = Integer)]
    pub n: i32,
    #[diesel(sql_type = Integer)]
    pub rule_version: i32,
    #[diesel(sql_type = Timestamptz)]
    pub awarded_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub revoked_at: Option<DateTime<Utc>>,
}

const COLUMNS: &str = "id, user_id, badge, tier, n, rule_version, awarded_at, revoked_at";

/// Somebody's, those that went included, oldest first.
pub async fn of(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<Award>> {
    diesel::sql_query(format!(
        "select {COLUMNS} from gamification.badge_awards where user_id = $1 order by awarded_at, id"
    ))
    .bind::<SqlUuid, _>(user.0)
    .load(conn)
    .await
}

/// One that stands.
pub async fn load(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<Award>> {
    diesel::sql_query(format!(
        "select {COLUMNS} from gamification.badge_awards where id = $1 and revoked_at is null"
    ))
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()
}

/// Keeps an award. One that went stands again.
pub async fn put(conn: &mut AsyncPgConnection, award: &Award) -> QueryResult<()> {
    diesel::sql_query(
        "insert into gamification.badge_awards (id, user_id, badge, tier, n, rule_version, awarded_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (user_id, badge, tier, n) do update
             set revoked_at = null, awarded_at = excluded.awarded_at, rule_version = excluded.rule_version",
    )
    .bind::<SqlUuid, _>(award.id)
    .bind::<SqlUuid, _>(award.user_id)
    .bind::<Text, _>(&award.badge)
    .bind::<Text, _>(&award.tier)
    .bind::<Integer, _>(award.n)
    .bind::<Integer, _>(award.rule_version)
    .bind::<Timestamptz, _>(award.awarded_at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Takes one away.
pub async fn revoke(conn: &mut AsyncPgConnection, id: Uuid, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::sql_query("update gamification.badge_awards set revoked_at = $2 where id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await
        .map(|_| ())
}
