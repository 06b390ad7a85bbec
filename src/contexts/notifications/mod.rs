//! Notifications: what people are told of what happens, where they want to be told it.
//!
//! **Owns** notifications, the log behind `user:<id>`, preferences, the mails that are due; schema
//! `notifications`.
//!
//! **Emits** nothing: it is where events end.
//!
//! **Never touches** what it tells of. An event carries all that its notification says; addresses and
//! zones are asked of identity ([`People`]) when they are needed.
//!
//! # From an event to a person
//! ```text
//!  event ─▶ Consumer: one transaction ─┬─ notification (one a group while it is unread), unread counter
//!                                      ├─ publication in the person's log, with the next offset
//!                                      └─ a mail that is due (digests, quiet hours: `due.rs`)
//!  after the commit: the feed pushes the log to `user:<id>`; a lost push is found again by recovery
//!  when a mail is due: what is still unread ─▶ `platform.mails` (ports/mail) ─▶ files or SMTP
//! ```
//! Kinds are data (`kinds.rs`). An event that comes twice, or late, changes nothing: a person's sources
//! are remembered, and of several events the latest by its id has the word.

mod calm;
mod channels;
mod consumers;
mod custody;
mod due;
mod error;
pub mod handlers;
mod kinds;
mod letters;
mod metrics;
mod model;
mod people;
mod realtime;
mod service;
mod store;
mod views;

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

pub use calm::Calm;
pub use channels::Feed;
pub use consumers::consumers;
pub use error::NotificationsError;
pub use handlers::api;
pub use kinds::{KINDS, Kind};
pub use metrics::NotificationMetrics;
pub use model::{Channels, Digest, NotificationId, QuietHoursForm, Which};
pub use people::{Contact, People};
pub use realtime::rpcs;
pub use views::{
    KindsView, NotificationView, NotificationsView, PreferencesForm, PreferencesPatch, PreferencesView,
    PushKeyView, ReadForm, SubscribeForm, SubscriptionView, SubscriptionsView, UnreadView,
};

use crate::{
    clock::Clock,
    ports::{mail::MailQueue, push::Push},
    postgres::{Conn, Database, DbError},
    signing::Signer,
};

/// What the context is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// Who people are.
    pub people: Arc<dyn People>,
    /// Where mails go.
    pub mail: MailQueue,
    /// The live side of people's logs.
    pub feed: Feed,
    /// Signs cursors and the links of mails.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// Where links in mails lead, without a trailing slash.
    pub public_url: String,
    /// What is counted.
    pub metrics: NotificationMetrics,
}

/// The context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Notifications {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    /// Woken when a mail may be due.
    due: Notify,
    /// Woken when something may be to be pushed.
    pushing: Notify,
    /// How browsers are reached, where they are.
    push: OnceLock<Arc<dyn Push>>,
    /// Who is not to be disturbed, where anybody knows.
    calm: OnceLock<Arc<dyn Calm>>,
}

impl Notifications {
    /// Sets the context up; nothing runs by itself. The server runs [`Notifications::run_mailings`] and
    /// [`Feed::run`], and calls [`Notifications::tidy`] now and then.
    pub fn new(parts: Parts) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                due: Notify::new(),
                pushing: Notify::new(),
                push: OnceLock::new(),
                calm: OnceLock::new(),
            }),
        }
    }

    /// Says who knows whom not to disturb; a second call changes nothing.
    pub fn heed(&self, calm: Arc<dyn Calm>) {
        let _ = self.inner.calm.set(calm);
    }

    /// Whether nothing is to be pushed to somebody now.
    async fn is_undisturbed(&self, user: crate::principal::UserId) -> Result<bool, NotificationsError> {
        match self.inner.calm.get() {
            Some(calm) => Ok(calm.undisturbed(vec![user]).await?.contains(&user)),
            None => Ok(false),
        }
    }

    /// The queue that its mails leave by.
    pub fn mail(&self) -> &MailQueue {
        &self.inner.parts.mail
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    async fn conn(&self) -> Result<Conn, NotificationsError> {
        Ok(self.inner.parts.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.parts.clock.now()
    }
}

/// After a restore from a backup: gives everybody's log a new epoch, because clients hold positions of the
/// later state. Answers how many logs there are.
///
/// # Errors
/// The database's.
pub async fn renew_logs(database: &Database) -> Result<usize, DbError> {
    store::log::renew(&mut *database.conn().await?).await
}
