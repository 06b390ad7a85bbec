//! Making the indexes anew from the truth, and finding where they differ from it.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    indexing::{document_of, words_of},
    models::vectors_by,
};
use crate::{
    contexts::discovery::{Discovery, DiscoveryError, Kind, Source, store},
    ports::{text::Document, vectors::Collection},
};

/// Ids read at once.
const PAGE: usize = 500;
/// Documents written at once.
const PART: usize = 100;
/// Of so many that have no vector it is asked whether they have any words.
const ASKED: usize = 2_000;

/// Told of each step: the index, how many documents are in it, and about how many there will be.
pub type Progress<'a> = &'a (dyn Fn(&str, u64, u64) + Sync);

/// An index that was made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// Of what.
    pub kind: Kind,
    /// How many documents it has.
    pub documents: u64,
}

/// Where an index differs from the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Of what.
    pub kind: Kind,
    /// `text` or `vectors`.
    pub index: &'static str,
    /// How many there should be.
    pub wanted: usize,
    /// Should be there and are not.
    pub missing: usize,
    /// Are not there, and need not be: no word of theirs means anything to the model, or it refuses them.
    pub wordless: usize,
    /// Are there and should not be.
    pub extra: usize,
    /// Are there as they were before a change.
    pub stale: usize,
    /// Documents that wait to be written: differences that will go by themselves.
    pub waiting: i64,
}

impl Drift {
    /// Whether somebody has to do something.
    pub fn is_drift(&self) -> bool {
        let waiting = usize::try_from(self.waiting).unwrap_or(0);
        self.missing + self.extra + self.stale > waiting
    }
}

impl Discovery {
    /// Makes the text index of every kind anew beside the one that searches use, and swaps them.
    ///
    /// # Errors
    /// A store's or the truth's; the index that was there stays then.
    pub async fn rebuild_text(&self, progress: Progress<'_>) -> Result<Vec<Filled>, DiscoveryError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let text = &self.parts().text;
            text.ready(kind.index()).await?;
            let build = text.begin_rebuild(kind.index()).await?;
            let fill = async |sources: Vec<(Source, i64)>| {
                let documents: Vec<Document> =
                    sources.iter().map(|(source, stamp)| document_of(source, *stamp)).collect();
                Ok::<_, DiscoveryError>(text.fill(&build, &documents).await?)
            };
            match self.walk(*kind, progress, fill).await {
                Ok(documents) => {
                    text.swap(&build).await?;
                    all.push(Filled { kind: *kind, documents });
                }
                Err(error) => {
                    text.abandon(&build).await?;
                    return Err(error);
                }
            }
        }
        Ok(all)
    }

    /// Makes the vectors of every kind anew in a version beside the one that searches use, and promotes it.
    ///
    /// # Errors
    /// As [`Discovery::rebuild_text`].
    pub async fn rebuild_vectors(&self, progress: Progress<'_>) -> Result<Vec<Filled>, DiscoveryError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let vectors = &self.parts().vectors;
            let model = self.parts().embedder.model();
            let versions = vectors.versions(kind.index()).await?;
            let of_model =
                versions.iter().filter(|one| one.model == model.name && one.dimension == model.dimension);
            let last = of_model.map(|one| one.build).max();
            let new = Collection::new(kind.index(), model.name.clone(), model.dimension);
            let new = last.map_or(new.clone(), |last| new.next(last + 1));
            vectors.ready(&new).await?;
            let fill = async |sources: Vec<(Source, i64)>| {
                let sources: Vec<(&Source, i64)> =
                    sources.iter().map(|(source, stamp)| (source, *stamp)).collect();
                self.write_points(&new, &sources).await
            };
            match self.walk(*kind, progress, fill).await {
                Ok(documents) => {
                    vectors.promote(&new).await?;
                    all.push(Filled { kind: *kind, documents });
                    for old in versions {
                        vectors.remove(&old).await?;
                    }
                }
                Err(error) => {
                    vectors.remove(&new).await?;
                    return Err(error);
                }
            }
        }
        Ok(all)
    }

    /// Hands everything of a kind that can be found to `take`, with its stamp, in parts; how much there was.
    async fn walk(
        &self,
        kind: Kind,
        progress: Progress<'_>,
        take: impl AsyncFn(Vec<(Source, i64)>) -> Result<(), DiscoveryError>,
    ) -> Result<u64, DiscoveryError> {
        let (mut after, mut done, mut seen) = (None, 0_u64, 0_u64);
        loop {
            let ids = self.truth().ids(kind, after, PAGE).await?;
            let Some(last) = ids.last().copied() else { return Ok(done) };
            seen += ids.len() as u64;
            for part in ids.chunks(PART) {
                // Before the truth is read: what changes after that has a higher stamp.
                let stamps = self.stamps(kind, part).await?;
                let sources = self.truth().load(kind, part.to_vec()).await?;
                let sources: Vec<(Source, i64)> = sources
                    .into_iter()
                    .map(|source| {
                        let stamp = stamps.get(&source.id).copied().unwrap_or(1);
                        (source, stamp)
                    })
                    .collect();
                done += sources.len() as u64;
                take(sources).await?;
                progress(kind.index(), done, seen.max(done));
            }
            after = Some(last);
        }
    }

    async fn stamps(&self, kind: Kind, ids: &[Uuid]) -> Result<HashMap<Uuid, i64>, DiscoveryError> {
        let mut conn = self.conn().await?;
        store::documents::adopt(&mut conn, kind, ids, self.now()).await?;
        Ok(store::documents::stamps(&mut conn, kind, ids).await?.into_iter().collect())
    }

    /// Where the indexes differ from the truth.
    ///
    /// # Errors
    /// A store's or the truth's.
    pub async fn drift(&self) -> Result<Vec<Drift>, DiscoveryError> {
        let mut all = Vec::new();
        for kind in Kind::ALL {
            let mut wanted: HashMap<Uuid, i64> = HashMap::new();
            let mut after = None;
            loop {
                let ids = self.truth().ids(*kind, after, PAGE).await?;
                let Some(last) = ids.last().copied() else { break };
                let stamps = store::documents::stamps(&mut *self.conn().await?, *kind, &ids).await?;
                wanted.extend(ids.into_iter().map(|id| (id, 0)));
                wanted.extend(stamps);
                after = Some(last);
            }
            let model = &self.parts().embedder.model().name;
            let waiting = store::documents::progress(&mut *self.conn().await?, *kind, model).await?.waiting;
            let text = self.parts().text.clone();
            let there = pages(async |after| Ok(text.ids(kind.index(), after, PAGE).await?)).await?;
            all.push(compared(*kind, "text", &wanted, &there, waiting));
            let there = match self.parts().vectors.live(kind.index()).await? {
                Some(live) => {
                    let vectors = self.parts().vectors.clone();
                    pages(async |after| Ok(vectors.ids(&live, after, PAGE).await?)).await?
                }
                None => HashMap::new(),
            };
            let mut found = compared(*kind, "vectors", &wanted, &there, waiting);
            if found.missing > 0 {
                let missing =
                    wanted.keys().filter(|id| !there.contains_key(id)).copied().take(ASKED).collect();
                found.wordless = self.wordless(*kind, missing).await?;
                found.missing -= found.wordless.min(found.missing);
            }
            all.push(found);
        }
        Ok(all)
    }

    /// How many of these have no vector since no word of theirs means anything, or the model refuses them.
    async fn wordless(&self, kind: Kind, ids: Vec<Uuid>) -> Result<usize, DiscoveryError> {
        let mut count = 0;
        for part in ids.chunks(PART) {
            let texts: Vec<String> =
                self.truth().load(kind, part.to_vec()).await?.iter().map(words_of).collect();
            if texts.is_empty() {
                continue;
            }
            // Without the model nobody can say: they count as missing.
            let Ok(vectors) = vectors_by(&self.parts().embedder, &texts).await else { return Ok(count) };
            count += vectors.iter().flatten().filter(|vector| vector.iter().all(|x| *x == 0.0)).count();
            count += vectors.iter().filter(|vector| vector.is_none()).count();
        }
        Ok(count)
    }
}

async fn pages(
    read: impl AsyncFn(Option<Uuid>) -> Result<Vec<(Uuid, i64)>, DiscoveryError>,
) -> Result<HashMap<Uuid, i64>, DiscoveryError> {
    let (mut all, mut after) = (HashMap::new(), None);
    loop {
        let page = read(after).await?;
        let Some((last, _)) = page.last().copied() else { return Ok(all) };
        all.extend(page);
        after = Some(last);
    }
}

fn compared(
    kind: Kind,
    index: &'static str,
    wanted: &HashMap<Uuid, i64>,
    there: &HashMap<Uuid, i64>,
    waiting: i64,
) -> Drift {
    let missing = wanted.keys().filter(|id| !there.contains_key(id)).count();
    let extra = there.keys().filter(|id| !wanted.contains_key(id)).count();
    let stale =
        there.iter().filter(|(id, revision)| wanted.get(id).is_some_and(|stamp| *revision < stamp)).count();
    Drift { kind, index, wanted: wanted.len(), missing, wordless: 0, extra, stale, waiting }
}
