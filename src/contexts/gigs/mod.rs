//! Gigs: work that is offered, applied for, contracted, delivered and paid.
//!
//! **Owns** gigs, skills, applications, contracts, milestones, payments with the provider, disputes and
//! reviews; schema `gigs`; the channels `gigs:feed` and `gig:<id>`.
//!
//! **Emits** `gig.*`, `application.*`, `contract.*`, `milestone.*`, `payment.*`, `dispute.*` and
//! `review.*`, in the transaction of the change.
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
mod error;
mod forms;
pub mod handlers;
mod model;
mod service;
mod store;
mod views;

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

pub use channels::{Live, namespaces};
pub use consumers::consumers;
pub use error::GigsError;
pub use forms::{
    ApplyForm, Attachment, Budget, GigForm, GigPatch, MilestoneForm, OfferForm, ReviewForm, RulingForm,
};
pub use handlers::api;
pub use model::{
    APPLICATION, ApplicationId, ApplicationState, BudgetKind, CONTRACT, ContractId, ContractState, DISPUTE,
    DisputeId, DisputeState, GIG, GigId, GigState, MILESTONE, MilestoneId, MilestoneState, Offer,
    OfferedMilestone, PaymentId, PaymentState, ReviewId, Skill,
};
pub use service::{DemoCast, GigQuery};
pub use views::{
    ApplicationView, ContractView, DisputeView, GigView, MilestoneView, MoneyView, PaymentView, RatingView,
    ReviewView, StepView, TotalsView,
};

use crate::{
    clock::Clock,
    money::BasisPoints,
    ports::payments::Payments,
    postgres::{Conn, Database},
    signing::Signer,
};

/// What the marketplace is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// The payment provider.
    pub payments: Arc<dyn Payments>,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// The platform's share of what is released.
    pub fee: BasisPoints,
    /// Where links that the provider hands out lead back to, without a trailing slash.
    pub public_url: String,
}

/// The marketplace. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Gigs {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    payments: Arc<dyn Payments>,
    signer: Signer,
    clock: Clock,
    fee: BasisPoints,
    public_url: String,
    /// Woken when a job was set that is due at once.
    jobs: Notify,
}

impl Gigs {
    /// The platform's share where nothing else is set: 10 %.
    pub const FEE: BasisPoints = match BasisPoints::new(1_000) {
        Some(points) => points,
        None => BasisPoints::ZERO,
    };

    /// Sets the context up; nothing runs by itself. The server runs [`Gigs::run_timers`].
    pub fn new(parts: Parts) -> Self {
        let Parts { database, payments, signer, clock, fee, public_url } = parts;
        let inner = Inner { database, payments, signer, clock, fee, public_url, jobs: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    async fn conn(&self) -> Result<Conn, GigsError> {
        Ok(self.inner.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }
}

/// How often timers are looked at when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(1);
