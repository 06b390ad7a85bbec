//! Which model makes vectors, and what `gigsy check` says of it.

use std::time::Duration;

use crate::{
    config::Config,
    ports::{
        StoreStatus,
        embed::{EmbedError, Embedder, EndpointSettings},
    },
    telemetry::log,
};

/// How long a start waits for the endpoint.
const START_WITHIN: Duration = Duration::from_secs(3);

/// Chooses by the configuration: the endpoint of `EMBEDDINGS_URL`, or the model that is compiled in.
///
/// # Errors
/// [`EmbedError`] where outgoing TLS cannot be set up.
pub fn embedder(config: &Config) -> Result<Embedder, EmbedError> {
    let settings = &config.embeddings;
    let Some(url) = &settings.url else { return Ok(Embedder::builtin()) };
    // The configuration was checked: with a URL there are both.
    let model = settings.model.clone().unwrap_or_default();
    let dimension = settings.dimension.unwrap_or_default();
    Embedder::endpoint(EndpointSettings {
        key: settings.key.as_deref().map(|key| key.trim().to_owned()),
        batch: settings.batch,
        per_minute: settings.per_minute,
        timeout: Duration::from_secs(settings.timeout_seconds),
        ..EndpointSettings::new(url.clone(), model, dimension)
    })
}

/// For a server's start: refuses vectors of another dimension than stated. An endpoint that is away, or
/// refuses, keeps nobody from starting: search goes by words meanwhile.
pub(super) async fn checked_embedder(config: &Config) -> Result<Embedder, EmbedError> {
    let embedder = embedder(config)?;
    match tokio::time::timeout(START_WITHIN, embedder.check()).await {
        Ok(Err(error @ EmbedError::Dimension { .. })) => return Err(error),
        Ok(Err(error)) => {
            slog::warn!(log(), "no embeddings for now"; "error" => %error, "reason" => error.reason())
        }
        Err(_) => slog::warn!(log(), "no embeddings for now"; "error" => "no answer in time"),
        Ok(Ok(())) => {}
    }
    Ok(embedder)
}

/// What `gigsy check` says of embeddings: a text is embedded.
pub async fn embeddings_status(config: &Config) -> StoreStatus {
    match embedder(config) {
        Ok(embedder) => embedder.status().await,
        Err(error) => Embedder::failed(config.embeddings.url.is_some(), &error),
    }
}
