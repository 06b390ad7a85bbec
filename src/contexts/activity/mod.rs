//! Activity: who did what, as a stream that grows and is never changed.
//!
//! **Owns** the entries; schema `activity`, or the collection `activity` where `MONGODB_URL` is set.
//!
//! **Emits** nothing.
//!
//! **Never touches** what it tells of: gigs, contracts and reviews tell by events, and an entry keeps what
//! the event said.
//!
//! An entry's id is made of the event's and the person's, so an event that comes twice is told once. Public
//! entries are for everybody signed in; the others for the person alone.

mod consumer;
mod error;
pub mod handlers;
mod model;
mod service;
mod store;
mod xapi;

use std::sync::Arc;

pub use consumer::consumers;
pub use error::ActivityError;
pub use handlers::api;
pub use model::{Entry, Object};
pub use store::{ActivityStream, mongo::MongoActivity, postgres::PostgresActivity};

#[cfg(test)]
pub(crate) use store::contract;

use crate::{clock::Clock, signing::Signer};

/// The activity context. Cheap to clone.
#[derive(Clone)]
pub struct Activity {
    stream: Arc<dyn ActivityStream>,
    signer: Signer,
    clock: Clock,
    keep: chrono::Duration,
    base: Arc<str>,
}

/// What activity is set up with.
pub struct Parts {
    /// Where the entries are.
    pub stream: Arc<dyn ActivityStream>,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// How many days an entry is kept.
    pub days: u32,
    /// Where the server is: what statements name people and things by.
    pub public_url: String,
}

impl Activity {
    /// Over its stream.
    pub fn new(parts: Parts) -> Self {
        let Parts { stream, signer, clock, days, public_url } = parts;
        let base = Arc::from(public_url.trim_end_matches('/'));
        Self { stream, signer, clock, keep: chrono::Duration::days(i64::from(days)), base }
    }
}
