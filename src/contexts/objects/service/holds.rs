//! What other contexts do with objects.

use bytes::Bytes;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use sha2::{Digest, Sha256};

use crate::{
    contexts::objects::{
        DownloadView, FileView, UploadError, UploadId, Uploads,
        model::{Upload, UploadState},
        store, views,
    },
    ports::objects::{Key, Presented},
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
        let now = self.now();
        let key = Key::of("made", id.0);
        let upload = Upload {
            id,
            owner_id: owner,
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
            sha256: Some(Sha256::digest(&bytes).to_vec()),
            key: key.to_string(),
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
        };
        // Bytes first: a row that is ready has them. If the row fails, the sweep takes the bytes.
        self.inner.objects.write(&key, media_type, bytes).await?;
        let (mut conn, upload) = (self.conn().await?, &upload);
        (*conn).transaction(async |conn| Ok(store::insert(conn, upload).await.map(|_| ())?)).await
    }
}
