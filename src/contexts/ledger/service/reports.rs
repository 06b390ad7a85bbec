//! What happened, and whether it adds up.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::contexts::ledger::{
    error::LedgerError,
    model::{Entry, Report},
    store,
};

/// Every entry of these holds, oldest first. Who may see them the caller decides.
///
/// # Errors
/// [`LedgerError::Db`].
pub async fn statement(conn: &mut AsyncPgConnection, holds: &[Uuid]) -> Result<Vec<Entry>, LedgerError> {
    Ok(store::reports::statement(conn, holds).await?)
}

/// Adds everything up again from the entries, in one snapshot.
///
/// # Errors
/// [`LedgerError::Db`].
pub async fn reconcile(conn: &mut AsyncPgConnection) -> Result<Report, LedgerError> {
    conn.build_transaction()
        .read_only()
        .repeatable_read()
        .run(async |conn| Ok(store::reports::reconcile(conn).await?))
        .await
}
