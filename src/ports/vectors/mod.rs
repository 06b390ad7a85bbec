//! Vectors by likeness.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | `PgVectors` | by default | tables of its own in the relational store: `pgvector` with HNSW, or exact scans where the server lacks the extension |
//! | `Qdrant` | `QDRANT_URL` | a collection a version, an alias to the one that is live |
//!
//! # Versions
//! A [`Collection`] is one *version* of what its name stands for: made by one model, in one build. Several
//! are side by side; [`VectorStore::live`] names the one that searches use. A change of model, or a rebuild,
//! fills a version beside the live one and then promotes it, so that searches never see a half.
//! Writers write to every version of their model that there is ([`VectorStore::versions`]).
//!
//! # Revisions
//! Each point has a revision of its source. Of two writes to one point the one of the higher revision
//! counts, whichever comes first; a deletion too has a revision, is remembered, and at the same revision
//! wins over an upsert. So events may come twice, late, or in any order.

#[cfg(test)]
pub(crate) mod contract;
mod postgres;
mod qdrant;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use uuid::Uuid;

pub(crate) use postgres::PgVectors;
pub(crate) use qdrant::Qdrant;

use super::{
    Store, StoreStatus,
    attributes::{Attributes, Filter, LAST_REVISION},
};
use crate::error::ErrorKind;

/// How long a node may still search the version that was live before.
pub const LIVE_FOR: Duration = Duration::from_secs(1);
/// The longest answer of [`VectorStore::nearest`] and [`VectorStore::ids`].
pub const MOST: usize = 1_000;

/// One version of a named set of points.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Collection {
    /// What it is about: `gigs`, `courses`, `people`, `mentors`. Lower-case letters, digits and `_`, up to 40.
    pub name: String,
    /// The model that made the vectors, with its version.
    pub model: String,
    /// Numbers in a vector, up to 2,000.
    pub dimension: usize,
    /// Tells versions of one model apart; grows.
    pub build: i64,
}

impl Collection {
    /// The first version by a model.
    pub fn new(name: impl Into<String>, model: impl Into<String>, dimension: usize) -> Self {
        Self { name: name.into(), model: model.into(), dimension, build: 0 }
    }

    /// A later version by the same model.
    pub fn next(&self, build: i64) -> Self {
        Self { build, ..self.clone() }
    }
}

impl std::fmt::Display for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {} ({}), build {}", self.name, self.model, self.dimension, self.build)
    }
}

/// A vector with what is known of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The source's id, and the point's.
    pub id: Uuid,
    /// The source's revision, 0 to [`LAST_REVISION`].
    pub revision: i64,
    /// As many finite numbers as the collection's dimension, not all zero. Its length does not matter.
    pub vector: Vec<f32>,
    /// What searches filter by.
    pub payload: Attributes,
}

/// Something near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Which point.
    pub id: Uuid,
    /// The cosine of the angle between the two, -1 to 1.
    pub score: f32,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VectorError {
    /// The store does not answer, or is overloaded. A write may or may not have been done; doing it again
    /// does no harm.
    #[error("the vector store does not answer: {0}")]
    Unavailable(String),
    /// A vector of another length than the collection's.
    #[error("a vector has {found} dimensions, and its collection {wanted}")]
    Dimension {
        /// The collection's.
        wanted: usize,
        /// The vector's.
        found: usize,
    },
    /// There is no such version: [`VectorStore::ready`] makes it.
    #[error("there is no such collection: {0}")]
    Missing(String),
    /// What was asked can never be done.
    #[error("not a valid request to the vector store: {0}")]
    Invalid(String),
    /// It was refused, and will be again.
    #[error("the vector store refuses: {0}")]
    Failed(String),
}

impl VectorError {
    /// What it means to a caller.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Dimension { .. } | Self::Missing(_) | Self::Invalid(_) | Self::Failed(_) => {
                ErrorKind::Internal
            }
        }
    }

    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// What a call answers.
pub type Answer<T> = Result<T, VectorError>;

/// Where vectors are kept. Callers use [`VectorStore`], which checks what it passes on.
#[async_trait]
pub(crate) trait Vectors: Send + Sync {
    async fn ready(&self, c: &Collection) -> Answer<()>;
    async fn upsert(&self, c: &Collection, points: &[Point]) -> Answer<()>;
    async fn delete(&self, c: &Collection, ids: &[(Uuid, i64)]) -> Answer<()>;
    async fn nearest(
        &self,
        c: &Collection,
        vector: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Answer<Vec<Hit>>;
    async fn vector_of(&self, c: &Collection, ids: &[Uuid]) -> Answer<Vec<(Uuid, Vec<f32>)>>;
    async fn count(&self, c: &Collection) -> Answer<u64>;
    async fn ids(&self, c: &Collection, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>>;
    async fn promote(&self, c: &Collection) -> Answer<()>;
    async fn live(&self, name: &str) -> Answer<Option<Collection>>;
    async fn versions(&self, name: &str) -> Answer<Vec<Collection>>;
    async fn remove(&self, c: &Collection) -> Answer<()>;
    async fn status(&self) -> StoreStatus;
}

/// Which version of an index searches use, and since when that is known.
type Live = HashMap<String, (Instant, Option<Collection>)>;

/// The vector store. Cheap to clone.
#[derive(Clone)]
pub struct VectorStore {
    adapter: Arc<dyn Vectors>,
    live: Arc<Mutex<Live>>,
}

impl VectorStore {
    pub(crate) fn over(adapter: impl Vectors + 'static) -> Self {
        Self { adapter: Arc::new(adapter), live: Arc::default() }
    }

    /// Makes a version, if it is missing. It is not live by that.
    ///
    /// # Errors
    /// [`VectorError`]; every method's.
    pub async fn ready(&self, collection: &Collection) -> Answer<()> {
        well_named(collection)?;
        self.adapter.ready(collection).await
    }

    /// Writes points, each id at most once; those of an older revision than what is there are left out.
    /// Once this returns, searches see them.
    ///
    /// # Errors
    /// Past [`VectorError::Unavailable`] some may be written.
    pub async fn upsert(&self, collection: &Collection, points: &[Point]) -> Answer<()> {
        for point in points {
            fitting(collection, &point.vector)?;
            revised(point.revision)?;
            if point.payload.words().any(|word| word.contains('\0')) {
                return Err(VectorError::Invalid("a NUL character".into()));
            }
        }
        if points.is_empty() { Ok(()) } else { self.adapter.upsert(collection, points).await }
    }

    /// Deletes points, each id at most once, at a revision; those of a newer revision stay.
    ///
    /// # Errors
    /// As [`VectorStore::upsert`].
    pub async fn delete(&self, collection: &Collection, ids: &[(Uuid, i64)]) -> Answer<()> {
        ids.iter().try_for_each(|(_, revision)| revised(*revision))?;
        if ids.is_empty() { Ok(()) } else { self.adapter.delete(collection, ids).await }
    }

    /// The nearest points that the filter accepts, nearest first; up to [`MOST`]. Approximate where there is
    /// an index.
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn nearest(
        &self,
        collection: &Collection,
        vector: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Answer<Vec<Hit>> {
        fitting(collection, vector)?;
        if limit == 0 || filter.is_hopeless() || filter.words().any(|word| word.contains('\0')) {
            return Ok(Vec::new());
        }
        self.adapter.nearest(collection, vector, filter, limit.min(MOST)).await
    }

    /// The vectors of these points, as far as they are there: of unit length, in no order.
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn vector_of(&self, collection: &Collection, ids: &[Uuid]) -> Answer<Vec<(Uuid, Vec<f32>)>> {
        if ids.is_empty() { Ok(Vec::new()) } else { self.adapter.vector_of(collection, ids).await }
    }

    /// How many points there are.
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn count(&self, collection: &Collection) -> Answer<u64> {
        self.adapter.count(collection).await
    }

    /// Points with their revisions, by ascending id, after one; up to [`MOST`].
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn ids(
        &self,
        collection: &Collection,
        after: Option<Uuid>,
        limit: usize,
    ) -> Answer<Vec<(Uuid, i64)>> {
        self.adapter.ids(collection, after, limit.min(MOST)).await
    }

    /// Makes a version the one that searches use, at one moment. Other nodes follow within [`LIVE_FOR`].
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn promote(&self, collection: &Collection) -> Answer<()> {
        self.adapter.promote(collection).await?;
        self.forget(&collection.name);
        Ok(())
    }

    /// The version that searches use; as of a moment within [`LIVE_FOR`].
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn live(&self, name: &str) -> Answer<Option<Collection>> {
        if let Some((at, found)) = self.known().get(name)
            && at.elapsed() < LIVE_FOR
        {
            return Ok(found.clone());
        }
        let asked = Instant::now();
        let found = self.adapter.live(name).await?;
        self.known().insert(name.to_owned(), (asked, found.clone()));
        Ok(found)
    }

    /// Every version there is, live or being filled.
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn versions(&self, name: &str) -> Answer<Vec<Collection>> {
        self.adapter.versions(name).await
    }

    /// Removes a version. One that is missing is no error; the one that is live is refused.
    ///
    /// # Errors
    /// See [`VectorError`].
    pub async fn remove(&self, collection: &Collection) -> Answer<()> {
        if self.adapter.live(&collection.name).await?.as_ref() == Some(collection) {
            return Err(VectorError::Invalid("searches use it".into()));
        }
        self.adapter.remove(collection).await
    }

    fn forget(&self, name: &str) {
        self.known().remove(name);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<Collection>)>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for VectorStore {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(self.adapter.status())
    }

    fn required(&self) -> bool {
        false
    }
}

fn well_named(c: &Collection) -> Answer<()> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if c.name.is_empty() || c.name.len() > 40 || !c.name.bytes().all(plain) {
        return Err(VectorError::Invalid(format!("a collection cannot be named {:?}", c.name)));
    }
    if c.model.is_empty() || c.model.len() > 120 || c.model.contains('\0') {
        return Err(VectorError::Invalid("a model's name has 1 to 120 bytes".into()));
    }
    if !(1..=2_000).contains(&c.dimension) || c.build < 0 {
        return Err(VectorError::Invalid("a vector has 1 to 2,000 dimensions".into()));
    }
    Ok(())
}

fn fitting(c: &Collection, vector: &[f32]) -> Answer<()> {
    if vector.len() != c.dimension {
        return Err(VectorError::Dimension { wanted: c.dimension, found: vector.len() });
    }
    if !vector.iter().all(|x| x.is_finite()) || vector.iter().all(|x| *x == 0.0) {
        return Err(VectorError::Invalid("a vector has no direction".into()));
    }
    Ok(())
}

fn revised(revision: i64) -> Answer<()> {
    if (0..=LAST_REVISION).contains(&revision) {
        Ok(())
    } else {
        Err(VectorError::Invalid(format!("a revision is between 0 and 2^53, not {revision}")))
    }
}
