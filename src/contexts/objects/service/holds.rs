//! What other contexts do with objects.

use std::path::Path;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::{
    contexts::objects::{
        DownloadView, FileView, UploadError, UploadId, Uploads,
        model::{Upload, UploadState},
        store, views,
    },
    ports::objects::{ByteStream, ObjectError, Presented},
    principal::UserId,
};

/// Keeps an object from being removed, in the transaction that comes to need it.
///
/// # Errors
/// [`UploadError::No`] for one that is not ready.
pub async fn hold(conn: &mut AsyncPgConnection, id: UploadId, holder: &str) -> Result<FileView, UploadError> {
    let upload = store::lock(conn, id).await?.filter(|upload| upload.state == UploadState::Ready);
    let upload = upload.ok_or(UploadError::No)?;
    store::hold(conn, id, holder).await?;
    Ok(FileView::from(&upload))
}

/// Lets an object go.
///
/// # Errors
/// The database's.
pub async fn release(conn: &mut AsyncPgConnection, id: UploadId, holder: &str) -> Result<(), UploadError> {
    Ok(store::release(conn, id, holder).await?)
}

/// Removes an object that the server made, whoever holds it, with the transaction that gives it up. The sweep takes
/// the bytes.
///
/// # Errors
/// The database's. Removed already is removed.
pub async fn discard(
    conn: &mut AsyncPgConnection,
    id: UploadId,
    now: DateTime<Utc>,
) -> Result<(), UploadError> {
    Ok(store::discard(conn, id, now).await?)
}

/// A person's own object, if it is ready.
///
/// # Errors
/// [`UploadError::No`].
pub async fn ready(
    conn: &mut AsyncPgConnection,
    owner: UserId,
    id: UploadId,
) -> Result<FileView, UploadError> {
    let upload = store::load(conn, id).await?;
    let upload = upload.filter(|upload| upload.owner_id == owner && upload.state == UploadState::Ready);
    Ok(FileView::from(&upload.ok_or(UploadError::No)?))
}

impl Uploads {
    /// Those of `ids` that belong to `owner` and are ready.
    ///
    /// # Errors
    /// The database's.
    pub async fn files_of(&self, owner: UserId, ids: &[UploadId]) -> Result<Vec<FileView>, UploadError> {
        let mut conn = self.conn().await?;
        let mut files = Vec::with_capacity(ids.len());
        for id in ids {
            match ready(&mut conn, owner, *id).await {
                Ok(file) => files.push(file),
                Err(UploadError::No) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    /// [`hold`]s several objects, all or none.
    ///
    /// # Errors
    /// [`UploadError::No`] for one that is not ready.
    pub async fn hold_all(&self, ids: &[UploadId], holder: &str) -> Result<(), UploadError> {
        let mut conn = self.conn().await?;
        let ids: std::collections::BTreeSet<UploadId> = ids.iter().copied().collect();
        (*conn)
            .transaction(async |conn| {
                for id in ids {
                    hold(conn, id, holder).await?;
                }
                Ok(())
            })
            .await
    }

    /// [`release`]s several objects.
    ///
    /// # Errors
    /// The database's.
    pub async fn release_all(&self, ids: &[UploadId], holder: &str) -> Result<(), UploadError> {
        let mut conn = self.conn().await?;
        for id in ids {
            release(&mut conn, *id, holder).await?;
        }
        Ok(())
    }

    /// A link to an object that is ready. Whether the caller's caller may have it, the caller decides.
    ///
    /// # Errors
    /// [`UploadError::No`].
    pub async fn link(&self, id: UploadId) -> Result<DownloadView, UploadError> {
        let upload = store::load(&mut *self.conn().await?, id).await?;
        let upload = upload.filter(|upload| upload.state == UploadState::Ready).ok_or(UploadError::No)?;
        self.link_to(&upload).await
    }

    pub(super) async fn link_to(&self, upload: &Upload) -> Result<DownloadView, UploadError> {
        let key = upload.place().ok_or(UploadError::No)?;
        let presented = Presented {
            media_type: upload.media_type.clone(),
            name: upload.name.clone(),
            inline: views::is_inline(&upload.media_type),
        };
        let life = self.inner.settings.url_life;
        let url = self.inner.objects.get_url(&key, &presented, life).await?;
        let expires_at = self.now() + chrono::Duration::from_std(life).unwrap_or_default();
        Ok(DownloadView { url, expires_at })
    }

    /// An object's bytes, if it is ready. Whether the caller's caller may have them, the caller decides.
    ///
    /// # Errors
    /// [`UploadError::No`].
    pub async fn open(&self, id: UploadId) -> Result<ByteStream, UploadError> {
        let upload = store::load(&mut *self.conn().await?, id).await?;
        let upload = upload.filter(|upload| upload.state == UploadState::Ready).ok_or(UploadError::No)?;
        Ok(self.inner.objects.read(&upload.place().ok_or(UploadError::No)?).await?)
    }

    /// As [`Uploads::keep`], a file of any size, held by `holder` at once: until [`Uploads::discard`].
    ///
    /// # Errors
    /// As [`Uploads::keep`].
    pub async fn keep_file(
        &self,
        id: UploadId,
        owner: UserId,
        name: &str,
        media_type: &str,
        path: &Path,
        holder: &str,
    ) -> Result<(), UploadError> {
        let (size, digest) = measured(path).await.map_err(ObjectError::from)?;
        let upload = self.made(id, owner, name, media_type, size, digest);
        let key = upload.place().ok_or(UploadError::No)?;
        self.inner.objects.write_file(&key, media_type, path).await?;
        let (mut conn, upload) = (self.conn().await?, &upload);
        (*conn)
            .transaction(async |conn| {
                store::insert(conn, upload).await?;
                Ok(store::hold(conn, id, holder).await?)
            })
            .await
    }

    /// Removes an object that the server made, whoever holds it.
    ///
    /// # Errors
    /// The database's. Removed already is removed.
    pub async fn discard(&self, id: UploadId) -> Result<(), UploadError> {
        discard(&mut *self.conn().await?, id, self.now()).await?;
        self.wake();
        Ok(())
    }

    /// Says that there is something to sweep: after a transaction with [`discard`].
    pub fn wake(&self) {
        self.inner.work.notify_one();
    }

    fn made(
        &self,
        id: UploadId,
        owner: UserId,
        name: &str,
        media_type: &str,
        size: u64,
        digest: [u8; 32],
    ) -> Upload {
        let now = self.now();
        Upload {
            id,
            owner_id: owner,
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            sha256: Some(digest.to_vec()),
            key: Upload::made_key(id).to_string(),
            staging: None,
            parts: None,
            part_size: None,
            state: UploadState::Ready,
            refusal: None,
            due_at: None,
            attempts: 0,
            purge: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// Keeps bytes that the server made itself; under an id that it has already, nothing happens. They
    /// do not count against the person's quota.
    ///
    /// # Errors
    /// When a store does not answer; keeping them again is harmless.
    pub async fn keep(
        &self,
        id: UploadId,
        owner: UserId,
        name: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(), UploadError> {
        let digest = Sha256::digest(&bytes).into();
        let upload = self.made(id, owner, name, media_type, bytes.len() as u64, digest);
        let key = upload.place().ok_or(UploadError::No)?;
        // Bytes first: a row that is ready has them. If the row fails, the sweep takes the bytes.
        self.inner.objects.write(&key, media_type, bytes).await?;
        let (mut conn, upload) = (self.conn().await?, &upload);
        (*conn).transaction(async |conn| Ok(store::insert(conn, upload).await.map(|_| ())?)).await
    }
}

/// A file's size in bytes and SHA-256, read a chunk at a time.
async fn measured(path: &Path) -> std::io::Result<(u64, [u8; 32])> {
    let mut file = tokio::fs::File::open(path).await?;
    let (mut digest, mut size, mut chunk) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Ok((size, digest.finalize().into()));
        }
        digest.update(&chunk[..read]);
        size += read as u64;
    }
}
