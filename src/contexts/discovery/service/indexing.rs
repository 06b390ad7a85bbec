//! From documents that changed to both indexes.

use std::{collections::HashMap, time::Duration};

use serde_json::json;
use uuid::Uuid;

use super::models::vectors_by;
use crate::{
    contexts::discovery::{
        Discovery, DiscoveryError, Seeker, Source,
        consumers::DOCUMENTS,
        model::Kind,
        store::{
            self,
            documents::{Due, Index, Written},
        },
    },
    error::{ErrorKind, Fault},
    events::backlog,
    ports::{
        text::Document,
        vectors::{Collection, Point},
    },
    principal::UserId,
    telemetry::log,
};

/// Documents written at once.
const BATCH: i64 = 64;
/// Between two looks when nothing wakes the indexer.
const LOOK: Duration = Duration::from_secs(1);
/// How long what was just heard of is left to change again.
const SETTLE: Duration = Duration::from_millis(160);
/// The longest pause between two attempts.
const MOST: i64 = 300;
/// After so many attempts together each goes alone, whatever is said to be the matter: it may be one of them.
const TOGETHER: i32 = 3;
/// So long documents are tried alone in a round. The others wait meanwhile, and nobody holds these for ever.
const ALONE: Duration = Duration::from_secs(30);
/// So much of a document has a say in its vector, in characters.
const MEANT: usize = 4_000;

/// What the text index keeps.
pub fn document_of(source: &Source, stamp: i64) -> Document {
    Document {
        id: source.id,
        revision: stamp,
        title: source.title.clone(),
        keywords: source.keywords.clone(),
        body: source.body.clone(),
        attributes: source.attributes.clone(),
    }
}

/// The words that a vector is made of. A person's name means nothing.
pub fn words_of(source: &Source) -> String {
    let mut words = String::new();
    if !source.kind.is_somebody() {
        words.push_str(&source.title);
        words.push('\n');
    }
    words.push_str(&source.keywords.join(", "));
    words.push('\n');
    words.push_str(&source.body);
    words.chars().take(MEANT).collect()
}

impl Discovery {
    /// Writes to the indexes what changed, until the task is dropped; several may run, here and on other nodes.
    pub async fn run_indexer(self) {
        while let Err(error) = self.prepare().await {
            slog::warn!(log(), "the indexes are not ready"; "error" => %error);
            tokio::time::sleep(LOOK).await;
        }
        let mut minded = tokio::time::Instant::now();
        loop {
            match self.index_due().await {
                Ok(0) => {
                    if minded.elapsed() >= LOOK {
                        if let Err(error) = self.mind_models().await {
                            slog::warn!(log(), "the models of vectors cannot be compared"; "error" => %error);
                        }
                        minded = tokio::time::Instant::now();
                    }
                    if tokio::time::timeout(LOOK, self.inner.indexing.notified()).await.is_ok() {
                        tokio::time::sleep(SETTLE).await;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    slog::warn!(log(), "documents to index cannot be read"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Makes the indexes, and takes in what was there before discovery listened.
    ///
    /// # Errors
    /// A store's.
    pub async fn prepare(&self) -> Result<(), DiscoveryError> {
        for kind in Kind::ALL {
            self.parts().text.ready(kind.index()).await?;
        }
        // Before the models are looked at: what is not known of cannot be missed.
        if store::documents::state(&mut *self.conn().await?, "adopted").await?.is_none() {
            let found = self.adopt().await?;
            store::documents::set_state(&mut *self.conn().await?, "adopted", &found.to_string()).await?;
        }
        self.mind_models().await
    }

    /// Notes everything that can be found and is not known yet; how much.
    ///
    /// # Errors
    /// The truth's, or the database's.
    pub async fn adopt(&self) -> Result<usize, DiscoveryError> {
        let mut found = 0;
        for kind in Kind::ALL {
            let mut after = None;
            loop {
                let ids = self.truth().ids(*kind, after, 500).await?;
                let Some(last) = ids.last().copied() else { break };
                found += store::documents::adopt(&mut *self.conn().await?, *kind, &ids, self.now()).await?;
                after = Some(last);
            }
        }
        Ok(found)
    }

    /// Whether everything that was heard of is in the indexes; what cannot be written at present does not count.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_caught_up(&self) -> Result<bool, DiscoveryError> {
        let mut conn = self.conn().await?;
        let heard = backlog(&mut conn, DOCUMENTS).await? == 0;
        Ok(heard && !store::documents::waits(&mut conn).await?)
    }

    /// Writes what is due now, once over; how many documents there were.
    ///
    /// # Errors
    /// When they cannot be read. Those that cannot be written are put off, and told in the log.
    pub async fn index_due(&self) -> Result<usize, DiscoveryError> {
        let due = store::documents::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        let count = due.len();
        let mut by_kind: HashMap<Kind, Vec<Due>> = HashMap::new();
        for one in due {
            by_kind.entry(one.kind).or_default().push(one);
        }
        for (kind, due) in by_kind {
            let together = self.index(kind, &due).await;
            let done = match together {
                Ok(()) => due,
                Err(error) if is_one_of_them(&due, &error) => self.index_alone(kind, due, &error).await?,
                Err(error) => {
                    self.put_off(kind, &due, &error).await?;
                    Vec::new()
                }
            };
            if !done.is_empty() {
                self.indexed(kind, &done).await;
            }
        }
        Ok(count)
    }

    /// Writes each by itself, so that one that cannot be written holds back no other; those that were.
    async fn index_alone(
        &self,
        kind: Kind,
        mut due: Vec<Due>,
        together: &DiscoveryError,
    ) -> Result<Vec<Due>, DiscoveryError> {
        // Each attempt begins with another one: what costs all the time must not come first every time.
        let turns = due.iter().map(|one| one.attempts).max().and_then(|most| usize::try_from(most).ok());
        let first = turns.unwrap_or_default() % due.len().max(1);
        due.sort_unstable_by_key(|one| one.id);
        due.rotate_left(first);
        let until = tokio::time::Instant::now() + ALONE;
        let (mut done, mut late) = (Vec::new(), Vec::new());
        for one in due {
            if tokio::time::Instant::now() >= until {
                late.push(one);
                continue;
            }
            let alone = self.index(kind, std::slice::from_ref(&one)).await;
            match alone {
                Ok(()) => done.push(one),
                Err(error) => self.put_off(kind, &[one], &error).await?,
            }
        }
        if !late.is_empty() {
            self.put_off(kind, &late, together).await?;
        }
        Ok(done)
    }

    /// Counts what was written, and has recommendations worked out again.
    async fn indexed(&self, kind: Kind, done: &[Due]) {
        let count = u64::try_from(done.len()).unwrap_or(u64::MAX);
        self.parts().metrics.indexed.with_label_values(&[kind.as_str(), "written"]).inc_by(count);
        for one in done {
            let lag = (self.now() - one.since).to_std().unwrap_or_default();
            self.parts().metrics.lag_seconds.observe(lag.as_secs_f64());
        }
        self.forget_kind(kind).await;
    }

    /// Leaves for later what could not be written, and tells.
    async fn put_off(&self, kind: Kind, due: &[Due], error: &DiscoveryError) -> Result<(), DiscoveryError> {
        self.parts().metrics.indexed.with_label_values(&[kind.as_str(), "put_off"]).inc();
        let attempts = due.iter().map(|one| one.attempts).max().unwrap_or_default();
        let pause = (1_i64 << attempts.clamp(0, 10)).min(MOST);
        slog::warn!(log(), "documents could not be indexed and are put off";
            "kind" => kind.as_str(), "documents" => due.len(), "attempts" => attempts,
            "why" => error.kind().slug(), "error" => %error);
        let ids: Vec<Uuid> = due.iter().map(|one| one.id).collect();
        let until = self.now() + chrono::Duration::seconds(pause);
        let said = error.to_string();
        store::documents::put_off(&mut *self.conn().await?, kind, &ids, until, &said).await?;
        Ok(())
    }

    async fn index(&self, kind: Kind, due: &[Due]) -> Result<(), DiscoveryError> {
        let ids: Vec<Uuid> = due.iter().map(|one| one.id).collect();
        let found = self.truth().load(kind, ids).await?;
        let found: HashMap<Uuid, Source> = found.into_iter().map(|source| (source.id, source)).collect();
        if kind == Kind::Person {
            self.keep_seekers(due).await?;
        }
        let waiting = |done: fn(&Due) -> i64| due.iter().filter(move |one| done(one) < one.stamp);
        let text: Vec<&Due> = waiting(|one| one.text_done).collect();
        if !text.is_empty() {
            let there: Vec<Document> =
                text.iter().filter_map(|one| Some(document_of(found.get(&one.id)?, one.stamp))).collect();
            // What was withdrawn goes first: it does not wait for what cannot be written.
            self.parts().text.delete(kind.index(), &gone(&text, &found)).await?;
            self.parts().text.upsert(kind.index(), &there).await?;
            self.note(kind, Index::Text, None, &text, &found).await?;
        }
        let vectors: Vec<&Due> = waiting(|one| one.vector_done).collect();
        if !vectors.is_empty() {
            self.index_vectors(kind, &vectors, &found).await?;
        }
        Ok(())
    }

    async fn index_vectors(
        &self,
        kind: Kind,
        due: &[&Due],
        found: &HashMap<Uuid, Source>,
    ) -> Result<(), DiscoveryError> {
        let versions = self.parts().vectors.versions(kind.index()).await?;
        let there: Vec<(&Source, i64)> =
            due.iter().filter_map(|one| Some((found.get(&one.id)?, one.stamp))).collect();
        // First, since they need no model.
        let gone = gone(due, found);
        for version in &versions {
            self.parts().vectors.delete(version, &gone).await?;
        }
        // Also a version that another model made, as long as that model can be asked: searches still use it.
        for version in &versions {
            self.write_points(version, &there).await?;
        }
        let model = &self.parts().embedder.model().name;
        self.note(kind, Index::Vectors, Some(model), due, found).await
    }

    /// Writes the vectors of these sources to one version, if its model can be asked. What the model refuses has
    /// none, as what has no words.
    pub(super) async fn write_points(
        &self,
        version: &Collection,
        sources: &[(&Source, i64)],
    ) -> Result<(), DiscoveryError> {
        let Some(embedder) = self.embedder_of(version) else { return Ok(()) };
        if sources.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = sources.iter().map(|(source, _)| words_of(source)).collect();
        let vectors = vectors_by(embedder, &texts).await?;
        let mut points = Vec::with_capacity(sources.len());
        let mut wordless = Vec::new();
        for ((source, stamp), vector) in sources.iter().zip(vectors) {
            if vector.is_none() {
                slog::warn!(log(), "the embedding service refuses a document: it is found by its words alone";
                    "kind" => source.kind.as_str(), "id" => %source.id, "model" => &version.model);
            }
            match vector.filter(|vector| vector.iter().any(|x| *x != 0.0)) {
                // Near nothing: what was there of it before must not stay.
                None => wordless.push((source.id, *stamp)),
                Some(vector) => points.push(Point {
                    id: source.id,
                    revision: *stamp,
                    vector,
                    payload: source.attributes.clone(),
                }),
            }
        }
        self.parts().vectors.delete(version, &wordless).await?;
        self.parts().vectors.upsert(version, &points).await?;
        Ok(())
    }

    async fn note(
        &self,
        kind: Kind,
        index: Index,
        model: Option<&str>,
        due: &[&Due],
        found: &HashMap<Uuid, Source>,
    ) -> Result<(), DiscoveryError> {
        let facts = |source: &Source| json!({ "title": source.title, "skills": source.attributes.skills });
        let written =
            |one: &&Due| Written { id: one.id, stamp: one.stamp, attributes: found.get(&one.id).map(facts) };
        let all: Vec<Written> = due.iter().map(written).collect();
        store::documents::written(&mut *self.conn().await?, kind, index, model, &all, self.now()).await?;
        Ok(())
    }

    async fn keep_seekers(&self, due: &[Due]) -> Result<(), DiscoveryError> {
        for one in due {
            self.keep_seeker(one.id, one.stamp).await?;
        }
        Ok(())
    }

    /// Keeps what somebody can do, as it is now.
    pub(super) async fn keep_seeker(&self, user: Uuid, stamp: i64) -> Result<(), DiscoveryError> {
        let seeker = self.truth().seeker(UserId(user)).await?;
        let mut conn = self.conn().await?;
        match seeker {
            Some(Seeker { skills, busy, .. }) => {
                store::seekers::keep(&mut conn, user, stamp, &skills, busy, self.now()).await?;
            }
            None => store::seekers::forget(&mut conn, user).await?,
        }
        Ok(())
    }
}

/// Whether one of several may be what cannot be written. What a store or a model that is away says is of all.
fn is_one_of_them(due: &[Due], error: &DiscoveryError) -> bool {
    let away = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::RateLimited);
    // Whether a refusal is of one text was asked before it came to this.
    let of_all = matches!(error, DiscoveryError::Embed(error) if !error.is_transient());
    due.len() > 1 && !of_all && (!away || due.iter().any(|one| one.attempts >= TOGETHER))
}

fn gone(due: &[&Due], found: &HashMap<Uuid, Source>) -> Vec<(Uuid, i64)> {
    due.iter().filter(|one| !found.contains_key(&one.id)).map(|one| (one.id, one.stamp)).collect()
}
