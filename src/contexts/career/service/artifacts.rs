//! Pictures and documents of projects: looked at, made safe, kept, shown to whom the project is shown.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::portfolio::sees;
use crate::{
    contexts::{
        career::{
            Career, CareerError,
            forms::{ArtifactForm, ArtifactOrderForm},
            model::{
                Artifact, ArtifactId, ArtifactKind, Project, ProjectId,
                pictures::{self, NoPicture, Pictures},
            },
            store,
            views::{ArtifactView, ProjectView},
        },
        objects::{self, FileView, UploadError, UploadId, Uploads},
    },
    ports::objects::{ByteStream, ObjectError},
    principal::{Principal, UserId},
};

/// So many artifacts a project has at most.
const MOST: usize = 12;
const FULL: CareerError = CareerError::Contradicts("there are 12 files: that is the most");
/// The largest document, in bytes.
const LARGEST_DOCUMENT: u64 = 50 << 20;

/// What is sent to who looks.
pub struct Shown {
    /// Its bytes.
    pub bytes: ByteStream,
    /// What it is.
    pub media_type: String,
    /// What it is called.
    pub name: String,
    /// Whether a page may show it. A document is saved instead: nobody knows what is in it.
    pub inline: bool,
}

fn refused(error: UploadError) -> CareerError {
    match error {
        UploadError::No => CareerError::field("/upload_id", "is not a file of yours that is ready"),
        other => CareerError::Elsewhere(other.into()),
    }
}

fn holder(id: ArtifactId) -> String {
    format!("artifact:{id}")
}

/// The id of an artifact's thumbnail: always the same one, so that making it again is harmless.
fn thumbnail_id(id: ArtifactId) -> Uuid {
    let hash = Sha256::new_with_prefix(b"thumbnail").chain_update(id.0.as_bytes()).finalize();
    let mut bytes = *id.0.as_bytes();
    bytes[9..].copy_from_slice(&hash[..7]);
    Uuid::from_bytes(bytes)
}

impl Career {
    fn uploads(&self) -> Result<&Uploads, CareerError> {
        self.inner.uploads.get().ok_or(CareerError::Later("files are not set up yet"))
    }

    /// Adds a picture or a document to a project of one's own, as its last one. Under the same id it is the same
    /// one. A picture is written anew, and what was uploaded goes.
    ///
    /// # Errors
    /// [`CareerError::No`] project; [`CareerError::Invalid`] for a file that is refused, with why;
    /// [`CareerError::Contradicts`] past the most.
    pub async fn add_artifact(
        &self,
        who: &Principal,
        project: ProjectId,
        id: ArtifactId,
        form: &ArtifactForm,
    ) -> Result<ArtifactView, CareerError> {
        form.check()?;
        let uploads = self.uploads()?;
        let mut conn = self.conn().await?;
        own(&mut conn, who, project).await?;
        let there = store::artifacts::of(&mut conn, &[project]).await?;
        if let Some(same) = there.iter().find(|one| one.id == id) {
            return Ok(same.into());
        }
        if there.len() >= MOST {
            return Err(FULL);
        }
        let source = UploadId(form.upload_id);
        let file = objects::ready(&mut conn, who.user_id, source).await.map_err(refused)?;
        drop(conn);
        let mut artifact = Artifact {
            id,
            project_id: project,
            kind: ArtifactKind::Document,
            name: file.name.chars().take(200).collect(),
            alt: form.alt.trim().to_owned(),
            media_type: file.media_type.clone(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            width: None,
            height: None,
            object_id: source.0,
            thumbnail_id: None,
            position: there.last().map_or(1, |last| last.position + 1),
            created_at: self.now(),
        };
        let outcome = if file.media_type == "application/pdf" {
            self.take_document(source, &file).await
        } else {
            self.take_picture(who.user_id, &mut artifact, source, &file).await
        };
        let label = if outcome.is_ok() { artifact.kind.as_str() } else { "refused" };
        self.parts().metrics.artifacts.with_label_values(&[label]).inc();
        outcome?;
        let mut conn = self.conn().await?;
        let artifact = &artifact;
        let added = (*conn)
            .transaction(async |conn| {
                // Others may have been added, or the project taken away, while this one was looked at.
                if !store::artifacts::lock_project(conn, who.user_id, project).await? {
                    return Err(CareerError::No("project"));
                }
                let there = store::artifacts::of(conn, &[project]).await?;
                if there.iter().any(|one| one.id == id) {
                    return Ok(());
                }
                if there.len() >= MOST {
                    return Err(FULL);
                }
                store::insert(conn, "artifacts", artifact).await?;
                for object in [Some(artifact.object_id), artifact.thumbnail_id].into_iter().flatten() {
                    objects::hold(conn, UploadId(object), &holder(id)).await.map_err(refused)?;
                }
                Ok(())
            })
            .await;
        if let Err(error) = added {
            if matches!(error, CareerError::No(_) | CareerError::Contradicts(_))
                && artifact.kind == ArtifactKind::Image
            {
                // What was made for it is for nothing.
                let_go(&mut conn, std::slice::from_ref(artifact), self.now()).await?;
                uploads.wake();
            }
            return Err(error);
        }
        drop(conn);
        if artifact.kind == ArtifactKind::Image
            && let Err(error) = uploads.remove(who, source).await
        {
            // Something else of theirs may hold it.
            slog::debug!(crate::telemetry::log(), "an uploaded picture stays"; "error" => %error);
        }
        Ok(artifact.into())
    }

    async fn take_document(&self, source: UploadId, file: &FileView) -> Result<(), CareerError> {
        if file.size > LARGEST_DOCUMENT {
            return Err(CareerError::field("/upload_id", "is too large: 50 MB is the most"));
        }
        // Only its ends are looked at, and only they are kept in memory.
        let mut stream = self.uploads()?.open(source).await.map_err(refused)?;
        let mut ends = pictures::PdfEnds::default();
        while let Some(chunk) = stream.next().await {
            ends.feed(&chunk.map_err(|error| refused(error.into()))?);
        }
        match ends.are_whole() {
            true => Ok(()),
            false => Err(CareerError::field("/upload_id", "is no whole PDF")),
        }
    }

    async fn take_picture(
        &self,
        owner: UserId,
        artifact: &mut Artifact,
        source: UploadId,
        file: &FileView,
    ) -> Result<(), CareerError> {
        let no = |error: NoPicture| CareerError::field("/upload_id", error);
        if !["image/png", "image/jpeg", "image/webp"].contains(&file.media_type.as_str()) {
            return Err(CareerError::field("/upload_id", "must be a PNG, JPEG or WebP picture, or a PDF"));
        }
        if file.size > pictures::LARGEST {
            return Err(no(NoPicture::TooLarge));
        }
        // One at a time: what one costs in memory is what all cost.
        let _turn = self.inner.drawing.acquire().await.map_err(|_| CareerError::Later("the server stops"))?;
        let bytes = self.whole(source, file.size).await?;
        let made = tokio::task::spawn_blocking(move || pictures::remake(&bytes)).await;
        let Pictures { full, thumbnail } =
            made.map_err(|error| CareerError::Elsewhere(error.into()))?.map_err(no)?;
        artifact.kind = ArtifactKind::Image;
        full.media_type.clone_into(&mut artifact.media_type);
        artifact.size = i64::try_from(full.bytes.len()).unwrap_or(i64::MAX);
        (artifact.width, artifact.height) = (i32::try_from(full.width).ok(), i32::try_from(full.height).ok());
        (artifact.object_id, artifact.thumbnail_id) = (artifact.id.0, Some(thumbnail_id(artifact.id)));
        let uploads = self.uploads()?;
        for (object, picture) in [(artifact.id.0, full), (thumbnail_id(artifact.id), thumbnail)] {
            let bytes = Bytes::from(picture.bytes);
            let kept = uploads.keep(UploadId(object), owner, &artifact.name, picture.media_type, bytes);
            kept.await.map_err(refused)?;
        }
        Ok(())
    }

    /// An object's bytes, of which no more are read than there should be.
    async fn whole(&self, id: UploadId, size: u64) -> Result<Vec<u8>, CareerError> {
        let mut stream = self.uploads()?.open(id).await.map_err(refused)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        while let Some(chunk) = stream.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| refused(error.into()))?);
            if bytes.len() as u64 > size {
                return Err(CareerError::Elsewhere("an object is larger than its row says".into()));
            }
        }
        Ok(bytes)
    }

    /// Takes an artifact away, and its bytes.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn drop_artifact(
        &self,
        who: &Principal,
        project: ProjectId,
        id: ArtifactId,
    ) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                own(conn, who, project).await?;
                let gone = store::artifacts::drop_one(conn, project, id).await?;
                let_go(conn, &[gone.ok_or(CareerError::No("artifact"))?], now).await
            })
            .await?;
        self.sweep();
        Ok(())
    }

    /// Has the bytes of what was let go removed.
    pub(super) fn sweep(&self) {
        if let Some(uploads) = self.inner.uploads.get() {
            uploads.wake();
        }
    }

    /// Puts a project's artifacts into an order.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Invalid`] unless it names each of them once.
    pub async fn order_artifacts(
        &self,
        who: &Principal,
        project: ProjectId,
        form: &ArtifactOrderForm,
    ) -> Result<Vec<ArtifactView>, CareerError> {
        let mut conn = self.conn().await?;
        own(&mut conn, who, project).await?;
        let there = store::artifacts::of(&mut conn, &[project]).await?;
        let (mut asked, mut known) = (form.ids.clone(), there.iter().map(|one| one.id).collect::<Vec<_>>());
        asked.sort_unstable();
        known.sort_unstable();
        if asked != known {
            return Err(CareerError::field("/ids", "must name each of the project's files once"));
        }
        store::artifacts::order(&mut conn, project, &form.ids).await?;
        Ok(store::artifacts::of(&mut conn, &[project]).await?.iter().map(Into::into).collect())
    }

    /// An artifact, or its thumbnail, for whoever may see its project; nobody is signed in where `who` is `None`.
    ///
    /// # Errors
    /// [`CareerError::No`], also for one that the caller may not see.
    pub async fn artifact(
        &self,
        who: Option<UserId>,
        id: ArtifactId,
        thumbnail: bool,
    ) -> Result<Shown, CareerError> {
        let none = || CareerError::No("artifact");
        let mut conn = self.conn().await?;
        let artifact = store::artifacts::load(&mut conn, id).await?.ok_or_else(none)?;
        let (owner, visibility) =
            store::artifacts::project(&mut conn, artifact.project_id).await?.ok_or_else(none)?;
        let seen = sees(&mut conn, who, owner).await?;
        let profile = store::portfolio::load(&mut conn, owner).await?;
        // A project is seen where the portfolio is, and its owner sees it before there is one.
        let open = profile.is_some_and(|profile| seen.contains(&profile.visibility));
        if !seen.contains(&visibility) || !(open || who == Some(owner)) {
            return Err(none());
        }
        drop(conn);
        let object = match (thumbnail, artifact.thumbnail_id) {
            (true, Some(small)) => small,
            (true, None) => return Err(none()),
            (false, _) => artifact.object_id,
        };
        let bytes = self.uploads()?.open(UploadId(object)).await.map_err(|error| match error {
            UploadError::No | UploadError::Object(ObjectError::NotFound) => none(),
            other => refused(other),
        })?;
        Ok(Shown {
            bytes,
            // A thumbnail is what its picture is.
            media_type: artifact.media_type,
            name: artifact.name,
            inline: artifact.kind == ArtifactKind::Image,
        })
    }
}

/// Lets the objects of artifacts go, in the transaction that takes their rows away.
pub(super) async fn let_go(
    conn: &mut AsyncPgConnection,
    gone: &[Artifact],
    now: DateTime<Utc>,
) -> Result<(), CareerError> {
    for artifact in gone {
        if artifact.kind == ArtifactKind::Document {
            // It stays among its owner's files.
            let document = UploadId(artifact.object_id);
            objects::release(conn, document, &holder(artifact.id)).await.map_err(refused)?;
            continue;
        }
        for object in [Some(artifact.object_id), artifact.thumbnail_id].into_iter().flatten() {
            objects::discard(conn, UploadId(object), now).await.map_err(refused)?;
        }
    }
    Ok(())
}

async fn own(conn: &mut AsyncPgConnection, who: &Principal, project: ProjectId) -> Result<(), CareerError> {
    match store::artifacts::project(conn, project).await? {
        Some((owner, _)) if owner == who.user_id => Ok(()),
        _ => Err(CareerError::No("project")),
    }
}

/// Projects with what belongs to them.
pub(super) async fn shown(
    conn: &mut AsyncPgConnection,
    projects: Vec<Project>,
) -> Result<Vec<ProjectView>, CareerError> {
    let ids: Vec<ProjectId> = projects.iter().map(|project| project.id).collect();
    let mut all: HashMap<ProjectId, Vec<ArtifactView>> = HashMap::new();
    for artifact in &store::artifacts::of(conn, &ids).await? {
        all.entry(artifact.project_id).or_default().push(artifact.into());
    }
    let view = |project: Project| {
        let artifacts = all.remove(&project.id).unwrap_or_default();
        ProjectView { artifacts, ..project.into() }
    };
    Ok(projects.into_iter().map(view).collect())
}
