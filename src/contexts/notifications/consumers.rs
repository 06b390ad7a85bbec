//! What follows from others' events: people are told, or forgotten.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{Notifications, NotificationsError, kinds::SUBJECTS, store};
use crate::{
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    principal::UserId,
};

/// Everybody here who acts on events.
pub fn consumers(notifications: &Notifications) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Teller(notifications.clone())), Arc::new(Forgetter(notifications.clone()))]
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

/// Whom an erasure is about.
fn whose(event: &Envelope) -> Option<UserId> {
    event.data.get("user_id")?.as_str()?.parse::<Uuid>().ok().map(UserId)
}

/// Erases what is known of people who asked for it.
struct Forgetter(Notifications);

impl Consumer for Forgetter {
    fn name(&self) -> &'static str {
        "notifications.erase"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["user.erasure_requested"]
    }

    fn prepare<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        events: &'a [&'a Envelope],
    ) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move {
            let people: Vec<UserId> = events.iter().filter_map(|event| whose(event)).collect();
            Ok(store::in_turn(conn, &people).await?)
        })
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let Some(user) = whose(event) else {
                return Err(ConsumeError::Reject("names nobody".into()));
            };
            store::forget(conn, user, self.0.now()).await?;
            self.0.mail().forget(conn, user).await?;
            Ok(AfterCommit::nothing())
        })
    }
}
