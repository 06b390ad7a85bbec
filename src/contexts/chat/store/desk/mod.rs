//! What people set for themselves, and what moderators do: always Postgres, like rooms and members, and
//! without an adapter beside it.

mod announced;
mod keeping;
mod moderation;
mod own;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;

pub use announced::{Announceable, Announced, Announcement};
pub use keeping::{begin_erasure, erasure_is_done};
pub(super) use moderation::write_audit;
pub use moderation::{AuditRow, Ban, NewReport, Report, ReportFilter, Resolution};
pub use own::{Own, OwnPatch, Privacy, Seen};

use super::{StoreError, schema};
use crate::postgres::{Conn, Database};

/// The desk. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    db: Database,
}

impl Desk {
    /// The desk in that database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }

    async fn conn(&self) -> Result<Conn, StoreError> {
        Ok(self.db.conn().await?)
    }
}
