//! Which model makes vectors.

use crate::{
    config::Config,
    ports::embed::{EmbedError, Embedder},
};

/// Chooses by the configuration.
pub(super) fn embedder(_config: &Config) -> Result<Embedder, EmbedError> {
    Ok(Embedder::builtin())
}
