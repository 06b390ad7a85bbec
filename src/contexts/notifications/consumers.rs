//! What follows from others' events: people are told.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use super::{Notifications, NotificationsError, kinds::SUBJECTS};
use crate::events::{AfterCommit, ConsumeError, Consumer, Envelope};

/// Everybody here who acts on events.
pub fn consumers(notifications: &Notifications) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Teller(notifications.clone()))]
}

impl From<NotificationsError> for ConsumeError {
    fn from(error: NotificationsError) -> Self {
        match error {
            NotificationsError::Db(error) => Self::Db(error),
            other => Self::Retry(other.to_string()),
        }
    }
}

/// Makes notifications of events.
struct Teller(Notifications);

impl Consumer for Teller {
    fn name(&self) -> &'static str {
        "notifications.tell"
    }

    fn subjects(&self) -> &'static [&'static str] {
        SUBJECTS
    }

    fn prepare<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        events: &'a [&'a Envelope],
    ) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move { Ok(self.0.take_turns(conn, events).await?) })
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let told = self.0.tell(conn, event).await?;
            let this = self.0.clone();
            Ok(AfterCommit::run(move || this.told(&told)))
        })
    }
}
