//! What notifications know of a person.

use diesel_async::AsyncPgConnection;

use super::{Notifications, store};
use crate::{
    custody::{self, Answer, Custodian, Forgotten, Names, Sink},
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[
    ("notifications", "SELECT * FROM notifications.items WHERE user_id = $1 ORDER BY id"),
    ("preferences", "SELECT * FROM notifications.preferences WHERE user_id = $1"),
    (
        "push-subscriptions",
        "SELECT id, endpoint, label FROM notifications.push_subscriptions WHERE user_id = $1 ORDER BY id",
    ),
    (
        "mails",
        "SELECT recipient, subject, state, created_at, ended_at FROM platform.mails WHERE user_id = $1 ORDER BY id",
    ),
];

impl Custodian for Notifications {
    fn names(&self) -> Names {
        Names { context: "notifications", eraser: "notifications.erase", exporter: "notifications.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move { Ok(custody::tables(conn, person, sink, KNOWN).await?) })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            let mut counts = store::forget(conn, person, self.now()).await?;
            self.mail().forget(conn, person).await?;
            counts.retain(|_, n| *n > 0);
            Ok(Forgotten { counts, ..Forgotten::default() })
        })
    }

    fn settle<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, ()> {
        Box::pin(async move {
            store::forget_about(conn, person).await?;
            Ok(())
        })
    }
}
