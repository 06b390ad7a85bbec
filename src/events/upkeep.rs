//! Forgetting what is long done.

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use crate::postgres::{Database, DbError};

/// How long handled events are remembered, for traces and for duplicates.
const KEEP: &str = "30 days";

/// Removes events that every consumer handled long ago, and replayed dead letters; how many rows.
///
/// # Errors
/// The database's.
pub async fn forget_old(database: &Database) -> Result<usize, DbError> {
    let mut conn = database.conn().await?;
    let mut removed = 0;
    for query in [
        // The inbox after the outbox: while the outbox has a row, the bus may bring it again.
        format!("delete from platform.outbox where received_at < now() - interval '{KEEP}'"),
        format!(
            "delete from platform.inbox where handled_at < now() - interval '{KEEP}' \
                 and received_at < now() - interval '{KEEP}'"
        ),
        format!("delete from platform.dead_letters where replayed_at < now() - interval '{KEEP}'"),
    ] {
        removed += sql_query(query).execute(&mut conn).await?;
    }
    Ok(removed)
}
