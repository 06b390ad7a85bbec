//! The private PostgreSQL. (Under construction.)

use std::path::PathBuf;

use url::Url;

use crate::config::{DataConfig, DatabaseConfig};

/// Why the private server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// Not built yet.
    #[error("the private PostgreSQL is not built yet: set DATABASE_URL")]
    Missing,
}

/// How to run it.
pub struct Options {
    /// The data directory.
    pub data_dir: PathBuf,
}

impl Options {
    /// From the settings.
    pub fn new(_database: &DatabaseConfig, data: &DataConfig) -> Self {
        Self { data_dir: data.dir.clone() }
    }
}

/// A running server.
pub struct Cluster {
    url: Url,
}

impl Cluster {
    /// Starts it.
    pub fn open(_options: Options, _share: bool) -> Result<Self, EmbeddedError> {
        Err(EmbeddedError::Missing)
    }

    /// Where.
    pub fn url(&self) -> Url {
        self.url.clone()
    }

    /// Stops it.
    pub fn stop(&self) {}
}
