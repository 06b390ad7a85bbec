//! Facts, active days, and the skills of gigs.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::gamification::model::{Fact, FactKind},
    postgres::Kept,
    principal::UserId,
};

/// Keeps a fact; `false` when it was known.
pub async fn insert(conn: &mut AsyncPgConnection, fact: &Fact, event: Uuid) -> QueryResult<bool> {
    let query = diesel::sql_query(
        "insert into gamification.facts (user_id, kind, source, at, value, gig_id, event_id, course_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
    )
    .bind::<SqlUuid, _>(fact.user)
    .bind::<Text, _>(fact.kind.as_str())
    .bind::<Text, _>(&fact.source)
    .bind::<Timestamptz, _>(fact.at)
    .bind::<BigInt, _>(fact.value)
    .bind::<Nullable<SqlUuid>, _>(fact.gig)
    .bind::<SqlUuid, _>(event)
    .bind::<Nullable<SqlUuid>, _>(fact.course);
    Ok(Kept(query).execute(conn).await? == 1)
}

#[derive(QueryableByName)]
struct FactRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = BigInt)]
    value: i64,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    gig_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    course_id: Option<Uuid>,
}

/// Everything that is known about somebody, in the order in which it happened.
pub async fn of(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<Fact>> {
    let rows: Vec<FactRow> = diesel::sql_query(
        "select user_id, kind, source, at, value, gig_id, course_id from gamification.facts
         where user_id = $1 order by at, kind, source",
    )
    .bind::<SqlUuid, _>(user.0)
    .load(conn)
    .await?;
    let fact = |row: FactRow| {
        let kind = FactKind::parse(&row.kind)?;
        let FactRow { user_id, source, at, value, gig_id, course_id, .. } = row;
        Some(Fact { user: UserId(user_id), kind, source, at, value, gig: gig_id, course: course_id })
    };
    Ok(rows.into_iter().filter_map(fact).collect())
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    value: i64,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// How many facts of each kind and value.
pub async fn counts(
    conn: &mut AsyncPgConnection,
    user: UserId,
) -> QueryResult<BTreeMap<(FactKind, i64), i64>> {
    let rows: Vec<CountRow> = diesel::sql_query(
        "select kind, value, count(*) as count from gamification.facts where user_id = $1 group by kind, value",
    )
    .bind::<SqlUuid, _>(user.0)
    .load(conn)
    .await?;
    let count = |row: CountRow| Some(((FactKind::parse(&row.kind)?, row.value), row.count));
    Ok(rows.into_iter().filter_map(count).collect())
}

/// Notes an active day; `false` when it was one already.
pub async fn active(conn: &mut AsyncPgConnection, user: UserId, day: NaiveDate) -> QueryResult<bool> {
    let rows = diesel::sql_query(
        "insert into gamification.active_days (user_id, day) values ($1, $2) on conflict do nothing",
    )
    .bind::<SqlUuid, _>(user.0)
    .bind::<Date, _>(day)
    .execute(conn)
    .await?;
    Ok(rows == 1)
}

#[derive(QueryableByName)]
struct DayRow {
    #[diesel(sql_type = Date)]
    day: NaiveDate,
}

/// Somebody's active days, ascending.
pub async fn days(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<NaiveDate>> {
    let rows: Vec<DayRow> =
        diesel::sql_query("select day from gamification.active_days where user_id = $1 order by day")
            .bind::<SqlUuid, _>(user.0)
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(|row| row.day).collect())
}

/// A transaction of several events goes alone: what it locks beside gigs and people (leagues, courses) it comes
/// to in the order of its events. Before gigs and people are locked.
pub async fn lock_awards(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    Kept(diesel::sql_query("select pg_advisory_xact_lock(hashtextextended('gamification.awards', 5))"))
        .execute(conn)
        .await
        .map(|_| ())
}

/// Transactions of one event go beside each other, and never beside one of several ([`lock_awards`]), which may
/// have come to a league or a course before them. Before gigs and people are locked.
pub async fn share_awards(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    Kept(diesel::sql_query("select pg_advisory_xact_lock_shared(hashtextextended('gamification.awards', 5))"))
        .execute(conn)
        .await
        .map(|_| ())
}

/// One at a time works on a gig's skills and what is credited to them: whichever of the gig's posting and
/// an award comes second sees the other.
pub async fn lock_gig(conn: &mut AsyncPgConnection, gig: Uuid) -> QueryResult<()> {
    let query = diesel::sql_query(
        "select pg_advisory_xact_lock(hashtextextended('gamification.gig/' || $1::text, 5))",
    )
    .bind::<SqlUuid, _>(gig);
    Kept(query).execute(conn).await.map(|_| ())
}

/// Notes a gig's skills, and credits what was earned with it before they were known.
pub async fn note_skills(conn: &mut AsyncPgConnection, gig: Uuid, skills: &[String]) -> QueryResult<()> {
    let rows = diesel::sql_query(
        "insert into gamification.gig_skills (gig_id, skills) values ($1, $2) on conflict do nothing",
    )
    .bind::<SqlUuid, _>(gig)
    .bind::<Array<Text>, _>(skills)
    .execute(conn)
    .await?;
    if rows == 1 {
        credit(conn, "l.gig_id = $1", gig).await?;
    }
    Ok(())
}

/// Credits one gig's entries to its skills, as far as that is not done.
pub async fn credit_gig(conn: &mut AsyncPgConnection, gig: Uuid) -> QueryResult<()> {
    credit(conn, "l.gig_id = $1", gig).await
}

async fn credit(conn: &mut AsyncPgConnection, which: &str, gig: Uuid) -> QueryResult<()> {
    diesel::sql_query(format!(
        "with credited as (
             insert into gamification.credits (skill, seq, user_id, points, at)
             select skill, l.seq, l.user_id, l.points, l.at
             from gamification.ledger l join gamification.gig_skills g on g.gig_id = l.gig_id,
                  unnest(g.skills) as skill
             where {which} on conflict do nothing returning skill
         )
         insert into gamification.boards (board) select distinct 'skill:' || skill from credited
         on conflict do nothing"
    ))
    .bind::<SqlUuid, _>(gig)
    .execute(conn)
    .await
    .map(|_| ())
}
