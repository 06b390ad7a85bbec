//! What gamification tells others. All are about one person, but for a league's end.

use diesel_async::AsyncPgConnection;
use serde_json::Value;

use crate::{
    events::{NewEvent, record},
    postgres::DbError,
};

/// Somebody earned points, or lost some by a correction. Data:
/// `{user_id, rule, source, points, total, level, at, rule_version, seq}`.
pub const XP_AWARDED: &str = "xp.awarded";
/// Somebody reached a level for the first time. Data: `{user_id, level, total, at}`.
pub const LEVEL_REACHED: &str = "level.reached";
/// Somebody got a badge. Data: `{user_id, award_id, badge, name, tier, n, at}`.
pub const BADGE_AWARDED: &str = "badge.awarded";
/// A badge that is not sticky went. Data as of `badge.awarded`.
pub const BADGE_REVOKED: &str = "badge.revoked";
/// A league's week is over; once for each person of it. The group is the aggregate. Data:
/// `{user_id, group_id, week, tier, league, rank, size, score, outcome, next_tier}`.
pub const LEAGUE_CLOSED: &str = "league.closed";

pub(super) async fn tell(
    conn: &mut AsyncPgConnection,
    subject: &'static str,
    aggregate: String,
    version: i64,
    data: Value,
) -> Result<(), DbError> {
    record(conn, NewEvent { subject, context: "gamification", aggregate, version, data }).await.map(|_| ())
}
