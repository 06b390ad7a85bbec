//! What identity tells others. No personal data: who needs more than the id asks [`Directory`].
//!
//! [`Directory`]: super::Directory

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use crate::{
    contexts::identity::model::Account,
    events::{NewEvent, record},
    postgres::DbError,
    principal::UserId,
};

/// Somebody registered. Data: `{user_id, roles}`.
pub const REGISTERED: &str = "user.registered";
/// Somebody calls themselves something else. Data: `{user_id}`; the version is the account's.
pub const RENAMED: &str = "user.renamed";
/// An account's grace period is over and what identity knew of the person is erased: every context
/// erases what it knows. Data: `{user_id, request_id, due_at}`; the business key is the request's id
/// with the context.
pub const ERASURE_REQUESTED: &str = "user.erasure_requested";

const CONTEXT: &str = "identity";

pub(super) async fn registered(conn: &mut AsyncPgConnection, account: &Account) -> Result<(), DbError> {
    let event = NewEvent {
        subject: REGISTERED,
        context: CONTEXT,
        aggregate: account.id.to_string(),
        version: 1,
        data: json!({ "user_id": account.id, "roles": account.roles }),
    };
    record(conn, event).await.map(|_| ())
}

/// In the transaction that changes the name.
pub(super) async fn renamed(
    conn: &mut AsyncPgConnection,
    user_id: UserId,
    version: i64,
) -> Result<(), DbError> {
    let event = NewEvent {
        subject: RENAMED,
        context: CONTEXT,
        aggregate: user_id.to_string(),
        version,
        data: json!({ "user_id": user_id }),
    };
    record(conn, event).await.map(|_| ())
}

/// In the transaction that erases the account. An account is erased once, so its id and the date
/// name the request.
pub(super) async fn erasure_requested(
    conn: &mut AsyncPgConnection,
    user_id: UserId,
    version: i64,
    due_at: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    let event = NewEvent {
        subject: ERASURE_REQUESTED,
        context: CONTEXT,
        aggregate: user_id.to_string(),
        version,
        data: json!({ "user_id": user_id, "request_id": user_id, "due_at": due_at }),
    };
    record(conn, event).await.map(|_| ())
}
