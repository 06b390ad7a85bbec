//! Where data lives: the stores and what they are asked with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::masks::{mask, mask_hosts, mask_url};

/// Files and videos.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// `S3_BUCKET`: keep objects in this bucket; unset: in the data directory.
    pub s3_bucket: Option<String>,
    /// `S3_ENDPOINT`: where the bucket is, if not at Amazon.
    pub s3_endpoint: Option<Url>,
    /// `S3_REGION`.
    pub s3_region: String,
    /// `S3_ACCESS_KEY_ID`.
    pub s3_access_key: Option<String>,
    /// `S3_SECRET_ACCESS_KEY`. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub s3_secret_key: Option<String>,
    /// `S3_PATH_STYLE`: the bucket's name in the path, not in the host's.
    pub s3_path_style: bool,
    /// `MEDIA_BASE_URL`: what downloads go through, a CDN in front of the store.
    pub media_base_url: Option<Url>,
    /// `GIGSY_OBJECTS_QUOTA_BYTES`: what one person may keep.
    pub quota_bytes: u64,
    /// `GIGSY_OBJECTS_MAX_BYTES`: the largest file.
    pub max_bytes: u64,
    /// `GIGSY_OBJECTS_PART_BYTES`: larger files come in parts of this size.
    pub part_bytes: u64,
    /// `GIGSY_OBJECTS_URL_SECONDS`: how long signed URLs live.
    pub url_seconds: u64,
    /// `GIGSY_OBJECTS_UPLOAD_HOURS`: how long an upload may take.
    pub upload_hours: u64,
}

impl ObjectsConfig {
    /// Where browsers send files to and get them from, other than from this server: what a page's policy
    /// must allow.
    pub fn origins(&self) -> Vec<String> {
        let Some(bucket) = &self.s3_bucket else {
            return self.media_base_url.iter().map(|url| url.origin().ascii_serialization()).collect();
        };
        let store = match &self.s3_endpoint {
            None => format!("https://{bucket}.s3.{}.amazonaws.com", self.s3_region),
            Some(endpoint) => {
                let origin = endpoint.origin().ascii_serialization();
                match origin.split_once("://") {
                    Some((scheme, host)) if !self.s3_path_style => format!("{scheme}://{bucket}.{host}"),
                    _ => origin,
                }
            }
        };
        let media = self.media_base_url.as_ref().map(|url| url.origin().ascii_serialization());
        std::iter::once(store).chain(media).collect()
    }
}

/// Where data lives.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `GIGSY_DATA_DIR`.
    pub dir: PathBuf,
    /// `GIGSY_ALLOW_DEMO`: permit demo accounts on a listener others can reach.
    pub allow_demo: bool,
}

/// The relational store.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: a PostgreSQL ≥ 15; unset means the private child. Holds a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_POSTGRES_BIN`: the private child's binaries.
    pub postgres_bin: Option<PathBuf>,
    /// `GIGSY_DATABASE_POOL`: connections at most.
    pub pool_size: usize,
    /// `GIGSY_DATABASE_ACQUIRE_SECONDS`: how long a request waits for one.
    pub acquire_seconds: u64,
}

/// The event bus.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// `NATS_URL`: a NATS server with JetStream, ≥ 2.10; unset means in process. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_BUS_PREFIX`: before subjects and stream names, for a NATS that others use too.
    pub prefix: String,
}

/// Redis.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `REDIS_URL`: `redis://` or `rediss://`; unset means in process. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_REDIS_PREFIX`: before every key, for a Redis that others use too.
    pub prefix: String,
    /// `GIGSY_REDIS_TIMEOUT_MS`: how long a command may take before we go on without, in milliseconds.
    pub timeout_ms: u64,
}

/// The chat log and the activity stream on MongoDB.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MongoConfig {
    /// `MONGODB_URL`: a MongoDB ≥ 5.0, as `mongodb://` or `mongodb+srv://`, with the database in its path
    /// (`gigsy` if it names none); unset means both are in the relational store. Holds a secret. A text,
    /// since such a URL may name several hosts.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_hosts")]
    pub url: Option<String>,
    /// `GIGSY_CHAT_TAIL_MIB`: the size of the capped collection that recovery reads first, in MiB.
    pub tail_mib: u64,
    /// `GIGSY_MONGODB_TIMEOUT_SECONDS`: how long one operation may take; then the store is away.
    pub timeout_seconds: u64,
}

/// Vectors on Qdrant.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QdrantConfig {
    /// `QDRANT_URL`: a Qdrant ≥ 1.16, its gRPC port (6334 by default); unset means vectors are in the relational
    /// store.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `QDRANT_API_KEY`. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub api_key: Option<String>,
    /// `GIGSY_QDRANT_PREFIX`: before every collection, for a Qdrant that others use too.
    pub prefix: String,
    /// `GIGSY_QDRANT_TIMEOUT_MS`: how long a call may take with all its tries, in milliseconds.
    pub timeout_ms: u64,
}

/// Words on Meilisearch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeiliConfig {
    /// `MEILI_URL`: a Meilisearch ≥ 1.13; unset means words are in the relational store.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `MEILI_MASTER_KEY`: the master key, or one that may do everything with the indexes of the prefix. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub api_key: Option<String>,
    /// `MEILI_SEARCH_KEY`: a key that may only search; tenant tokens are signed with it. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub search_key: Option<String>,
    /// `GIGSY_MEILI_PREFIX`: before every index, for a Meilisearch that others use too.
    pub prefix: String,
    /// `GIGSY_MEILI_TIMEOUT_MS`: how long one call may take, in milliseconds; a write waits six times as long for
    /// its task.
    pub timeout_ms: u64,
}

/// The activity stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityConfig {
    /// `GIGSY_ACTIVITY_DAYS`: how long an entry is kept.
    pub days: u32,
}
