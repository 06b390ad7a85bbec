//! Forgetting somebody.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    custody::{self, Counts},
    postgres::DbError,
    principal::UserId,
};

/// What goes, statement by statement; `$1` is the person. Bookings stay as rows without words: the other
/// side's history and the ledger's holds refer to them by id.
const GONE: &[(&str, &str)] = &[
    ("calendars to subscribe to", "DELETE FROM career.feeds WHERE user_id = $1"),
    ("profiles", "DELETE FROM career.profiles WHERE user_id = $1"),
    ("projects", "DELETE FROM career.projects WHERE user_id = $1"),
    ("evidence", "DELETE FROM career.evidence WHERE user_id = $1"),
    ("endorsements", "DELETE FROM career.endorsements WHERE user_id = $1 OR by_id = $1"),
    ("follows", "DELETE FROM career.follows WHERE follower_id = $1 OR person_id = $1"),
    ("waiting lists", "DELETE FROM career.waitlist WHERE user_id = $1 OR mentor_id = $1"),
    ("notes", "DELETE FROM career.notes WHERE author_id = $1"),
    (
        "goals and actions",
        "DELETE FROM career.items WHERE mentorship_id IN
            (SELECT id FROM career.mentorships WHERE mentor_id = $1 OR seeker_id = $1)",
    ),
    ("reviews", "DELETE FROM career.reviews WHERE mentor_id = $1"),
    ("reviews", "UPDATE career.reviews SET body = '' WHERE author_id = $1"),
    ("bookings", "UPDATE career.bookings SET topic = '', note = NULL, zone = 'UTC' WHERE seeker_id = $1"),
    ("bookings", "UPDATE career.bookings SET note = NULL, meeting_url = NULL WHERE mentor_id = $1"),
    (
        "payment secrets",
        "UPDATE career.payments SET client_secret = NULL WHERE client_secret IS NOT NULL AND booking_id IN
            (SELECT id FROM career.bookings WHERE seeker_id = $1)",
    ),
    (
        "history",
        "UPDATE career.history SET data = '{}' WHERE actor_id = $1 OR entity_id IN
            (SELECT id FROM career.bookings WHERE mentor_id = $1 OR seeker_id = $1) OR entity_id = $1",
    ),
    (
        "mentors",
        "UPDATE career.mentors SET headline = 'Gone', bio = '', skills = '{}', languages = '{}', goals = '{}',
            zone = 'UTC', rules = '[]', exceptions = '[]', meeting_url = NULL, review_note = NULL,
            rating_sum = 0, rating_count = 0, state = 'withdrawn' WHERE id = $1",
    ),
];

#[derive(diesel::QueryableByName)]
struct There {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    there: bool,
}

/// Whether somebody asked to be forgotten.
pub async fn is_forgotten(conn: &mut AsyncPgConnection, user: UserId) -> Result<bool, DbError> {
    let found: There =
        diesel::sql_query("SELECT EXISTS (SELECT 1 FROM career.forgotten WHERE user_id = $1) AS there")
            .bind::<SqlUuid, _>(user)
            .get_result(conn)
            .await?;
    Ok(found.there)
}

/// Takes away what is known of somebody, and remembers only that nothing is to be known.
pub async fn forget(
    conn: &mut AsyncPgConnection,
    user: UserId,
    at: DateTime<Utc>,
) -> Result<Counts, DbError> {
    let counts = custody::run(conn, user, GONE).await?;
    diesel::sql_query("INSERT INTO career.forgotten (user_id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
        .bind::<SqlUuid, _>(user)
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
    Ok(counts)
}
