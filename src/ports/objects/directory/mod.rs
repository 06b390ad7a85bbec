//! Objects as files under the data directory, the default. The server signs URLs and answers them itself
//! (`serve.rs`).
//!
//! # Files
//! An object lies at `<two letters>/<SHA-256 of its key>`, beside a `.meta` file with the key: so any key
//! is a file's name of fixed length, and one that is another's prefix does not collide with a folder.
//! Bytes are written to `tmp/`, synced and renamed: an object is there whole or not at all.

mod files;
pub mod serve;
mod token;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::io::AsyncReadExt;
use url::Url;
use uuid::Uuid;

use super::{Bounds, ByteStream, Key, Listed, ObjectError, Objects, Part, Presented, SignedRequest};
use crate::{
    clock::Clock,
    ports::{Mode, Store, StoreStatus},
    signing::Signer,
};
use files::Files;
use token::{Get, Put};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Objects as files. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    inner: Arc<Inner>,
}

struct Inner {
    files: Files,
    signer: Signer,
    clock: Clock,
    base: String,
    media_base: Option<String>,
}

impl Directory {
    /// Files under `folder`; URLs begin with `base`, those of downloads with `media_base` where a CDN
    /// stands in front.
    pub fn new(folder: &Path, signer: Signer, clock: Clock, base: &str, media_base: Option<&Url>) -> Self {
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        Self {
            inner: Arc::new(Inner {
                files: Files::new(folder),
                signer,
                clock,
                base: trimmed(base),
                media_base: media_base.map(|url| trimmed(url.as_str())),
            }),
        }
    }

    fn url(&self, base: &str, purpose: &str, payload: &[u8], life: Duration) -> Result<String, ObjectError> {
        let life = chrono::Duration::from_std(life).map_err(ObjectError::unavailable)?;
        let expires = self.inner.clock.now() + life;
        Ok(format!("{base}/objects/{}", self.inner.signer.sign(purpose, payload, Some(expires))))
    }

    fn put(&self, put: &Put, life: Duration) -> Result<SignedRequest, ObjectError> {
        let payload = serde_json::to_vec(put).map_err(ObjectError::unavailable)?;
        let mut headers =
            std::collections::BTreeMap::from([("content-length".to_owned(), put.size.to_string())]);
        if let Some(media_type) = &put.media_type {
            headers.insert("content-type".to_owned(), media_type.clone());
        }
        let url = self.url(&self.inner.base, token::PUT, &payload, life)?;
        Ok(SignedRequest { method: "PUT", url, headers })
    }

    /// Runs what blocks off the worker's thread.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let files = self.inner.files.clone();
        tokio::task::spawn_blocking(move || work(&files)).await.map_err(ObjectError::unavailable)?
    }
}

#[async_trait]
impl Objects for Directory {
    async fn put_request(
        &self,
        key: &Key,
        bounds: &Bounds,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError> {
        let put = Put {
            key: key.to_string(),
            size: bounds.size,
            media_type: Some(bounds.media_type.clone()),
            sha256: bounds.sha256.map(token::hex),
            part: None,
        };
        self.put(&put, life)
    }

    async fn begin_parts(&self, key: &Key, media_type: &str) -> Result<String, ObjectError> {
        let (id, key, media_type) = (Uuid::now_v7().simple().to_string(), key.clone(), media_type.to_owned());
        let upload = id.clone();
        self.blocking(move |files| files.begin(&upload, &key, &media_type)).await?;
        Ok(id)
    }

    async fn part_request(
        &self,
        key: &Key,
        upload: &str,
        number: u32,
        size: u64,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError> {
        let part = Some((upload.to_owned(), number));
        self.put(&Put { key: key.to_string(), size, media_type: None, sha256: None, part }, life)
    }

    async fn parts(&self, _key: &Key, upload: &str) -> Result<Vec<Part>, ObjectError> {
        let upload = upload.to_owned();
        self.blocking(move |files| files.parts(&upload)).await
    }

    async fn join_parts(&self, key: &Key, upload: &str, parts: &[Part]) -> Result<(), ObjectError> {
        let (key, upload, parts) = (key.clone(), upload.to_owned(), parts.to_vec());
        self.blocking(move |files| files.join(&key, &upload, &parts)).await
    }

    async fn abort_parts(&self, _key: &Key, upload: &str) -> Result<(), ObjectError> {
        let upload = upload.to_owned();
        self.blocking(move |files| files.abort(&upload)).await
    }

    async fn write(&self, key: &Key, media_type: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let (key, media_type) = (key.clone(), media_type.to_owned());
        self.blocking(move |files| files.write(&key, &media_type, &bytes)).await
    }

    async fn read(&self, key: &Key) -> Result<ByteStream, ObjectError> {
        let file = match tokio::fs::File::open(self.inner.files.data(key)).await {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(ObjectError::NotFound),
            Err(error) => return Err(error.into()),
        };
        Ok(Box::pin(futures_util::stream::try_unfold(file, |mut file| async move {
            let mut chunk = Vec::with_capacity(CHUNK);
            let read = (&mut file).take(CHUNK as u64).read_to_end(&mut chunk).await?;
            Ok(if read == 0 { None } else { Some((Bytes::from(chunk), file)) })
        })))
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, ObjectError> {
        let key = key.clone();
        self.blocking(move |files| files.size(&key)).await
    }

    async fn copy(&self, from: &Key, to: &Key) -> Result<(), ObjectError> {
        let (from, to) = (from.clone(), to.clone());
        self.blocking(move |files| files.copy(&from, &to)).await
    }

    async fn delete(&self, key: &Key) -> Result<(), ObjectError> {
        let key = key.clone();
        self.blocking(move |files| files.delete(&key)).await
    }

    async fn get_url(&self, key: &Key, presented: &Presented, life: Duration) -> Result<String, ObjectError> {
        let get = Get {
            key: key.to_string(),
            media_type: presented.media_type.clone(),
            disposition: presented.disposition(),
        };
        let payload = serde_json::to_vec(&get).map_err(ObjectError::unavailable)?;
        let base = self.inner.media_base.as_deref().unwrap_or(&self.inner.base);
        self.url(base, token::GET, &payload, life)
    }

    async fn list(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, ObjectError> {
        let after = after.cloned();
        self.blocking(move |files| files.list(after.as_ref(), limit)).await
    }
}

impl Store for Directory {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let begun = Instant::now();
            let tried = self.blocking(|files| files.probe()).await;
            StoreStatus {
                name: "objects",
                mode: Mode::Embedded,
                reachable: tried.is_ok(),
                latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
                version: None,
                detail: Some("files in objects".into()),
                mend: tried.err().map(|error| format!("make objects in GIGSY_DATA_DIR writable ({error})")),
            }
        })
    }
}

/// Where a directory keeps its objects under a data directory.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("objects")
}
