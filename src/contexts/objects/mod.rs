//! Objects: whose the bytes in the object store are, and which of them may be used.
//!
//! **Owns** uploads, quotas and holds; schema `objects`.
//!
//! **Emits** `upload.completed`, `upload.refused`, `upload.expired`, `upload.deleted`.
//!
//! **Never touches** what objects are used for: a context that needs one holds it ([`hold`]), decides who
//! may see it, and asks for a link ([`Uploads::link`]).
//!
//! # The way of an upload
//! [`Uploads::begin`] writes the row and signs a request; the client sends the bytes to the store itself.
//! [`Uploads::complete`] puts them under a key that no URL ever named, reads them there, and compares
//! size, type and checksum. Until then nobody gets a link. What is never completed expires, and
//! [`Uploads::run_timers`] removes its bytes; after a crash at any point it goes on from the rows.

mod custody;
mod error;
mod forms;
pub mod handlers;
mod model;
mod service;
mod store;
mod views;

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

pub use error::UploadError;
pub use forms::{CompleteForm, PartsForm, UploadForm};
pub use handlers::api;
pub use model::{UPLOAD, UploadId, UploadState};
pub use service::holds::{discard, hold, ready, release};
pub use views::{DownloadView, FileView, PartView, PartsView, SignedPart, UploadView};

use crate::{
    clock::Clock,
    ports::objects::Objects,
    postgres::{Conn, Database},
    signing::Signer,
};

/// Bounds of uploads.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The most that one person may keep, in bytes.
    pub quota: u64,
    /// The largest object, in bytes.
    pub largest: u64,
    /// From this size on an upload comes in parts, of this size each, in bytes.
    pub part: u64,
    /// How long signed URLs live.
    pub url_life: Duration,
    /// How long an upload may take, from its beginning to its completion.
    pub open_for: Duration,
    /// Up to this size, in bytes, `complete` waits for the verification.
    pub inline: u64,
}

impl From<&crate::config::Config> for Settings {
    fn from(config: &crate::config::Config) -> Self {
        let set = &config.objects;
        Self {
            quota: set.quota_bytes,
            largest: set.max_bytes,
            part: set.part_bytes,
            url_life: Duration::from_secs(set.url_seconds),
            open_for: Duration::from_secs(set.upload_hours * 3600),
            inline: 64 << 20,
        }
    }
}

/// What the context is set up with.
pub struct Parts {
    /// The rows.
    pub database: Database,
    /// The bytes.
    pub objects: Arc<dyn Objects>,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// Bounds.
    pub settings: Settings,
}

/// Uploads. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Uploads {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    objects: Arc<dyn Objects>,
    signer: Signer,
    clock: Clock,
    settings: Settings,
    /// Woken when something is due at once.
    work: Notify,
}

impl Uploads {
    /// Sets the context up; nothing runs by itself. The server runs [`Uploads::run_timers`].
    pub fn new(parts: Parts) -> Self {
        let Parts { database, objects, signer, clock, settings } = parts;
        let inner = Inner { database, objects, signer, clock, settings, work: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    async fn conn(&self) -> Result<Conn, UploadError> {
        Ok(self.inner.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }
}
