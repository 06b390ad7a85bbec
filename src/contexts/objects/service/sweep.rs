//! What time does: uploads expire, large ones are verified, bytes that nobody needs are removed.

use std::time::Duration;

use diesel_async::AsyncConnection;

use super::uploads::tell;
use crate::{
    contexts::objects::{
        UploadError, Uploads,
        model::{Upload, UploadState},
        store::{self, Step},
    },
    error::Fault,
    ports::objects::{Key, ObjectError},
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// How often rows are looked at when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(5);
/// How often the store is walked for bytes without a row.
const WALK: Duration = Duration::from_secs(6 * 3600);
/// Rows taken at once.
const BATCH: i64 = 8;
/// Bytes without a row are left alone for so long.
const YOUNG: chrono::Duration = chrono::Duration::hours(24);

impl Uploads {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_timers(self) {
        let mut walked = tokio::time::Instant::now();
        loop {
            match self.tick().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(LOOK, self.inner.work.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::warn!(log(), "uploads cannot be looked after"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
            if walked.elapsed() >= WALK {
                walked = tokio::time::Instant::now();
                match self.sweep_orphans().await {
                    Ok(0) => {}
                    Ok(count) => slog::info!(log(), "objects without a row were removed"; "count" => count),
                    Err(error) => slog::warn!(log(), "the object store was not swept"; "error" => %error),
                }
            }
        }
    }

    /// Does what is due now, once over; how much there was.
    ///
    /// # Errors
    /// When rows cannot be read. What fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, UploadError> {
        let due = store::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        for upload in &due {
            let done = correlation::scope(CorrelationId::fresh(), self.attend(upload)).await;
            if let Err(error) = done {
                self.put_off(upload, &error).await?;
            }
        }
        let leftovers = store::to_purge(&mut *self.conn().await?, BATCH).await?;
        let mut removed = 0;
        for upload in &leftovers {
            match self.purge(upload).await {
                Ok(()) => removed += 1,
                Err(error) => {
                    slog::warn!(log(), "bytes were not removed"; "upload" => %upload.id, "error" => %error);
                }
            }
        }
        Ok(due.len() + removed)
    }

    async fn attend(&self, upload: &Upload) -> Result<(), UploadError> {
        match upload.state {
            UploadState::Verifying => self.verify(upload).await.map(|_| ()),
            UploadState::Open => self.expire(upload).await,
            _ => Ok(()),
        }
    }

    async fn put_off(&self, upload: &Upload, error: &UploadError) -> Result<(), UploadError> {
        let pause = (1_i64 << upload.attempts.clamp(0, 10)).min(600);
        slog::warn!(log(), "an upload could not be looked after and is put off";
            "upload" => %upload.id, "kind" => error.kind().slug(), "error" => %error);
        let until = self.now() + chrono::Duration::seconds(pause);
        Ok(store::put_off(&mut *self.conn().await?, upload.id, until).await?)
    }

    async fn expire(&self, upload: &Upload) -> Result<(), UploadError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let step = Step { purge: Some("all"), ..Step::default() };
                let gone =
                    store::advance(conn, upload.id, UploadState::Open, UploadState::Expired, step, now);
                let Some(gone) = gone.await? else { return Ok(()) };
                store::give_quota_back(conn, upload.owner_id, upload.size).await?;
                tell(conn, "upload.expired", &gone).await
            })
            .await
    }

    /// Removes bytes; the row says so until it is done.
    async fn purge(&self, upload: &Upload) -> Result<(), UploadError> {
        let objects = &self.inner.objects;
        if let Some(staging) = upload.arrival() {
            objects.delete(&staging).await?;
        }
        if upload.purge.as_deref() == Some("all")
            && let Some(key) = upload.place()
        {
            if let Some(parts) = &upload.parts {
                objects.abort_parts(&key, parts).await?;
            }
            objects.delete(&key).await?;
        }
        Ok(store::purged(&mut *self.conn().await?, upload.id).await?)
    }

    /// Walks the store and removes objects that no row knows; how many. A URL that outlived its upload,
    /// or a crash between bytes and row, leaves such.
    ///
    /// # Errors
    /// When a store does not answer; the next walk goes on.
    pub async fn sweep_orphans(&self) -> Result<usize, UploadError> {
        let (mut after, mut removed): (Option<Key>, usize) = (None, 0);
        loop {
            let page = self.inner.objects.list(after.as_ref(), 500).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            after = Some(last.key.clone());
            let old: Vec<String> = page
                .iter()
                .filter(|one| one.modified < self.now() - YOUNG)
                .map(|one| one.key.to_string())
                .collect();
            for key in store::unknown(&mut *self.conn().await?, &old).await? {
                let key = Key::new(key).map_err(ObjectError::unavailable)?;
                self.inner.objects.delete(&key).await?;
                removed += 1;
            }
        }
    }
}
