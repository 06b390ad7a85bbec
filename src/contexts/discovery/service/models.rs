//! Which model made the vectors that searches use, and the change to another.
//!
//! A new model's version is filled beside the live one: every document's vector is marked as missing, the indexer
//! writes it behind everything else, and when the last is there the new version becomes the live one. A crash
//! in between loses nothing: what is missing is a column.

use crate::{
    contexts::discovery::{Discovery, DiscoveryError, Kind, store},
    ports::{
        embed::{EmbedError, Embedder},
        vectors::Collection,
    },
    postgres::Conn,
    telemetry::log,
};

/// Documents marked at once.
const MARKED: i64 = 1_000;

/// A vector for each text, in order; `None` for what the model's endpoint refuses though it takes something
/// else: one text must not keep the others from their vectors.
pub(super) async fn vectors_by(
    embedder: &Embedder,
    texts: &[String],
) -> Result<Vec<Option<Vec<f32>>>, EmbedError> {
    let refused = match embedder.embed(texts).await {
        Ok(vectors) => return Ok(vectors.into_iter().map(Some).collect()),
        Err(error @ EmbedError::Rejected { .. }) => error,
        Err(error) => return Err(error),
    };
    // An endpoint that takes nothing, for one with a wrong key, says nothing about the texts.
    if embedder.check().await.is_err() {
        return Err(refused);
    }
    if texts.len() == 1 {
        return Ok(vec![None]);
    }
    slog::debug!(log(), "the embedding service refuses texts, which are tried one by one";
        "texts" => texts.len(), "why" => refused.reason());
    let mut vectors = Vec::with_capacity(texts.len());
    for text in texts {
        vectors.push(match embedder.embed(std::slice::from_ref(text)).await {
            Ok(mut one) => one.pop(),
            Err(EmbedError::Rejected { .. }) => None,
            Err(error) => return Err(error),
        });
    }
    Ok(vectors)
}

impl Discovery {
    /// What can make vectors for a version.
    pub(super) fn embedder_of(&self, version: &Collection) -> Option<&Embedder> {
        let parts = self.parts();
        let fits =
            |one: &&Embedder| one.model().name == version.model && one.model().dimension == version.dimension;
        std::iter::once(&parts.embedder).chain(&parts.others).find(fits)
    }

    /// Sees to it that there is a version of the present model for each kind, and that it becomes the live one
    /// when it is whole.
    ///
    /// # Errors
    /// A store's.
    pub async fn mind_models(&self) -> Result<(), DiscoveryError> {
        for kind in Kind::ALL {
            self.mind_model(*kind).await?;
        }
        Ok(())
    }

    async fn mind_model(&self, kind: Kind) -> Result<(), DiscoveryError> {
        let vectors = &self.parts().vectors;
        let model = self.parts().embedder.model();
        let mut conn = self.conn().await?;
        let progress = store::documents::progress(&mut conn, kind, &model.name).await?;
        self.parts().metrics.waiting.with_label_values(&[kind.as_str()]).set(progress.waiting);
        let live = vectors.live(kind.index()).await?;
        if live.as_ref().is_some_and(|live| live.model == model.name && live.dimension == model.dimension) {
            // A change that was taken back: what came meanwhile has a vector of the other model alone.
            if progress.by_model < progress.shown {
                self.make_again(&mut conn, kind).await?;
            }
            return Ok(());
        }
        let versions = vectors.versions(kind.index()).await?;
        let ours = versions
            .iter()
            .filter(|one| one.model == model.name && one.dimension == model.dimension)
            .max_by_key(|one| one.build)
            .cloned();
        let ours = match ours {
            Some(ours) => ours,
            None => {
                let made = Collection::new(kind.index(), model.name.clone(), model.dimension);
                vectors.ready(&made).await?;
                made
            }
        };
        let Some(live) = live else {
            // Nothing better is there: what is written is found at once.
            vectors.promote(&ours).await?;
            return Ok(());
        };
        if self.make_again(&mut conn, kind).await? > 0 {
            slog::info!(log(), "vectors are made anew for another model"; "kind" => kind.as_str(),
                "from" => &live.model, "to" => &model.name, "done" => progress.by_model, "of" => progress.shown);
            return Ok(());
        }
        if progress.by_model < progress.shown || progress.unmade > 0 {
            slog::info!(log(), "vectors are being made anew"; "kind" => kind.as_str(), "to" => &model.name,
                "done" => progress.by_model, "of" => progress.shown);
            return Ok(());
        }
        vectors.promote(&ours).await?;
        vectors.remove(&live).await?;
        slog::info!(log(), "searches use the new model's vectors"; "kind" => kind.as_str(), "model" => &model.name);
        self.forget_kind(kind).await;
        Ok(())
    }

    /// Marks some of what has no vector of the present model, and wakes the indexer; how many.
    async fn make_again(&self, conn: &mut Conn, kind: Kind) -> Result<usize, DiscoveryError> {
        let model = &self.parts().embedder.model().name;
        let marked = store::documents::mark_other_models(conn, kind, model, self.now(), MARKED).await?;
        if marked > 0 {
            self.inner.indexing.notify_one();
        }
        Ok(marked)
    }

    /// How far the vectors of a kind are with the present model: those done, and all.
    ///
    /// # Errors
    /// The database's.
    pub async fn model_progress(&self, kind: Kind) -> Result<(i64, i64), DiscoveryError> {
        let model = &self.parts().embedder.model().name;
        let progress = store::documents::progress(&mut *self.conn().await?, kind, model).await?;
        Ok((progress.by_model, progress.shown))
    }
}
