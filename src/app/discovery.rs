//! Search and recommendations: which indexes, which weights.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use futures_util::future::BoxFuture;

use super::{StartError, wiring};
use crate::{
    clock::Clock,
    config::Config,
    contexts::{
        career::Affinity,
        discovery::{self, Contexts, Discovery, DiscoveryMetrics, Weights},
    },
    ports::embed::Embedder,
    postgres::Database,
    principal::UserId,
    realtime::Veils,
    signing::Signer,
};

/// The weights that the configuration names, or else those compiled in.
fn weights(config: &Config) -> Result<Weights, StartError> {
    match &config.discovery.weights {
        Some(path) => Ok(Weights::parse(&std::fs::read_to_string(path)?)?),
        None => Ok(Weights::compiled()?),
    }
}

/// Discovery over the other contexts.
pub(super) fn discovery_with(
    config: &Config,
    database: &Database,
    contexts: Contexts,
    embedder: Embedder,
    veils: Arc<dyn Veils>,
    signer: Signer,
    metrics: DiscoveryMetrics,
) -> Result<Discovery, StartError> {
    let (text, vectors) = super::indexes::indexes(config, database)?;
    let compiled = Embedder::builtin();
    // While an endpoint's model fills its vectors, searches use those that the compiled one made.
    let others = if compiled.model() == embedder.model() { Vec::new() } else { vec![compiled] };
    Ok(Discovery::new(discovery::Parts {
        database: database.clone(),
        text,
        vectors,
        embedder,
        others,
        truth: Arc::new(contexts),
        veils,
        signer,
        clock: Clock::system(),
        weights: weights(config)?,
        metrics,
    }))
}

/// Discovery without a server, for commands.
///
/// # Errors
/// When the database does not answer, or an index or the weights cannot be set up.
pub async fn discovery(config: &Config, database: &Database) -> Result<Discovery, StartError> {
    let identity = wiring::identity(config, database).await?;
    let contexts = Contexts {
        gigs: wiring::gigs_at_rest(config, database).await?,
        career: wiring::career_at_rest(config, database).await?,
        learning: wiring::learning_at_rest(config, database, &identity).await?,
    };
    let signer = Signer::new(&database.signing_key().await?);
    let embedder = super::embedding::embedder(config)?;
    let metrics = DiscoveryMetrics::unregistered();
    discovery_with(config, database, contexts, embedder, Arc::new(Nobody), signer, metrics)
}

/// Commands show results to nobody.
struct Nobody;

impl Veils for Nobody {
    fn hidden_from(&self, _: UserId) -> Option<Arc<std::collections::HashSet<UserId>>> {
        None
    }

    fn apart_from(&self, _: UserId) -> Vec<UserId> {
        Vec::new()
    }
}

/// What texts mean, once discovery is there: it reads careers, which ask it.
#[derive(Clone, Default)]
pub(super) struct LateAffinity(Arc<OnceLock<Discovery>>);

impl LateAffinity {
    /// Says who knows; a second call changes nothing.
    pub fn set(&self, discovery: Discovery) {
        let _ = self.0.set(discovery);
    }
}

impl Affinity for LateAffinity {
    fn near<'a>(
        &'a self,
        seeker: UserId,
        goal: &'a str,
        mentors: &'a [UserId],
    ) -> BoxFuture<'a, HashMap<UserId, f64>> {
        Box::pin(async move {
            match self.0.get() {
                Some(discovery) => discovery.near(seeker, goal, mentors).await,
                None => HashMap::new(),
            }
        })
    }
}
