//! Asking the indexes: by words, by meaning, by skills. One that is away is done without.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use crate::{
    contexts::discovery::{Discovery, DiscoveryError, Kind, Source, store},
    ports::{
        attributes::Filter,
        text::{Found, Query, Sort},
        vectors::Hit,
    },
    principal::UserId,
    telemetry::log,
};

/// Candidates of each list.
pub(super) const CANDIDATES: usize = 100;
/// What is less alike than this has nothing to do with it.
const LEAST: f32 = 0.2;

/// An answer without one of its sources.
pub(super) const NO_TEXT: &str = "text";
/// An answer without one of its sources.
pub(super) const NO_VECTORS: &str = "vectors";

impl Discovery {
    /// People whose things somebody is not shown, and who are not shown theirs.
    pub(super) fn hidden(&self, who: UserId) -> Arc<HashSet<UserId>> {
        self.parts().veils.hidden_from(who).unwrap_or_default()
    }

    /// Whether one of two people has blocked the other.
    pub(super) fn apart(&self, who: UserId, other: UserId) -> bool {
        who != other && (self.hidden(who).contains(&other) || self.hidden(other).contains(&who))
    }

    /// Everybody whom somebody blocked or who blocked them: what indexes count and suggest is without theirs.
    pub(super) fn apart_from(&self, who: UserId) -> Vec<Uuid> {
        let all = self.parts().veils.apart_from(who).into_iter();
        let mut apart: Vec<Uuid> = all.filter(|other| *other != who).map(|other| other.0).collect();
        apart.sort_unstable();
        apart.dedup();
        apart
    }

    /// By words.
    pub(super) async fn by_words(&self, kind: Kind, query: &Query) -> Result<Found, DiscoveryError> {
        let _turn = self.turn().await?;
        Ok(self.parts().text.search(kind.index(), query).await?)
    }

    /// By a filter alone, the newest first.
    pub(super) async fn by_filter(
        &self,
        kind: Kind,
        filter: Filter,
        limit: usize,
    ) -> Result<Vec<Uuid>, DiscoveryError> {
        let query = Query { filter, sort: Sort::Newest, limit, ..Query::default() };
        match self.by_words(kind, &query).await {
            Ok(found) => Ok(found.hits.into_iter().map(|hit| hit.id).collect()),
            Err(error) => {
                self.without(NO_TEXT, &error, error.is_transient());
                Ok(Vec::new())
            }
        }
    }

    /// The vector of a text, by the model of the version that searches use; `None` where it has no words, or no
    /// model or version can be asked.
    pub(super) async fn meaning(&self, kind: Kind, text: &str) -> Result<Option<Vec<f32>>, DiscoveryError> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        let live = {
            // Not while an endpoint makes the vector.
            let _turn = self.turn().await?;
            self.parts().vectors.live(kind.index()).await?
        };
        let Some(live) = live else { return Ok(None) };
        let Some(embedder) = self.embedder_of(&live) else {
            self.parts().metrics.degraded.with_label_values(&["model"]).inc();
            return Ok(None);
        };
        let vector = embedder.embed(&[text.to_owned()]).await?.pop();
        Ok(vector.filter(|vector| vector.iter().any(|x| *x != 0.0)))
    }

    /// By meaning; nothing where that cannot be asked now.
    pub(super) async fn by_meaning(
        &self,
        kind: Kind,
        text: &str,
        filter: &Filter,
        limit: usize,
    ) -> Result<Near, DiscoveryError> {
        let ask = async {
            let Some(vector) = self.meaning(kind, text).await? else { return Ok(Vec::new()) };
            self.near(kind, &vector, filter, limit).await
        };
        match ask.await {
            Ok(hits) => Ok(Near { hits, away: false }),
            Err(error) => {
                self.without(NO_VECTORS, &error, error.is_transient());
                Ok(Near { hits: Vec::new(), away: true })
            }
        }
    }

    /// What is near a vector of the version that searches use.
    pub(super) async fn near(
        &self,
        kind: Kind,
        vector: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Hit>, DiscoveryError> {
        let _turn = self.turn().await?;
        let Some(live) = self.parts().vectors.live(kind.index()).await? else { return Ok(Vec::new()) };
        // The live version may have become another one since the vector was made.
        if live.dimension != vector.len() {
            return Ok(Vec::new());
        }
        let mut hits = self.parts().vectors.nearest(&live, vector, filter, limit).await?;
        hits.retain(|hit| hit.score >= LEAST);
        Ok(hits)
    }

    /// The vectors of these, as far as they are there.
    pub(super) async fn vectors_of(&self, kind: Kind, ids: &[Uuid]) -> HashMap<Uuid, Vec<f32>> {
        let ask = async {
            let Some(live) = self.parts().vectors.live(kind.index()).await? else { return Ok(Vec::new()) };
            Ok::<_, DiscoveryError>(self.parts().vectors.vector_of(&live, ids).await?)
        };
        match ask.await {
            Ok(found) => found.into_iter().collect(),
            Err(error) => {
                slog::debug!(log(), "results are told apart by their skills"; "why" => %error);
                HashMap::new()
            }
        }
    }

    /// Counts and tells that one source is done without.
    pub(super) fn without(&self, source: &'static str, error: &impl std::fmt::Display, transient: bool) {
        self.parts().metrics.degraded.with_label_values(&[source]).inc();
        if transient {
            slog::debug!(log(), "answered without one of the sources"; "source" => source, "why" => %error);
        } else {
            slog::warn!(log(), "answered without one of the sources"; "source" => source, "why" => %error);
        }
    }

    /// Those of `ids` that everybody may see now and that this person is to be shown, by id.
    pub(super) async fn confirmed(
        &self,
        who: UserId,
        kind: Kind,
        ids: Vec<Uuid>,
    ) -> Result<HashMap<Uuid, Source>, DiscoveryError> {
        let found = self.truth().load(kind, ids).await?;
        let shown = |source: &Source| source.owner().is_none_or(|owner| !self.apart(who, owner));
        Ok(found.into_iter().filter(shown).map(|source| (source.id, source)).collect())
    }

    /// What somebody does not want to see again, and how many people looked at things.
    pub(super) async fn dismissed(&self, who: UserId, kind: Kind) -> Result<Vec<Uuid>, DiscoveryError> {
        Ok(store::feedback::dismissed(&mut *self.conn().await?, who.0, kind).await?)
    }

    /// How many people looked at these.
    pub(super) async fn popular(
        &self,
        kind: Kind,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, i64>, DiscoveryError> {
        Ok(store::feedback::popular(&mut *self.conn().await?, kind, ids).await?)
    }
}

/// What is near, and whether that could be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Near {
    /// The nearest first.
    pub hits: Vec<Hit>,
    /// Whether nobody could say.
    pub away: bool,
}

impl Near {
    /// Which ones.
    pub fn ids(&self) -> Vec<Uuid> {
        self.hits.iter().map(|hit| hit.id).collect()
    }
}
