//! Careers: portfolios that assemble themselves, and mentorship that respects the calendar.
//!
//! **Owns** mentors and their hours, sessions, bookings and waiting lists, mentorships with their goals,
//! notes and reviews, calendars to subscribe to; profiles, projects, evidence, endorsements and follows;
//! schema `career`; the channel `portfolio:<user_id>`.
//!
//! **Emits** `mentor.*`, `booking.*`, `mentor_review.written`, `profile.updated` and `evidence.*`, in the transaction of the change.
//!
//! **Never touches** accounts, money and rooms: who somebody is it asks of [`People`], the books are kept
//! by [`crate::contexts::ledger`], called inside our transaction, and rooms are opened by events.
//!
//! # Why nobody is booked twice
//! Whoever is in a session has a row in `career.busy`, and an exclusion constraint refuses two rows of one
//! person that overlap ([decision 0019](../../../../docs/decisions/0019-no-double-booking.md)). Slots are
//! computed from hours and that table (`model/slots.rs`); a slot that is shown may be gone a moment later,
//! and then the constraint says so.

mod channels;
mod consumers;
mod custody;
mod error;
mod forms;
pub mod handlers;
mod metrics;
mod model;
mod people;
mod service;
mod store;
mod views;

use std::sync::{Arc, OnceLock};

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

pub use channels::{Live, namespaces};
pub use consumers::consumers;
pub use error::CareerError;
pub use forms::{
    ArtifactForm, ArtifactOrderForm, AvailabilityForm, BookForm, ItemForm, ItemPatch, MentorForm, NoteForm,
    OrderForm, ProjectForm, RatingForm, ShowForm, StepForm, WaitForm,
};
pub use handlers::api;
pub use metrics::CareerMetrics;
pub use model::{
    ArtifactId, ArtifactKind, Availability, BOOKING, BookingId, BookingState, Calendar, ClaimedSkill,
    EvidenceId, EvidenceKind, Exception, ItemId, ItemKind, Link as ProfileLink, MENTOR, MentorState,
    MentorshipId, NoteId, ProfileForm, ProjectId, ReviewId, Rule, SpokenLanguage, Station as ProfileStation,
    Visibility, WaitId, WaitState, WallTime, Window,
};
pub use people::{Affinity, Apart, Contact, NoAffinity, People, Taxonomy};
pub use service::{DemoCast, MatchQuery, MentorQuery, PublicProfile, Shown, SlotQuery, WhoseBookings};
pub use views::{
    ArtifactView, BookingView, EvidenceView, FeedEntryView, FeedView, FollowsView, ImportedView, ItemView,
    MatchView, MentorReviewView, MentorView, MentorshipView, NoteView, OwnMentorView, OwnProfileView,
    PortfolioView, ProjectView, SkillView, SlotView, SlotsView, WaitView,
};

use service::escape;

#[cfg(test)]
pub(crate) use model::slots;

use crate::{
    clock::Clock,
    contexts::{
        activity::ActivityStream,
        ledger::{Ledger, LedgerError, PaymentSink},
        objects::Uploads,
    },
    documents::LazyFonts,
    ports::{
        mail::MailQueue,
        payments::{Notice, Payments},
    },
    postgres::{Conn, Database},
    signing::Signer,
};

/// What the context is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// The books, and the payment provider.
    pub ledger: Ledger,
    /// Who people are.
    pub people: Arc<dyn People>,
    /// Which skills there are.
    pub taxonomy: Arc<dyn Taxonomy>,
    /// What texts mean.
    pub affinity: Arc<dyn Affinity>,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// Where links lead, without a trailing slash.
    pub public_url: String,
    /// What is counted.
    pub metrics: CareerMetrics,
}

/// The context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Career {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    /// Woken when a job was set that is due at once.
    jobs: Notify,
    mail: OnceLock<MailQueue>,
    uploads: OnceLock<Uploads>,
    fonts: OnceLock<LazyFonts>,
    feed: OnceLock<(Arc<dyn ActivityStream>, Arc<dyn Apart>)>,
    /// Whose turn it is to decode a picture.
    drawing: tokio::sync::Semaphore,
}

impl Career {
    /// Sets the context up; nothing runs by itself. The server runs [`Career::run_timers`].
    pub fn new(parts: Parts) -> Self {
        let (mail, uploads, fonts) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let (feed, drawing) = (OnceLock::new(), tokio::sync::Semaphore::new(1));
        Self { inner: Arc::new(Inner { parts, jobs: Notify::new(), mail, uploads, fonts, feed, drawing }) }
    }

    /// Says which fonts résumés are written in; a second call changes nothing. Before it, there are none.
    pub fn write_in(&self, fonts: LazyFonts) {
        let _ = self.inner.fonts.set(fonts);
    }

    /// Says where activity is read, and who wants nothing to do with whom; a second call changes nothing. Before
    /// it, feeds are empty.
    pub fn read_feeds(&self, stream: Arc<dyn ActivityStream>, apart: Arc<dyn Apart>) {
        let _ = self.inner.feed.set((stream, apart));
    }

    /// Says where files are kept; a second call changes nothing. Before it, projects have none.
    pub fn keep_in(&self, uploads: Uploads) {
        let _ = self.inner.uploads.set(uploads);
    }

    /// Says where invitations are mailed; a second call changes nothing. Before it, none are.
    pub fn post_by(&self, mail: MailQueue) {
        let _ = self.inner.mail.set(mail);
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    async fn conn(&self) -> Result<Conn, CareerError> {
        Ok(self.inner.parts.database.conn().await?)
    }

    fn payments(&self) -> &Arc<dyn Payments> {
        self.inner.parts.ledger.payments()
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.parts.clock.now()
    }
}

impl PaymentSink for Career {
    fn apply<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            self.apply_notice(conn, notice).await.map_err(|error| match error {
                CareerError::Ledger(error) => error,
                CareerError::Db(error) => error.into(),
                other => LedgerError::NotApplied(Box::new(other)),
            })
        })
    }
}
