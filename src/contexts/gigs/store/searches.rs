//! Saved searches, and which of them a gig meets.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::saved_searches;
use crate::{
    contexts::gigs::model::{GigId, SavedSearch, SavedSearchId},
    postgres::DbError,
    principal::UserId,
};

/// Writes a search; `false` when it is there already.
pub async fn insert(conn: &mut AsyncPgConnection, search: &SavedSearch) -> Result<bool, DbError> {
    let written =
        diesel::insert_into(saved_searches::table).values(search).on_conflict_do_nothing().execute(conn);
    Ok(written.await? == 1)
}

/// A person's searches, newest first.
pub async fn of_user(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<SavedSearch>, DbError> {
    Ok(saved_searches::table
        .filter(saved_searches::user_id.eq(user))
        .order(saved_searches::id.desc())
        .select(SavedSearch::as_select())
        .load(conn)
        .await?)
}

/// Forgets a search of a person; `false` when they have no such.
pub async fn delete(conn: &mut AsyncPgConnection, user: UserId, id: SavedSearchId) -> Result<bool, DbError> {
    let theirs = saved_searches::table.find(id).filter(saved_searches::user_id.eq(user));
    Ok(diesel::delete(theirs).execute(conn).await? == 1)
}

/// The searches that an open gig meets, each with one match more. The conditions are those of the list
/// of gigs ([`super::gigs::list`]); a test holds the two together. Rows are locked in the order of their
/// ids, so that two gigs at once do not wait for each other.
pub async fn matched(
    conn: &mut AsyncPgConnection,
    gig: GigId,
    at: DateTime<Utc>,
) -> Result<Vec<SavedSearch>, DbError> {
    Ok(diesel::sql_query(
        r"WITH met AS (
            SELECT s.id FROM gigs.saved_searches s, gigs.gigs g
            WHERE g.id = $1 AND g.state = 'open' AND s.user_id <> g.owner_id
              AND g.skills @> s.skills
              AND (s.budget_min IS NULL OR g.budget_max >= s.budget_min)
              AND (s.budget_max IS NULL OR g.budget_min <= s.budget_max)
              AND (s.currency IS NULL OR g.currency = s.currency)
              AND (s.kind IS NULL OR g.kind = s.kind)
              AND (s.words IS NULL
                   OR to_tsvector('simple', g.title || ' ' || g.description) @@ plainto_tsquery('simple', s.words)
                   OR g.title ILIKE '%' || replace(replace(replace(s.words, '\', '\\'), '%', '\%'), '_', '\_') || '%')
            ORDER BY s.id FOR UPDATE OF s
         )
         UPDATE gigs.saved_searches s SET matches = matches + 1, matched_at = $2
         FROM met WHERE s.id = met.id RETURNING s.*",
    )
    .bind::<SqlUuid, _>(gig)
    .bind::<Timestamptz, _>(at)
    .get_results(conn)
    .await?)
}
