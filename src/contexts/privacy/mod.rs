//! Data rights: everything that is known of a person, handed to them, or forgotten.
//!
//! **Owns** archives while they are made, and receipts; schema `privacy`. An archive is an object of the person.
//!
//! **Emits** `export.requested`, `export.ready`, `erasure.completed`.
//!
//! **Never touches** what others know: each context is a [`Custodian`], asked by an event and answered by a
//! consumer of its own ([`crate::custody`]); what it answers is kept here. See
//! [decision 0020](../../../../docs/decisions/0020-data-rights.md).

mod error;
pub mod handlers;
mod live;
mod metrics;
mod model;
mod own;
mod service;
mod store;
mod views;

use std::sync::Arc;

use tokio::sync::Notify;

pub use error::PrivacyError;
pub use handlers::api;
pub use metrics::PrivacyMetrics;
pub use model::{ExportId, ExportState};
pub use views::{ErasureView, ExportView, OpenErasureView, PartView, ReceiptView};

use crate::{
    clock::Clock,
    contexts::objects::Uploads,
    custody::{self, Custodian, Gathering, Receipts},
    events::Consumer,
    postgres::{Conn, Database},
    realtime::Personal,
    signing::Signer,
};

/// How long an archive can be fetched.
pub const KEPT: chrono::Duration = chrono::Duration::days(7);

/// What the context is set up with.
pub struct Parts {
    /// The rows.
    pub database: Database,
    /// Where archives are kept.
    pub uploads: Uploads,
    /// Everybody who keeps data of people, but for this context itself.
    pub custodians: Vec<Arc<dyn Custodian>>,
    /// Where people watch.
    pub personal: Personal,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// What is counted.
    pub metrics: PrivacyMetrics,
}

/// The context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Privacy {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    /// Woken when something is due at once.
    work: Notify,
}

impl Privacy {
    /// Sets the context up; nothing runs by itself. The server runs [`Privacy::run`].
    pub fn new(parts: Parts) -> Self {
        Self { inner: Arc::new(Inner { parts, work: Notify::new() }) }
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    async fn conn(&self) -> Result<Conn, PrivacyError> {
        Ok(self.inner.parts.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.parts.clock.now()
    }

    /// Everybody who keeps data of people, this context included.
    fn custodians(&self) -> Vec<Arc<dyn Custodian>> {
        let mut all = self.parts().custodians.clone();
        all.push(Arc::new(self.clone()));
        all
    }

    fn contexts(&self) -> Vec<&'static str> {
        self.custodians().iter().map(|custodian| custodian.names().context).collect()
    }
}

/// The consumers of every custodian: one that forgets, one that hands out.
pub fn consumers(privacy: &Privacy) -> Vec<Arc<dyn Consumer>> {
    let (receipts, gathering): (Arc<dyn Receipts>, Arc<dyn Gathering>) =
        (Arc::new(privacy.clone()), Arc::new(privacy.clone()));
    let all = privacy.custodians().into_iter();
    all.flat_map(|custodian| {
        [
            custody::eraser(custodian.clone(), Some(receipts.clone())),
            custody::exporter(custodian, gathering.clone()),
        ]
    })
    .collect()
}
