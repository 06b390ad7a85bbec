//! Gigs: work that is offered, applied for, contracted, delivered and paid.
//!
//! **Owns** gigs, skills, applications, invitations, saved searches, contracts, milestones, payments with
//! the provider, disputes and reviews; schema `gigs`; the channels `gigs:feed` and `gig:<id>`.
//!
//! **Emits** `gig.*`, `application.*`, `contract.*`, `milestone.*`, `payment.*`, `dispute.*`,
//! `review.*`, `invitation.sent` and `saved_search.matched`, in the transaction of the change.
//!
//! **Never touches** accounts of people or of money: who somebody is comes with the request, and the
//! books are kept by [`crate::contexts::ledger`], called inside our transaction.
//!
//! # How a step is taken
//! Machines are data (`model/machines.rs`). A use case locks what it changes, asks the executor
//! (`store/moves.rs`) for the step, calls the ledger, and all of it commits at once. What must be done
//! outside, or later, is a row of `gigs.timers` written in the same transaction; [`Gigs::tick`] does it.

mod channels;
mod consumers;
mod custody;
mod error;
mod forms;
pub mod handlers;
mod model;
mod pages;
mod service;
mod store;
mod views;

use std::sync::{Arc, OnceLock};

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

pub use channels::{Live, namespaces};
pub use consumers::consumers;
pub use error::GigsError;
pub use forms::{
    ApplyForm, Attachment, Budget, GigForm, GigPatch, InvitationForm, MilestoneForm, OfferForm, ReviewForm,
    RulingForm, SavedSearchForm,
};
pub use handlers::api;
pub use model::{
    APPLICATION, ApplicationId, ApplicationState, BudgetKind, CONTRACT, ContractId, ContractState, DISPUTE,
    DisputeId, DisputeState, GIG, GigId, GigState, InvitationId, MILESTONE, MilestoneId, MilestoneState,
    Offer, OfferedMilestone, PaymentId, PaymentState, ReviewId, SavedSearchId, Skill,
};
pub use service::{DemoCast, GigQuery};
pub use views::{
    ApplicationView, ContractView, DisputeView, GigView, InvitationView, MilestoneView, MoneyView,
    PaymentView, RatingView, ReviewView, SavedSearchView, StepView, TotalsView,
};

use pages::Pages;

use crate::{
    clock::Clock,
    contexts::ledger::{Ledger, LedgerError, PaymentSink},
    ports::payments::{Notice, Payments},
    postgres::{Conn, Database},
    principal::UserId,
    signing::Signer,
};

/// What the marketplace is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// The books, and the payment provider.
    pub ledger: Ledger,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
}

/// The marketplace. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Gigs {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    ledger: Ledger,
    signer: Signer,
    clock: Clock,
    /// Woken when a job was set that is due at once.
    jobs: Notify,
    pages: Pages,
    people: OnceLock<Arc<dyn People>>,
}

/// Who there is, as far as the marketplace has to know.
pub trait People: Send + Sync + 'static {
    /// Whether that is somebody.
    ///
    /// # Errors
    /// When nobody can say so now.
    fn exists(&self, id: UserId) -> BoxFuture<'_, Result<bool, Box<dyn std::error::Error + Send + Sync>>>;
}

impl People for crate::contexts::identity::Directory {
    fn exists(&self, id: UserId) -> BoxFuture<'_, Result<bool, Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move { Ok(!self.people(&[id]).await?.is_empty()) })
    }
}

impl Gigs {
    /// Sets the context up; nothing runs by itself. The server runs [`Gigs::run_timers`].
    pub fn new(parts: Parts) -> Self {
        let Parts { database, ledger, signer, clock } = parts;
        let (people, pages) = (OnceLock::new(), Pages::default());
        let inner = Inner { database, ledger, signer, clock, jobs: Notify::new(), people, pages };
        Self { inner: Arc::new(inner) }
    }

    /// Says who can be asked about people; a second call changes nothing. Before it, everybody exists.
    pub fn ask(&self, people: Arc<dyn People>) {
        let _ = self.inner.people.set(people);
    }

    async fn exists(&self, id: UserId) -> Result<bool, GigsError> {
        match self.inner.people.get() {
            Some(people) => people.exists(id).await.map_err(GigsError::Elsewhere),
            None => Ok(true),
        }
    }

    async fn conn(&self) -> Result<Conn, GigsError> {
        Ok(self.inner.database.conn().await?)
    }

    fn payments(&self) -> &Arc<dyn Payments> {
        self.inner.ledger.payments()
    }

    /// Says that a job was set that is due at once.
    fn wake(&self) {
        self.inner.jobs.notify_one();
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }
}

impl PaymentSink for Gigs {
    fn apply<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            self.apply_notice(conn, notice).await.map_err(|error| match error {
                GigsError::Ledger(error) => error,
                GigsError::Db(error) => error.into(),
                other => LedgerError::NotApplied(Box::new(other)),
            })
        })
    }
}
