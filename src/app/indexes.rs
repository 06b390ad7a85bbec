//! The text index and the vector store: in PostgreSQL, or where `MEILI_URL` and `QDRANT_URL` say.

use super::StartError;
use crate::{
    config::Config,
    ports::{
        Mode, Store, StoreStatus,
        text::{Meilisearch, PgText, TextIndex},
        vectors::{PgVectors, Qdrant, VectorStore},
    },
    postgres::Database,
};

/// The adapters of this configuration; servers need not answer yet.
///
/// # Errors
/// When a URL cannot be used.
pub fn indexes(config: &Config, database: &Database) -> Result<(TextIndex, VectorStore), StartError> {
    let text = match Meilisearch::connect(&config.meilisearch, database)? {
        Some(server) => TextIndex::over(server),
        None => TextIndex::over(PgText::new(database.clone())),
    };
    let vectors = match Qdrant::connect(&config.qdrant)? {
        Some(server) => VectorStore::over(server),
        None => VectorStore::over(PgVectors::new(database.clone())),
    };
    Ok((text, vectors))
}

/// What `gigsy check` says of both.
pub async fn index_statuses(config: &Config, database: &Database) -> Vec<StoreStatus> {
    match indexes(config, database) {
        Ok((text, vectors)) => vec![text.status().await, vectors.status().await],
        Err(error) => vec![StoreStatus {
            name: "indexes",
            mode: Mode::Server,
            reachable: false,
            latency_ms: None,
            version: None,
            detail: None,
            mend: Some(format!("MEILI_URL, QDRANT_URL: {error}")),
        }],
    }
}
