//! Which object store.

use std::{path::Path, sync::Arc};

use super::StartError;
use crate::{
    clock::Clock,
    config::Config,
    ports::{
        Store,
        objects::{
            Objects,
            directory::{self, Directory, serve::Served},
            s3::{S3, Settings},
        },
    },
    postgres::Database,
    signing::Signer,
};

/// A store, and what answers its URLs where this server does.
pub(super) struct Chosen {
    pub objects: Arc<dyn Objects>,
    pub store: Arc<dyn Store>,
    pub served: Served,
}

/// The store of the configuration.
pub(super) async fn objects(config: &Config, database: &Database) -> Result<Chosen, StartError> {
    let set = &config.objects;
    if let Some(bucket) = &set.s3_bucket {
        let text = |key: &Option<String>| key.clone().unwrap_or_default();
        let s3 = S3::new(&Settings {
            bucket: bucket.clone(),
            endpoint: set.s3_endpoint.clone(),
            region: set.s3_region.clone(),
            access_key: text(&set.s3_access_key),
            secret_key: text(&set.s3_secret_key),
            path_style: set.s3_path_style,
            media_base: set.media_base_url.clone(),
        })?;
        return Ok(Chosen { objects: Arc::new(s3.clone()), store: Arc::new(s3), served: Served(None) });
    }
    let directory = Directory::new(
        &directory::folder(Path::new(&config.data.dir)),
        Signer::new(&database.signing_key().await?),
        Clock::system(),
        &config.public_url(),
        set.media_base_url.as_ref(),
    );
    let store = Arc::new(directory.clone());
    Ok(Chosen { objects: store.clone(), store, served: Served(Some(directory)) })
}
