//! Words: search that forgives typing mistakes, suggestions, facets, highlights.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | `PgText` | by default | tables of its own in the relational store: full text with weights, `unaccent` and `pg_trgm` where the server has them |
//! | `Meilisearch` | `MEILI_URL` | an index a name, settings as code |
//!
//! Whatever a person types is a valid query; the most that can happen is that nothing is found.
//!
//! # Revisions
//! As with [vectors](super::vectors): of two writes to one document the one of the higher revision counts,
//! whichever comes first; at the same revision a deletion wins.
//!
//! # Rebuilds
//! [`TextIndex::begin_rebuild`] makes an empty index beside the one that searches use; from then on writes
//! go to both. [`TextIndex::fill`] fills it from the truth, [`TextIndex::swap`] exchanges the two at one
//! moment and drops the old.

#[cfg(test)]
pub(crate) mod contract;
mod highlight;
mod meili;
mod postgres;
mod synonyms;
mod words;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use highlight::Highlighted;
pub(crate) use meili::Meilisearch;
pub(crate) use postgres::PgText;

use super::{
    Store, StoreStatus,
    attributes::{Attributes, Filter, LAST_REVISION},
};
use crate::error::ErrorKind;

/// So much of a query's text is read, in characters; the rest is left out.
pub const READ: usize = 300;
/// So many words of a query count.
pub const WORDS: usize = 16;
/// The longest answer of [`TextIndex::search`] and [`TextIndex::ids`].
pub const MOST: usize = 1_000;
/// Results past this one cannot be paged to.
pub const DEEPEST: usize = 10_000;

/// Something that can be found by its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The source's id.
    pub id: Uuid,
    /// The source's revision, 0 to [`LAST_REVISION`].
    pub revision: i64,
    /// Weighs most. Up to 500 characters are read.
    pub title: String,
    /// Weigh less than the title and more than the body: names of skills, a category. Up to 100 are read.
    pub keywords: Vec<String>,
    /// Plain text. Up to 50,000 characters are read.
    pub body: String,
    /// What searches filter, sort and count by.
    pub attributes: Attributes,
}

/// A question.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// What was typed: anything. Empty finds everything that the filter accepts; what has no word in it, nothing.
    pub text: String,
    /// What is demanded.
    pub filter: Filter,
    /// What is to be counted.
    pub facets: Vec<Facet>,
    /// The order.
    pub sort: Sort,
    /// So many are left out.
    pub offset: usize,
    /// So many are wanted, up to [`MOST`].
    pub limit: usize,
}

/// What documents are counted by.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    /// Each skill.
    Skills,
    /// Each language.
    Languages,
    /// Each level.
    Level,
    /// `true` and `false`.
    Remote,
    /// Each tag.
    Tags,
    /// Each currency.
    Currency,
}

impl Facet {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Skills, Self::Languages, Self::Level, Self::Remote, Self::Tags, Self::Currency];

    /// The attribute's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skills => "skills",
            Self::Languages => "languages",
            Self::Level => "level",
            Self::Remote => "remote",
            Self::Tags => "tags",
            Self::Currency => "currency",
        }
    }
}

/// The order of results. What does not say comes last; equals go by relevance, then by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// The best match first; without words, the newest.
    #[default]
    Relevance,
    /// By `fresh_at`, the latest first.
    Newest,
    /// By `budget_minor`, the highest first.
    BudgetHigh,
    /// By `budget_minor`, the lowest first.
    BudgetLow,
    /// By `rating_milli`, the highest first.
    Rating,
    /// By `starts_at`, the earliest first.
    Soonest,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// In the query's order.
    pub hits: Vec<TextHit>,
    /// How many there are in all.
    pub total: u64,
    /// Whether `total` is an estimate, or a bound that counting stopped at.
    pub estimated: bool,
    /// For each facet asked for its values by count, the most frequent first; up to 50 of each.
    pub facets: BTreeMap<Facet, Vec<(String, u64)>>,
    /// What may have been meant, where a word is unknown and one like it is known.
    pub did_you_mean: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub struct TextHit {
    /// Which document.
    pub id: Uuid,
    /// How well it matches, 0 to 1; comparable within one adapter.
    pub score: f32,
    /// Its title.
    pub title: Highlighted,
    /// A piece of its body around what matches.
    pub snippet: Highlighted,
    /// Whether it has every word as typed or a form of it: no synonym, nothing left out, nothing forgiven.
    pub whole: bool,
}

/// An index that is being filled beside the one that searches use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// The index's name.
    pub index: String,
    pub(crate) number: i64,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The store does not answer, or is overloaded. A write may or may not have been done; doing it again
    /// does no harm.
    #[error("the text index does not answer: {0}")]
    Unavailable(String),
    /// There is no such index, or the build is no more.
    #[error("there is no such index: {0}")]
    Missing(String),
    /// What was asked can never be done.
    #[error("not a valid request to the text index: {0}")]
    Invalid(String),
    /// It was refused, and will be again.
    #[error("the text index refuses: {0}")]
    Failed(String),
}

impl TextError {
    /// What it means to a caller.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            // What a server lost is there again after a rebuild.
            Self::Unavailable(_) | Self::Missing(_) => ErrorKind::Unavailable,
            Self::Invalid(_) | Self::Failed(_) => ErrorKind::Internal,
        }
    }

    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// What a call answers.
pub type Answer<T> = Result<T, TextError>;

/// Where words are kept. Callers use [`TextIndex`], which checks what it passes on.
#[async_trait]
pub(crate) trait Texts: Send + Sync {
    async fn ready(&self, index: &str) -> Answer<()>;
    async fn upsert(&self, index: &str, documents: &[Document]) -> Answer<()>;
    async fn delete(&self, index: &str, ids: &[(Uuid, i64)]) -> Answer<()>;
    async fn search(&self, index: &str, query: &Query) -> Answer<Found>;
    async fn suggest(&self, index: &str, prefix: &str, limit: usize) -> Answer<Vec<String>>;
    async fn count(&self, index: &str) -> Answer<u64>;
    async fn ids(&self, index: &str, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>>;
    async fn begin_rebuild(&self, index: &str) -> Answer<Build>;
    async fn fill(&self, build: &Build, documents: &[Document]) -> Answer<()>;
    async fn swap(&self, build: &Build) -> Answer<()>;
    async fn abandon(&self, build: &Build) -> Answer<()>;
    /// Only a server has clients of its own.
    async fn tenant_token(&self, _: &[&str], _: &Filter, _: DateTime<Utc>) -> Answer<Option<String>> {
        Ok(None)
    }
    async fn status(&self) -> StoreStatus;
}

/// The text index. Cheap to clone.
#[derive(Clone)]
pub struct TextIndex {
    adapter: Arc<dyn Texts>,
}

impl TextIndex {
    pub(crate) fn over(adapter: impl Texts + 'static) -> Self {
        Self { adapter: Arc::new(adapter) }
    }

    /// Makes an index if it is missing, and sees to its settings. Names are lower-case letters, digits and
    /// `_`, up to 40.
    ///
    /// # Errors
    /// [`TextError`]; every method's.
    pub async fn ready(&self, index: &str) -> Answer<()> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if index.is_empty() || index.len() > 40 || !index.bytes().all(plain) {
            return Err(TextError::Invalid(format!("an index cannot be named {index:?}")));
        }
        self.adapter.ready(index).await
    }

    /// Writes documents, each id at most once; those of an older revision than what is there are left out.
    /// Once this returns, searches see them.
    ///
    /// # Errors
    /// Past [`TextError::Unavailable`] some may be written.
    pub async fn upsert(&self, index: &str, documents: &[Document]) -> Answer<()> {
        documents.iter().try_for_each(sound)?;
        if documents.is_empty() { Ok(()) } else { self.adapter.upsert(index, documents).await }
    }

    /// Deletes documents, each id at most once, at a revision; those of a newer revision stay.
    ///
    /// # Errors
    /// As [`TextIndex::upsert`].
    pub async fn delete(&self, index: &str, ids: &[(Uuid, i64)]) -> Answer<()> {
        ids.iter().try_for_each(|(_, revision)| revised(*revision))?;
        if ids.is_empty() { Ok(()) } else { self.adapter.delete(index, ids).await }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// See [`TextError`]; never for what was typed.
    pub async fn search(&self, index: &str, query: &Query) -> Answer<Found> {
        if unmeetable(&query.filter) || speechless(&query.text) {
            return Ok(Found::default());
        }
        self.adapter.search(index, &bounded(query)).await
    }

    /// Titles and keywords that begin as this does, or have a word that does; up to 20, the best first.
    ///
    /// # Errors
    /// See [`TextError`].
    pub async fn suggest(&self, index: &str, prefix: &str, limit: usize) -> Answer<Vec<String>> {
        let prefix = read(prefix);
        if words::words(&prefix).is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        self.adapter.suggest(index, &prefix, limit.min(20)).await
    }

    /// How many documents there are.
    ///
    /// # Errors
    /// See [`TextError`].
    pub async fn count(&self, index: &str) -> Answer<u64> {
        self.adapter.count(index).await
    }

    /// Documents with their revisions, by ascending id, after one; up to [`MOST`].
    ///
    /// # Errors
    /// See [`TextError`].
    pub async fn ids(&self, index: &str, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>> {
        self.adapter.ids(index, after, limit.min(MOST)).await
    }

    /// Makes an empty index beside the one that searches use. One that was begun before is dropped.
    ///
    /// # Errors
    /// See [`TextError`].
    pub async fn begin_rebuild(&self, index: &str) -> Answer<Build> {
        self.adapter.begin_rebuild(index).await
    }

    /// Writes documents to the new index, as [`TextIndex::upsert`] does.
    ///
    /// # Errors
    /// [`TextError::Missing`] where another rebuild has begun since.
    pub async fn fill(&self, build: &Build, documents: &[Document]) -> Answer<()> {
        documents.iter().try_for_each(sound)?;
        if documents.is_empty() { Ok(()) } else { self.adapter.fill(build, documents).await }
    }

    /// Lets searches use the new index, at one moment, and drops the old.
    ///
    /// # Errors
    /// As [`TextIndex::fill`].
    pub async fn swap(&self, build: &Build) -> Answer<()> {
        self.adapter.swap(build).await
    }

    /// Drops the new index.
    ///
    /// # Errors
    /// See [`TextError`].
    pub async fn abandon(&self, build: &Build) -> Answer<()> {
        self.adapter.abandon(build).await
    }

    /// A token by which a client may ask the server itself: in these indexes, for what the filter accepts, until
    /// a moment. `None` where there is no such server, or no `MEILI_SEARCH_KEY`.
    ///
    /// # Errors
    /// See [`TextError`].
    pub async fn tenant_token(
        &self,
        indexes: &[&str],
        filter: &Filter,
        until: DateTime<Utc>,
    ) -> Answer<Option<String>> {
        if unmeetable(filter) {
            return Ok(None);
        }
        self.adapter.tenant_token(indexes, filter, until).await
    }
}

impl Store for TextIndex {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(self.adapter.status())
    }

    fn required(&self) -> bool {
        false
    }
}

/// Whether something was typed, and no word is in it.
fn speechless(text: &str) -> bool {
    let text = read(text);
    !text.trim().is_empty() && words::words(&text).is_empty()
}

fn unmeetable(filter: &Filter) -> bool {
    filter.is_hopeless() || filter.words().any(|word| word.contains('\0'))
}

fn bounded(query: &Query) -> Query {
    Query {
        text: read(&query.text),
        limit: query.limit.min(MOST),
        offset: query.offset.min(DEEPEST),
        ..query.clone()
    }
}

/// What is read of what was typed: its first [`READ`] characters, control characters as spaces.
fn read(text: &str) -> String {
    text.chars().take(READ).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn sound(document: &Document) -> Answer<()> {
    revised(document.revision)?;
    if document.attributes.words().any(|word| word.contains('\0')) {
        return Err(TextError::Invalid("a NUL character".into()));
    }
    Ok(())
}

fn revised(revision: i64) -> Answer<()> {
    if (0..=LAST_REVISION).contains(&revision) {
        Ok(())
    } else {
        Err(TextError::Invalid(format!("a revision is between 0 and 2^53, not {revision}")))
    }
}
