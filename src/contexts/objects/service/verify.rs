//! Looking at what arrived. Every step may be repeated: after a crash the worker begins anew.

use diesel_async::AsyncConnection;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::uploads::tell;
use crate::{
    contexts::objects::{
        UploadError, Uploads,
        model::{Upload, UploadState},
        store::{self, Step},
    },
    ports::objects::{Key, MediaType, ObjectError, Plan, sniff},
};

/// What was found.
struct Found {
    size: u64,
    sha256: [u8; 32],
    kind: Option<MediaType>,
}

impl Uploads {
    /// Verifies an upload and decides about it; answers it as it is then.
    pub(super) async fn verify(&self, upload: &Upload) -> Result<Upload, UploadError> {
        let key = upload.place().ok_or(UploadError::No)?;
        let verdict = match self.settle(upload, &key).await {
            Ok(()) => {
                let found = self.look(&key).await?;
                judge(upload, &found).map(|()| found.sha256)
            }
            // A part was sent again between the count and the join, or nothing ever arrived.
            Err(UploadError::Object(
                ObjectError::BadPart | ObjectError::NoUpload | ObjectError::NotFound,
            )) => Err("its bytes are not there".to_owned()),
            Err(error) => return Err(error),
        };
        let now = self.now();
        let mut conn = self.conn().await?;
        let (id, verdict) = (upload.id, &verdict);
        let decided = (*conn)
            .transaction(async |conn| {
                let (to, subject, step) = match verdict {
                    Ok(sha256) => {
                        let purge = upload.staging.is_some().then_some("staging");
                        let step = Step { sha256: Some(sha256), purge, ..Step::default() };
                        (UploadState::Ready, "upload.completed", step)
                    }
                    Err(reason) => {
                        let step = Step { refusal: Some(reason), purge: Some("all"), ..Step::default() };
                        (UploadState::Refused, "upload.refused", step)
                    }
                };
                let Some(now_is) = store::advance(conn, id, UploadState::Verifying, to, step, now).await?
                else {
                    // Another worker was faster and came to the same.
                    return store::load(conn, id).await?.ok_or(UploadError::No);
                };
                if to == UploadState::Refused {
                    store::give_quota_back(conn, upload.owner_id, upload.size).await?;
                }
                tell(conn, subject, &now_is).await?;
                Ok::<_, UploadError>(now_is)
            })
            .await?;
        self.inner.work.notify_one();
        Ok(decided)
    }

    /// Puts the bytes where no client's URL leads.
    async fn settle(&self, upload: &Upload, key: &Key) -> Result<(), UploadError> {
        if upload.plan() == Plan::Whole {
            let from = upload.arrival().ok_or(UploadError::No)?;
            // What is copied is read after the copy, so that nothing can change in between.
            return Ok(self.inner.objects.copy(&from, key).await?);
        }
        if self.inner.objects.size(key).await?.is_some() {
            return Ok(());
        }
        let parts = self.arrived(upload).await?;
        let name = upload.parts.as_deref().ok_or(ObjectError::NoUpload)?;
        Ok(self.inner.objects.join_parts(key, name, &parts).await?)
    }

    /// Reads an object through, a chunk at a time.
    async fn look(&self, key: &Key) -> Result<Found, UploadError> {
        let mut stream = self.inner.objects.read(key).await?;
        let (mut digest, mut size, mut head) = (Sha256::new(), 0, Vec::new());
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            size += chunk.len() as u64;
            digest.update(&chunk);
            if head.len() < 1024 {
                head.extend_from_slice(&chunk[..chunk.len().min(1024 - head.len())]);
            }
        }
        Ok(Found { size, sha256: digest.finalize().into(), kind: sniff(&head) })
    }
}

/// Whether it is what was announced.
fn judge(upload: &Upload, found: &Found) -> Result<(), String> {
    if found.size != upload.bytes() {
        return Err(format!("it has {} bytes, and {} were announced", found.size, upload.size));
    }
    if upload.digest().is_some_and(|announced| announced != found.sha256) {
        return Err("it does not have the SHA-256 that was announced".to_owned());
    }
    if found.kind.is_none() || found.kind != MediaType::named(&upload.media_type) {
        return Err(format!("its bytes are not {}", upload.media_type));
    }
    Ok(())
}
