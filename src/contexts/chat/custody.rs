//! What chat knows of a person.

use diesel_async::AsyncPgConnection;

use super::{Chat, store};
use crate::{
    custody::{self, Answer, Counts, Custodian, Forgotten, Names, Sink},
    events::{AfterCommit, ConsumeError},
    principal::UserId,
};

/// Messages in one document.
const PAGE: usize = 1_000;

const KNOWN: &[(&str, &str)] = &[
    (
        "rooms",
        "SELECT r.id, r.kind, r.name, r.topic, m.role, m.notify, m.muted, m.favourite, m.draft
         FROM chat.members m JOIN chat.rooms r ON r.id = m.room_id WHERE m.user_id = $1 ORDER BY r.id",
    ),
    ("blocks", "SELECT blocked_id FROM chat.blocks WHERE user_id = $1"),
    ("settings", "SELECT * FROM chat.people WHERE user_id = $1"),
    (
        "reports",
        "SELECT id, room_id, message_id, reason, detail FROM chat.reports WHERE reporter_id = $1 ORDER BY id",
    ),
];

impl Custodian for Chat {
    fn names(&self) -> Names {
        Names { context: "chat", eraser: "chat.erase", exporter: "chat.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            custody::tables(conn, person, sink, KNOWN).await?;
            let mut after = None;
            for page in 1.. {
                let found = self.export(person, after, PAGE).await;
                let found = found.map_err(|error| ConsumeError::of(&error))?;
                let Some(last) = found.last() else { break };
                after = Some((last.room_id, last.seq));
                let body =
                    serde_json::to_value(&found).map_err(|error| ConsumeError::Reject(error.to_string()))?;
                sink.document(conn, &format!("messages-{page:04}"), body).await?;
            }
            Ok(())
        })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            let policy = self.inner.keeping.erasure;
            let counts = store::desk::begin_erasure(conn, person, policy.as_str()).await?;
            let chat = self.clone();
            Ok(Forgotten {
                counts,
                kept: match policy {
                    crate::config::Erasure::Tombstone => {
                        &["the places of messages in their rooms, without words"]
                    }
                    crate::config::Erasure::Anonymise => {
                        &["messages, under an id that leads to nobody: this server is set so"]
                    }
                },
                goes_on: true,
                after: AfterCommit::run(move || chat.inner.erasing.notify_one()),
            })
        })
    }

    /// Rooms are left, and every message is a tombstone.
    fn finish<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Option<Counts>> {
        Box::pin(async move { Ok(store::desk::erasure_is_done(conn, person).await?.then(Counts::new)) })
    }
}
