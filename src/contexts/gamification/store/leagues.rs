//! Weekly leagues.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{
    OptionalExtension, QueryResult, QueryableByName,
    sql_types::{BigInt, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{contexts::gamification::model::league::GROUP, principal::UserId};

/// A group.
#[derive(Clone, Debug, QueryableByName)]
pub struct Group {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Date)]
    pub week: NaiveDate,
    #[diesel(sql_type = Timestamptz)]
    pub starts_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub ends_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub tier: i32,
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub closed_at: Option<DateTime<Utc>>,
}

const GROUP_COLUMNS: &str = "g.id, g.week, g.starts_at, g.ends_at, g.tier, g.number, g.closed_at";

/// Somebody of a group, best first.
#[derive(Clone, Debug, QueryableByName)]
pub struct Standing {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub score: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub outcome: Option<String>,
}

/// The group of somebody's latest week.
pub async fn latest_of(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Option<Group>> {
    diesel::sql_query(format!(
        "select {GROUP_COLUMNS} from gamification.league_members m
         join gamification.league_groups g on g.id = m.group_id
         where m.user_id = $1 order by m.week desc limit 1"
    ))
    .bind::<SqlUuid, _>(user.0)
    .get_result(conn)
    .await
    .optional()
}

#[derive(QueryableByName)]
struct TierRow {
    #[diesel(sql_type = Integer)]
    tier: i32,
}

/// The tier of somebody's next week, by the last one that closed; the lowest for whoever is new.
pub async fn next_tier(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<i32> {
    let row: Option<TierRow> = diesel::sql_query(
        "select next_tier as tier from gamification.league_members
         where user_id = $1 and next_tier is not null order by week desc limit 1",
    )
    .bind::<SqlUuid, _>(user.0)
    .get_result(conn)
    .await
    .optional()?;
    Ok(row.map_or(1, |row| row.tier))
}

/// Puts somebody into a group of their tier that has room, or a new one.
pub async fn enter(
    conn: &mut AsyncPgConnection,
    user: UserId,
    week: NaiveDate,
    (starts_at, ends_at): (DateTime<Utc>, DateTime<Utc>),
    tier: i32,
) -> QueryResult<()> {
    // One at a time fills a tier's groups.
    diesel::sql_query(
        "select pg_advisory_xact_lock(hashtextextended('gamification.league/' || $1 || '/' || $2, 5))",
    )
    .bind::<Text, _>(week.to_string())
    .bind::<Text, _>(tier.to_string())
    .execute(conn)
    .await?;
    diesel::sql_query(
        "with last as (
             select id, number, size from gamification.league_groups
             where week = $1 and tier = $2 and closed_at is null order by number desc limit 1
         ), filled as (
             update gamification.league_groups g set size = g.size + 1 from last
             where g.id = last.id and last.size < $3 returning g.id
         ), opened as (
             insert into gamification.league_groups (id, week, starts_at, ends_at, tier, number, size)
             select $4, $1, $5, $6, $2,
                    coalesce((select max(number) from gamification.league_groups where week = $1 and tier = $2), 0) + 1, 1
             where not exists (select from filled) returning id
         )
         insert into gamification.league_members (week, user_id, group_id)
         select $1, $7, id from (select id from filled union all select id from opened) g",
    )
    .bind::<Date, _>(week)
    .bind::<Integer, _>(tier)
    .bind::<Integer, _>(GROUP)
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Timestamptz, _>(starts_at)
    .bind::<Timestamptz, _>(ends_at)
    .bind::<SqlUuid, _>(user.0)
    .execute(conn)
    .await
    .map(|_| ())
}

/// A group that is to be closed, locked; `None` when it is closed already. Waits for another who closes it.
pub async fn lock_open(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<Group>> {
    diesel::sql_query(format!(
        "select {GROUP_COLUMNS} from gamification.league_groups g where id = $1 and closed_at is null for update"
    ))
    .bind::<SqlUuid, _>(id)
    .get_result(conn)
    .await
    .optional()
}

/// A group whose week is over, locked; not one that somebody else has in hand.
pub async fn take_due(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Option<Group>> {
    diesel::sql_query(format!(
        "select {GROUP_COLUMNS} from gamification.league_groups g
         where closed_at is null and ends_at <= $1 order by ends_at, id limit 1 for update skip locked"
    ))
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()
}

/// A group's people, best first: what the ledger says they earned in its week, or, once it is closed, what
/// was written then.
pub async fn standings(conn: &mut AsyncPgConnection, group: &Group) -> QueryResult<Vec<Standing>> {
    if group.closed_at.is_some() {
        return diesel::sql_query(
            "select user_id, score, outcome from gamification.league_members where group_id = $1 order by rank",
        )
        .bind::<SqlUuid, _>(group.id)
        .load(conn)
        .await;
    }
    diesel::sql_query(
        "select m.user_id, coalesce(sum(l.points), 0)::bigint as score, null::text as outcome
         from gamification.league_members m
         left join gamification.ledger l on l.user_id = m.user_id and l.at >= $2 and l.at < $3
         where m.group_id = $1 group by m.user_id
         order by score desc, max(l.at) nulls last, m.user_id",
    )
    .bind::<SqlUuid, _>(group.id)
    .bind::<Timestamptz, _>(group.starts_at)
    .bind::<Timestamptz, _>(group.ends_at)
    .load(conn)
    .await
}

/// Writes what became of somebody.
pub async fn settle(
    conn: &mut AsyncPgConnection,
    group: &Group,
    user: Uuid,
    (rank, score): (i32, i64),
    outcome: &str,
    next_tier: i32,
) -> QueryResult<()> {
    diesel::sql_query(
        "update gamification.league_members set rank = $3, score = $4, outcome = $5, next_tier = $6
         where week = $1 and user_id = $2",
    )
    .bind::<Date, _>(group.week)
    .bind::<SqlUuid, _>(user)
    .bind::<Integer, _>(rank)
    .bind::<BigInt, _>(score)
    .bind::<Text, _>(outcome)
    .bind::<Integer, _>(next_tier)
    .execute(conn)
    .await
    .map(|_| ())
}

/// Closes a group.
pub async fn close(conn: &mut AsyncPgConnection, id: Uuid, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::sql_query("update gamification.league_groups set closed_at = $2 where id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await
        .map(|_| ())
}
