//! One look for all consumers of a node: retries that fall due, and what a node that died has left. What
//! arrives here wakes its consumers by itself.
//!
//! Each consumer used to look for itself, four times a second: with some forty of them, that was most of
//! what an idle server did.

use std::{sync::Arc, time::Duration};

use diesel::{QueryableByName, sql_types::Text};
use diesel_async::RunQueryDsl;
use tokio::sync::watch;

use super::{
    inlet::{Inboxes, Wanting},
    stopped,
};
use crate::{
    postgres::{Database, DbError, Kept},
    telemetry::log,
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// Pause while the database is away.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks for consumers that have something to do, and wakes them.
pub(super) struct Lookout {
    pub database: Database,
    pub inboxes: Arc<Inboxes>,
}

impl Lookout {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let wait = match self.waiting().await {
                Ok(waiting) => {
                    self.inboxes.wake(&waiting);
                    LOOK
                }
                Err(error) => {
                    slog::warn!(log(), "the inboxes cannot be read; events wait"; "error" => %error);
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Consumers with an event that is due.
    async fn waiting(&self) -> Result<Wanting, DbError> {
        #[derive(QueryableByName)]
        struct Named {
            #[diesel(sql_type = Text)]
            name: String,
        }
        let query = diesel::sql_query(
            "select c.name from platform.consumers c where exists (select from platform.inbox i \
             where i.consumer = c.name and i.handled_at is null and i.died_at is null and i.next_at <= now())",
        );
        let found: Vec<Named> = Kept(query).load(&mut self.database.conn().await?).await?;
        Ok(found.into_iter().map(|found| found.name).collect())
    }
}
