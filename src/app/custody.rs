//! Who keeps data of people: every context, and the platform beneath them.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;

use crate::{
    contexts::{
        activity::Activity, career::Career, chat::Chat, discovery::Discovery, gamification::Gamification,
        gigs::Gigs, identity::Identity, learning::Learning, ledger::Ledger, notifications::Notifications,
        objects::Uploads,
    },
    custody::{Answer, Counts, Custodian, Forgotten, Names, Sink},
    events,
    http::idempotency,
    principal::UserId,
};

/// Everybody, in the order in which people read of them.
#[expect(clippy::too_many_arguments, reason = "wiring")]
pub(super) fn custodians(
    identity: &Identity,
    chat: &Chat,
    gigs: &Gigs,
    ledger: &Ledger,
    learning: &Learning,
    career: &Career,
    game: &Gamification,
    notifications: &Notifications,
    activity: &Activity,
    uploads: &Uploads,
    discovery: &Discovery,
) -> Vec<Arc<dyn Custodian>> {
    vec![
        Arc::new(identity.clone()),
        Arc::new(chat.clone()),
        Arc::new(gigs.clone()),
        Arc::new(ledger.clone()),
        Arc::new(learning.clone()),
        Arc::new(career.clone()),
        Arc::new(game.clone()),
        Arc::new(notifications.clone()),
        Arc::new(activity.clone()),
        Arc::new(uploads.clone()),
        Arc::new(discovery.clone()),
        Arc::new(Platform),
    ]
}

/// What lies beneath the contexts: recorded events, and answers kept for repetitions. Nothing of it is worth
/// handing out: it is said again elsewhere.
struct Platform;

impl Custodian for Platform {
    fn names(&self) -> Names {
        Names { context: "platform", eraser: "platform.erasure", exporter: "platform.export" }
    }

    fn gather<'a>(&'a self, _: &'a mut AsyncPgConnection, _: UserId, _: &'a dyn Sink) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            let answers = idempotency::forget(conn, person).await?;
            Ok(Forgotten {
                counts: [("kept answers", answers)].into_iter().filter(|(_, n)| *n > 0).collect(),
                kept: &["for 30 days: that the erasure of the bare id was asked for and done"],
                goes_on: true,
                ..Forgotten::default()
            })
        })
    }

    fn is_last(&self) -> bool {
        true
    }

    /// Events that name the person are gone, once everybody has handled them.
    fn finish<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Option<Counts>> {
        Box::pin(async move {
            let (gone, left) = events::forget(conn, person).await?;
            idempotency::forget(conn, person).await?;
            let counts = [("events", gone)].into_iter().filter(|(_, n)| *n > 0).collect();
            Ok((left == 0).then_some(counts))
        })
    }
}
