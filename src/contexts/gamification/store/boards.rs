//! What a board in memory is made from and follows: the ledger, or for a skill its credits.
//!
//! Entries are numbered when they are written, and become visible when they are committed, which may be in
//! another order. So a follower keeps a *floor*, below which nothing can appear any more, and the numbers
//! above it that it has seen. The floor rises by PostgreSQL's own account of running transactions: what was
//! numbered before a moment is settled once every transaction that ran at that moment has ended.

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::TryStreamExt;
use uuid::Uuid;

use crate::{
    contexts::gamification::model::{BoardId, Span},
    principal::UserId,
};

/// What a board is made from.
fn source(board: &BoardId) -> (&'static str, &'static str, &'static str) {
    // The rows, their number, and the condition that is the board's; `$1` is its slug.
    match board {
        BoardId::Global => ("gamification.ledger e", "e.seq", "$1::text is null"),
        BoardId::Skill(_) => ("gamification.credits e", "e.id", "e.skill = $1"),
        BoardId::Cohort(_) => (
            "gamification.ledger e join gamification.members m on m.user_id = e.user_id",
            "e.seq",
            "m.cohort = $1",
        ),
        BoardId::Course(_) => ("gamification.ledger e", "e.seq", "e.course_id = $1::uuid"),
    }
}

fn slug(board: &BoardId) -> Option<String> {
    match board {
        BoardId::Global => None,
        BoardId::Skill(slug) | BoardId::Cohort(slug) => Some(slug.clone()),
        BoardId::Course(id) => Some(id.to_string()),
    }
}

/// Whether there is such a board: everybody's, one with entries, or a cohort that somebody is in.
pub async fn exists(conn: &mut AsyncPgConnection, board: &BoardId) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct There {
        #[diesel(sql_type = Bool)]
        there: bool,
    }
    if *board == BoardId::Global {
        return Ok(true);
    }
    let row: There =
        diesel::sql_query("select exists (select from gamification.boards where board = $1) as there")
            .bind::<Text, _>(board.to_string())
            .get_result(conn)
            .await?;
    Ok(row.there)
}

/// Notes a board.
pub async fn note(conn: &mut AsyncPgConnection, board: &BoardId) -> QueryResult<()> {
    diesel::sql_query("insert into gamification.boards (board) values ($1) on conflict do nothing")
        .bind::<Text, _>(board.to_string())
        .execute(conn)
        .await
        .map(|_| ())
}

/// Says what a board is called, if there is such a board.
pub async fn call(conn: &mut AsyncPgConnection, board: &BoardId, name: &str) -> QueryResult<()> {
    diesel::sql_query(
        "update gamification.boards set name = $2 where board = $1 and name is distinct from $2",
    )
    .bind::<Text, _>(board.to_string())
    .bind::<Text, _>(name)
    .execute(conn)
    .await
    .map(|_| ())
}

/// A board that there is, and what it is called, where that is known.
#[derive(Clone, Debug, QueryableByName)]
pub struct Known {
    #[diesel(sql_type = Text)]
    pub board: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub name: Option<String>,
}

/// The boards of courses in which somebody has earned something, the latest first, and those of skills.
pub async fn listed(conn: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<Known>> {
    let mut rows: Vec<Known> = diesel::sql_query(
        "select board, name from gamification.boards
         where board in (select 'course:' || course_id from gamification.ledger
                         where user_id = $1 and course_id is not null)
         order by created_at desc, board limit 100",
    )
    .bind::<SqlUuid, _>(user.0)
    .load(conn)
    .await?;
    let skills: Vec<Known> = diesel::sql_query(
        "select board, name from gamification.boards where board like 'skill:%' order by board limit 500",
    )
    .load(conn)
    .await?;
    rows.extend(skills);
    Ok(rows)
}

/// Every board there is, after `after`, in the order of names; everybody's is not among them.
pub async fn after(conn: &mut AsyncPgConnection, after: &str, limit: i64) -> QueryResult<Vec<BoardId>> {
    let rows: Vec<Known> = diesel::sql_query(
        "select board, name from gamification.boards where board > $1 order by board limit $2",
    )
    .bind::<Text, _>(after)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().filter_map(|row| row.board.parse().ok()).collect())
}

/// What somebody has in one window, as the entries up to now add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub user: UserId,
    pub points: i64,
    /// When the last of them was earned.
    pub reached: DateTime<Utc>,
}

/// How far a follower has read.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Everything up to here.
    pub floor: i64,
    /// And these above it.
    pub seen: Vec<i64>,
}

/// What was numbered longer ago than this is settled: no transaction runs so long (a consumer's is cut
/// after half a minute).
const SETTLED: &str = "1 hour";

/// How far a reader is who has read everything that is visible now.
pub async fn position(conn: &mut AsyncPgConnection, board: &BoardId) -> QueryResult<Read> {
    #[derive(QueryableByName)]
    struct Floor {
        #[diesel(sql_type = BigInt)]
        floor: i64,
    }
    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let (from, number, own) = source(board);
    let table = from.split(' ').next().unwrap_or(from);
    let floor: Floor = diesel::sql_query(format!(
        "select coalesce(max({number}), 0) as floor from {table} e where recorded_at < now() - interval '{SETTLED}'"
    ))
    .get_result(conn)
    .await?;
    let seen: Vec<Number> =
        diesel::sql_query(format!("select {number} as number from {from} where {own} and {number} > $2"))
            .bind::<Nullable<Text>, _>(slug(board))
            .bind::<BigInt, _>(floor.floor)
            .load(conn)
            .await?;
    Ok(Read { floor: floor.floor, seen: seen.into_iter().map(|row| row.number).collect() })
}

#[derive(QueryableByName)]
struct SumRow {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = BigInt)]
    points: i64,
    #[diesel(sql_type = Timestamptz)]
    reached: DateTime<Utc>,
}

/// Adds up a window, of exactly what `read` says was read, and hands each person's sum to `each`: they
/// stream, so that a million need no second copy.
pub async fn sums(
    conn: &mut AsyncPgConnection,
    board: &BoardId,
    span: Span,
    read: &Read,
    mut each: impl FnMut(Sum),
) -> QueryResult<()> {
    let (from, number, own) = source(board);
    let mut rows = std::pin::pin!(
        diesel::sql_query(format!(
            "select e.user_id, sum(e.points)::bigint as points, max(e.at) as reached from {from}
             where {own} and e.at >= coalesce($2, '-infinity'::timestamptz) and e.at < coalesce($3, 'infinity'::timestamptz)
               and ({number} <= $4 or {number} = any($5))
             group by e.user_id"
        ))
        .bind::<Nullable<Text>, _>(slug(board))
        .bind::<Nullable<Timestamptz>, _>(span.from)
        .bind::<Nullable<Timestamptz>, _>(span.to)
        .bind::<BigInt, _>(read.floor)
        .bind::<Array<BigInt>, _>(&read.seen)
        .load_stream::<SumRow>(conn)
        .await?
    );
    while let Some(SumRow { user_id, points, reached }) = rows.try_next().await? {
        each(Sum { user: UserId(user_id), points, reached });
    }
    Ok(())
}

/// An entry, as a board needs it.
#[derive(Clone, Copy, Debug, QueryableByName)]
pub struct Entry {
    #[diesel(sql_type = BigInt)]
    pub number: i64,
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = BigInt)]
    pub points: i64,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}

/// Entries that are visible and not read yet, the first `limit` of them.
pub async fn unread(
    conn: &mut AsyncPgConnection,
    board: &BoardId,
    read: &Read,
    limit: i64,
) -> QueryResult<Vec<Entry>> {
    let (from, number, own) = source(board);
    diesel::sql_query(format!(
        "select {number} as number, e.user_id, e.points, e.at from {from}
         where {own} and {number} > $2 and not ({number} = any($3)) order by 1 limit $4"
    ))
    .bind::<Nullable<Text>, _>(slug(board))
    .bind::<BigInt, _>(read.floor)
    .bind::<Array<BigInt>, _>(&read.seen)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await
}

/// A moment in the life of the numbering: what was numbered by then, and which transactions had begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The highest number given out.
    pub number: i64,
    /// Every transaction that could have taken one of them has a lower id.
    pub before: i64,
}

/// The present mark, and the id below which every transaction has ended.
pub async fn mark(conn: &mut AsyncPgConnection, board: &BoardId) -> QueryResult<(Mark, i64)> {
    #[derive(QueryableByName)]
    struct Last {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    #[derive(QueryableByName)]
    struct Running {
        #[diesel(sql_type = BigInt)]
        xmin: i64,
        #[diesel(sql_type = BigInt)]
        xmax: i64,
    }
    let sequence = match board {
        BoardId::Skill(_) => "gamification.credits_id_seq",
        _ => "gamification.ledger_seq_seq",
    };
    // First the number, then, in a statement and so a snapshot of its own, who is running: whoever took a
    // number up to this one had written before (a person's row is locked first) and so had an id.
    let last: Last = diesel::sql_query(format!(
        "select case when is_called then last_value else 0 end as number from {sequence}"
    ))
    .get_result(conn)
    .await?;
    let running: Running = diesel::sql_query(
        "select pg_snapshot_xmin(s)::text::bigint as xmin, pg_snapshot_xmax(s)::text::bigint as xmax
         from pg_current_snapshot() s",
    )
    .get_result(conn)
    .await?;
    Ok((Mark { number: last.number, before: running.xmax }, running.xmin))
}

/// The last word to read boards from the ledger again; 0 if there was none.
pub async fn remakes(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Last {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let last: Last = diesel::sql_query("select coalesce(max(id), 0) as id from gamification.remakes")
        .get_result(conn)
        .await?;
    Ok(last.id)
}

/// Has every live board, on every node, read from the ledger again.
pub async fn remake(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    diesel::sql_query("insert into gamification.remakes default values").execute(conn).await.map(|_| ())
}

/// Makes again what boards are found by: what the ledger earned with gigs is credited to their skills, and
/// every board with entries or members is noted. How many credits and boards were missing.
pub async fn repair(conn: &mut AsyncPgConnection) -> QueryResult<(usize, usize)> {
    let credits = diesel::sql_query(
        "insert into gamification.credits (skill, seq, user_id, points, at)
         select skill, l.seq, l.user_id, l.points, l.at
         from gamification.ledger l join gamification.gig_skills g on g.gig_id = l.gig_id,
              unnest(g.skills) as skill
         on conflict do nothing",
    )
    .execute(conn)
    .await?;
    let boards = diesel::sql_query(
        "insert into gamification.boards (board)
         select 'skill:' || skill from gamification.credits
         union select 'course:' || course_id from gamification.ledger where course_id is not null
         union select 'cohort:' || cohort from gamification.members where cohort is not null
         on conflict do nothing",
    )
    .execute(conn)
    .await?;
    Ok((credits, boards))
}

/// Settings of somebody that boards care about.
#[derive(Clone, Debug, QueryableByName)]
pub struct Choice {
    #[diesel(sql_type = SqlUuid)]
    pub user_id: Uuid,
    #[diesel(sql_type = Bool)]
    pub opted_out: bool,
    #[diesel(sql_type = Bool)]
    pub anonymous: bool,
    #[diesel(sql_type = Nullable<Text>)]
    pub cohort: Option<String>,
}

/// Everybody who does not want to be seen, or not by name.
pub async fn hidden(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Choice>> {
    diesel::sql_query(
        "select user_id, opted_out, anonymous, cohort from gamification.members where opted_out or anonymous",
    )
    .load(conn)
    .await
}

/// Who is in a cohort.
pub async fn belonging(conn: &mut AsyncPgConnection, cohort: &str) -> QueryResult<Vec<UserId>> {
    #[derive(QueryableByName)]
    struct Id {
        #[diesel(sql_type = SqlUuid)]
        user_id: Uuid,
    }
    let rows: Vec<Id> = diesel::sql_query("select user_id from gamification.members where cohort = $1")
        .bind::<Text, _>(cohort)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(|row| UserId(row.user_id)).collect())
}

/// What was chosen in the last `seconds`.
pub async fn choices(conn: &mut AsyncPgConnection, seconds: i32) -> QueryResult<Vec<Choice>> {
    diesel::sql_query(
        "select user_id, opted_out, anonymous, cohort from gamification.members
         where settings_at > clock_timestamp() - $1 * interval '1 second'",
    )
    .bind::<Integer, _>(seconds)
    .load(conn)
    .await
}
