//! Gigs and skills.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryDsl, SelectableHelper,
    pg::Pg,
    sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{moves::At, schema::skills};
use crate::{
    contexts::gigs::model::{BudgetKind, Gig, GigId, GigState, Skill},
    postgres::DbError,
    principal::UserId,
};

/// The taxonomy, by category and name.
pub async fn skills(conn: &mut AsyncPgConnection) -> Result<Vec<Skill>, DbError> {
    use diesel::ExpressionMethods;
    Ok(skills::table
        .order((skills::category.asc(), skills::name.asc()))
        .select(Skill::as_select())
        .load(conn)
        .await?)
}

/// Writes a new gig; `false` when one of that id is there already.
pub async fn insert(conn: &mut AsyncPgConnection, gig: &Gig) -> Result<bool, DbError> {
    let written = diesel::sql_query(
        "INSERT INTO gigs.gigs (id, owner_id, title, description, kind, budget_min, budget_max, currency, slots,
             deadline, skills, questions, attachments, state, version, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1, $15, $15)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind::<SqlUuid, _>(gig.id)
    .bind::<SqlUuid, _>(gig.owner_id)
    .bind::<Text, _>(&gig.title)
    .bind::<Text, _>(&gig.description)
    .bind::<Text, _>(gig.kind)
    .bind::<BigInt, _>(gig.budget_min)
    .bind::<BigInt, _>(gig.budget_max)
    .bind::<Text, _>(&gig.currency)
    .bind::<Integer, _>(gig.slots)
    .bind::<Nullable<Timestamptz>, _>(gig.deadline)
    .bind::<Array<Text>, _>(&gig.skills)
    .bind::<Jsonb, _>(&gig.questions)
    .bind::<Jsonb, _>(&gig.attachments)
    .bind::<Text, _>(gig.state)
    .bind::<Timestamptz, _>(gig.created_at)
    .execute(conn)
    .await?;
    Ok(written == 1)
}

/// Writes what a client may edit; state and version are the executor's.
pub async fn update(conn: &mut AsyncPgConnection, gig: &Gig) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE gigs.gigs SET title = $2, description = $3, kind = $4, budget_min = $5, budget_max = $6,
             currency = $7, slots = $8, deadline = $9, skills = $10, questions = $11, attachments = $12
         WHERE id = $1",
    )
    .bind::<SqlUuid, _>(gig.id)
    .bind::<Text, _>(&gig.title)
    .bind::<Text, _>(&gig.description)
    .bind::<Text, _>(gig.kind)
    .bind::<BigInt, _>(gig.budget_min)
    .bind::<BigInt, _>(gig.budget_max)
    .bind::<Text, _>(&gig.currency)
    .bind::<Integer, _>(gig.slots)
    .bind::<Nullable<Timestamptz>, _>(gig.deadline)
    .bind::<Array<Text>, _>(&gig.skills)
    .bind::<Jsonb, _>(&gig.questions)
    .bind::<Jsonb, _>(&gig.attachments)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn load(conn: &mut AsyncPgConnection, id: GigId) -> Result<Option<Gig>, DbError> {
    let found = diesel::sql_query("SELECT * FROM gigs.gigs WHERE id = $1").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: GigId) -> Result<Option<Gig>, DbError> {
    let found = diesel::sql_query("SELECT * FROM gigs.gigs WHERE id = $1 FOR UPDATE").bind::<SqlUuid, _>(id);
    Ok(found.get_result(conn).await.optional()?)
}

/// Counts an application in, if the gig takes one from this person now; the gig's row is locked then.
pub async fn count_in(
    conn: &mut AsyncPgConnection,
    id: GigId,
    student: UserId,
    now: DateTime<Utc>,
) -> Result<Option<Gig>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE gigs.gigs SET applications_count = applications_count + 1
         WHERE id = $1 AND state = 'open' AND owner_id <> $2 AND (deadline IS NULL OR deadline > $3)
         RETURNING *",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(student)
    .bind::<Timestamptz, _>(now)
    .get_result(conn)
    .await
    .optional()?)
}

/// Counts a withdrawn application out. The caller holds the gig's lock.
pub async fn count_out(conn: &mut AsyncPgConnection, id: GigId) -> Result<(), DbError> {
    diesel::sql_query("UPDATE gigs.gigs SET applications_count = applications_count - 1 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a slot. The table refuses one too many.
pub async fn take_slot(conn: &mut AsyncPgConnection, id: GigId) -> Result<(), DbError> {
    diesel::sql_query("UPDATE gigs.gigs SET accepted = accepted + 1 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn set_posted(conn: &mut AsyncPgConnection, id: GigId, at: DateTime<Utc>) -> Result<(), DbError> {
    diesel::sql_query("UPDATE gigs.gigs SET posted_at = $2 WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Which gigs.
#[derive(Clone, Debug, Default)]
pub struct GigFilter {
    /// Words of title or description.
    pub q: Option<String>,
    /// Has all of these.
    pub skills: Vec<String>,
    /// Pays at least so much.
    pub budget_min: Option<i64>,
    /// Pays at most so much.
    pub budget_max: Option<i64>,
    /// In this currency.
    pub currency: Option<String>,
    /// Paid so.
    pub kind: Option<BudgetKind>,
    /// In one of these states.
    pub states: Vec<GigState>,
    /// Of this person.
    pub owner: Option<UserId>,
    /// After this one, in the list's order: newest first.
    pub before: Option<GigId>,
}

pub async fn list(conn: &mut AsyncPgConnection, filter: &GigFilter, limit: i64) -> Result<Vec<Gig>, DbError> {
    let states: Vec<&'static str> = filter.states.iter().map(|state| state.as_str()).collect();
    let mut query = diesel::sql_query("SELECT * FROM gigs.gigs WHERE state = ANY($1)").into_boxed::<Pg>();
    query = query.bind::<Array<Text>, _>(states);
    let mut used = 1;
    let mut next = || {
        used += 1;
        used
    };
    if let Some(owner) = filter.owner {
        query = query.sql(format!(" AND owner_id = ${}", next())).bind::<SqlUuid, _>(owner);
    }
    if let Some(before) = filter.before {
        query = query.sql(format!(" AND id < ${}", next())).bind::<SqlUuid, _>(before);
    }
    if let Some(words) = &filter.q {
        let (a, b) = (next(), next());
        query = query
            .sql(format!(
                " AND (to_tsvector('simple', title || ' ' || description) @@ plainto_tsquery('simple', ${a})
                       OR title ILIKE ${b})"
            ))
            .bind::<Text, _>(words.clone())
            .bind::<Text, _>(format!("%{}%", escaped(words)));
    }
    if !filter.skills.is_empty() {
        query =
            query.sql(format!(" AND skills @> ${}", next())).bind::<Array<Text>, _>(filter.skills.clone());
    }
    if let Some(least) = filter.budget_min {
        query = query.sql(format!(" AND budget_max >= ${}", next())).bind::<BigInt, _>(least);
    }
    if let Some(most) = filter.budget_max {
        query = query.sql(format!(" AND budget_min <= ${}", next())).bind::<BigInt, _>(most);
    }
    if let Some(currency) = &filter.currency {
        query = query.sql(format!(" AND currency = ${}", next())).bind::<Text, _>(currency.clone());
    }
    if let Some(kind) = filter.kind {
        query = query.sql(format!(" AND kind = ${}", next())).bind::<Text, _>(kind);
    }
    let limited = query.sql(format!(" ORDER BY id DESC LIMIT ${}", next())).bind::<BigInt, _>(limit);
    Ok(limited.get_results(conn).await?)
}

/// A text whose wildcards mean themselves to LIKE.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

impl From<&Gig> for At<GigState> {
    fn from(gig: &Gig) -> Self {
        Self { id: gig.id.0, state: gig.state, version: gig.version, deadline: gig.deadline }
    }
}
