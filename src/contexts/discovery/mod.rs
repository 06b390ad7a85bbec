//! Discovery: search that forgives, recommendations that explain themselves.
//!
//! **Owns** which things can be found and how far the indexes are with them, what people did with results,
//! and who was told of which gig; schema `discovery`.
//!
//! **Emits** `match.found` (a gig that fits somebody) and `recommendation.*` (what people did with results).
//!
//! **Never touches** the things themselves: they are read through other contexts' front doors ([`Truth`]),
//! words and vectors are kept by [`crate::ports::text`] and [`crate::ports::vectors`].
//!
//! # From an event to a hit
//! ```text
//! event ─▶ documents (stamp + 1) ─▶ indexer ─▶ text index, vector store   (at that stamp)
//!   ╰────▶ matchings ─▶ who can do it ─▶ match.found ─▶ user:<id>
//!
//! query ─▶ text ─╮
//!   ╰──▶ vectors ┴─▶ fusion ─▶ the truth again (public? blocked?) ─▶ features, diversity, reasons
//! ```
//! The stamp is the revision in both indexes, so a write that comes late loses. What is not public any more
//! is withdrawn, and no hit is shown that the truth does not confirm at that moment.

mod caching;
mod consumers;
mod contexts;
mod custody;
mod error;
mod events;
mod forms;
pub mod handlers;
mod metrics;
pub mod model;
mod service;
mod store;
mod truth;
mod views;

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

pub use consumers::consumers;
pub use contexts::Contexts;
pub use error::DiscoveryError;
pub use events::MATCH_FOUND;
pub use forms::{FeedbackForm, FeedbackItem, SearchForm};
pub use handlers::api;
pub use metrics::DiscoveryMetrics;
pub use model::{Deed, Kind};
pub use service::{Drift, Filled, Gap, Goal, document_of, words_of};
pub use truth::{Seeker, Source, Truth};
pub use views::{FoundView, HighlightView, ResultView, SuggestionsView};

pub use model::weights::{BadWeights, Weights};

use crate::{
    clock::Clock,
    ports::{cache::Cache, embed::Embedder, text::TextIndex, vectors::VectorStore},
    postgres::{Conn, Database},
    realtime::Veils,
    signing::Signer,
};

/// What discovery is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// Words.
    pub text: TextIndex,
    /// Vectors.
    pub vectors: VectorStore,
    /// What makes vectors.
    pub embedder: Embedder,
    /// Other models that can still be asked: while a new one fills its vectors, searches use the old.
    pub others: Vec<Embedder>,
    /// The things themselves.
    pub truth: Arc<dyn Truth>,
    /// Who has blocked whom.
    pub veils: Arc<dyn Veils>,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// What results are ordered by.
    pub weights: Weights,
    /// What is counted.
    pub metrics: DiscoveryMetrics,
}

/// The context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Discovery {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    cache: OnceLock<Cache>,
    taxonomy: service::Known,
    turns: service::Turns,
    /// Woken when there is something to index.
    indexing: Notify,
    /// Woken when a gig was posted.
    matching: Notify,
}

impl Discovery {
    /// Sets the context up; nothing runs by itself. The server runs [`Discovery::run_indexer`] and
    /// [`Discovery::run_matching`].
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            turns: service::Turns::over(parts.database.most_connections()),
            parts,
            cache: OnceLock::new(),
            taxonomy: service::Known::default(),
            indexing: Notify::new(),
            matching: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Recommendations go through that cache; a second call changes nothing.
    pub fn cache_by(&self, cache: Cache) {
        let _ = self.inner.cache.set(cache);
    }

    fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    fn truth(&self) -> &dyn Truth {
        &*self.inner.parts.truth
    }

    fn weights(&self) -> &Weights {
        &self.inner.parts.weights
    }

    async fn conn(&self) -> Result<Conn, DiscoveryError> {
        Ok(self.inner.parts.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.parts.clock.now()
    }
}
