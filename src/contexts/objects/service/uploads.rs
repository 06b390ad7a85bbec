//! Beginning, sending, completing and removing uploads.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use crate::{
    contexts::objects::{
        CompleteForm, DownloadView, PartView, PartsForm, SignedPart, UploadError, UploadForm, UploadId,
        UploadView, Uploads, forms,
        model::{Upload, UploadState},
        store::{self, Step},
    },
    error::FieldError,
    events::{self, NewEvent},
    ports::objects::{Bounds, Key, ObjectError, Part, Plan},
    principal::{Principal, UserId},
};

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Records what became of an upload.
pub(super) async fn tell(
    conn: &mut AsyncPgConnection,
    subject: &'static str,
    upload: &Upload,
) -> Result<(), UploadError> {
    let data = json!({
        "upload_id": upload.id, "owner_id": upload.owner_id, "state": upload.state,
        "media_type": upload.media_type, "size": upload.size, "refusal": upload.refusal,
    });
    let (aggregate, version) = (upload.id.to_string(), upload.version);
    events::record(conn, NewEvent { subject, context: "objects", aggregate, version, data }).await?;
    Ok(())
}

impl Uploads {
    /// Begins an upload under `id`, which may be one that this person has begun before.
    ///
    /// # Errors
    /// [`UploadError::Invalid`], [`UploadError::OverQuota`].
    pub async fn begin(
        &self,
        who: &Principal,
        id: Uuid,
        form: &UploadForm,
    ) -> Result<UploadView, UploadError> {
        let set = &self.inner.settings;
        let form = form.check(set.largest, set.part)?;
        let now = self.now();
        let (id, owner) = (UploadId(id), who.user_id);
        let whole = form.plan == Plan::Whole;
        let upload = Upload {
            id,
            owner_id: owner,
            name: form.name,
            media_type: form.media_type,
            size: signed(form.size),
            sha256: form.sha256.map(Vec::from),
            key: Key::of("o", id.0).to_string(),
            // What comes in one piece arrives elsewhere: its URL outlives the verification, and must not
            // be able to change what was verified. An upload in parts ends when it is joined.
            staging: whole.then(|| Key::of("in", id.0).to_string()),
            parts: None,
            part_size: match form.plan {
                Plan::Whole => None,
                Plan::Parts { part_size, .. } => Some(signed(part_size)),
            },
            state: UploadState::Open,
            refusal: None,
            due_at: chrono::Duration::from_std(set.open_for).ok().map(|wait| now + wait),
            attempts: 0,
            purge: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let mut conn = self.conn().await?;
        let (new, quota) = (&upload, set.quota);
        let upload = (*conn)
            .transaction(async |conn| {
                if !store::insert(conn, new).await? {
                    let there = store::load(conn, id).await?.filter(|there| there.owner_id == owner);
                    return there.ok_or(UploadError::No);
                }
                if !store::take_quota(conn, owner, new.size, signed(quota)).await? {
                    return Err(UploadError::OverQuota(quota));
                }
                Ok(new.clone())
            })
            .await?;
        drop(conn);
        self.shown(&upload).await
    }

    /// One's own upload: how to send it, or what became of it.
    ///
    /// # Errors
    /// [`UploadError::No`].
    pub async fn upload(&self, who: &Principal, id: UploadId) -> Result<UploadView, UploadError> {
        self.shown(&self.own(who.user_id, id).await?).await
    }

    /// One's uploads, the newest first.
    ///
    /// # Errors
    /// [`UploadError::Invalid`] for a foreign cursor.
    pub async fn uploads(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<UploadView>, Option<String>), UploadError> {
        const LIST: &str = "objects.uploads";
        let bad = || UploadError::field("?cursor", "is not a cursor of this list");
        let before = match cursor {
            None => None,
            Some(cursor) => {
                let bytes = self.inner.signer.verify(LIST, cursor, self.now()).map_err(|_| bad())?;
                Some(Uuid::from_slice(&bytes).map_err(|_| bad())?)
            }
        };
        let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = store::list(&mut *self.conn().await?, who.user_id, before, one_more).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more);
        let next = next.map(|last| self.inner.signer.sign(LIST, last.id.0.as_bytes(), None));
        Ok((found.iter().map(UploadView::of).collect(), next))
    }

    /// Signs requests for parts.
    ///
    /// # Errors
    /// [`UploadError::NotNow`], [`UploadError::Invalid`] for numbers that it has not.
    pub async fn sign_parts(
        &self,
        who: &Principal,
        id: UploadId,
        form: &PartsForm,
    ) -> Result<Vec<SignedPart>, UploadError> {
        let upload = self.own(who.user_id, id).await?;
        if upload.state != UploadState::Open || upload.due_at.is_some_and(|due| due <= self.now()) {
            return Err(UploadError::NotNow(upload.state));
        }
        if !(1..=100).contains(&form.numbers.len()) {
            return Err(UploadError::field("/numbers", "takes 1 to 100 numbers"));
        }
        let (plan, bytes) = (upload.plan(), upload.bytes());
        let mut wrong = Vec::new();
        let mut sizes = Vec::new();
        for (n, number) in form.numbers.iter().enumerate() {
            match plan.part(*number, bytes) {
                Some(size) => sizes.push((*number, size)),
                None => wrong.push(FieldError::new(format!("/numbers/{n}"), "is no part of this upload")),
            }
        }
        if !wrong.is_empty() {
            return Err(UploadError::Invalid(wrong));
        }
        let key = upload.place().ok_or(UploadError::No)?;
        let name = self.parts_name(&upload, &key).await?;
        let mut parts = Vec::with_capacity(sizes.len());
        for (number, size) in sizes {
            let life = self.inner.settings.url_life;
            let put = self.inner.objects.part_request(&key, &name, number, size, life).await?;
            parts.push(SignedPart { number, size, put });
        }
        Ok(parts)
    }

    /// The store's name of the upload; begun with the first part, and once.
    async fn parts_name(&self, upload: &Upload, key: &Key) -> Result<String, UploadError> {
        if let Some(name) = &upload.parts {
            return Ok(name.clone());
        }
        let ours = self.inner.objects.begin_parts(key, &upload.media_type).await?;
        let row = store::name_parts(&mut *self.conn().await?, upload.id, &ours).await?;
        let name = row.and_then(|row| row.parts).ok_or(UploadError::NotNow(UploadState::Expired))?;
        if name != ours {
            self.inner.objects.abort_parts(key, &ours).await?;
        }
        Ok(name)
    }

    /// Ends an upload: what arrived is verified, at once if it is not too large. Ending it again answers
    /// what became of it.
    ///
    /// # Errors
    /// [`UploadError::Incomplete`], [`UploadError::Refused`], [`UploadError::NotNow`].
    pub async fn complete(
        &self,
        who: &Principal,
        id: UploadId,
        form: &CompleteForm,
    ) -> Result<UploadView, UploadError> {
        let upload = self.own(who.user_id, id).await?;
        let given = match form.sha256.as_deref().map(forms::digest) {
            Some(None) => return Err(UploadError::field("/sha256", "takes 64 hexadecimal digits")),
            given => given.flatten(),
        };
        if given.is_some() && upload.digest().is_some_and(|known| Some(known) != given) {
            return Err(UploadError::field("/sha256", "another one was announced"));
        }
        let now = self.now();
        match upload.state {
            UploadState::Ready | UploadState::Verifying => return Ok(UploadView::of(&upload)),
            UploadState::Refused => return Err(UploadError::Refused(upload.refusal.unwrap_or_default())),
            UploadState::Open if upload.due_at.is_none_or(|due| due > now) => {}
            state => return Err(UploadError::NotNow(state)),
        }
        self.all_arrived(&upload).await?;
        let inline = upload.bytes() <= self.inner.settings.inline;
        let step = Step {
            sha256: given.as_ref().map(<[u8; 32]>::as_slice),
            // Inline, the worker takes over only if this request ends before it is done.
            due_at: Some(if inline { now + chrono::Duration::minutes(5) } else { now }),
            ..Step::default()
        };
        let mut conn = self.conn().await?;
        let taken =
            store::advance(&mut conn, id, UploadState::Open, UploadState::Verifying, step, now).await?;
        drop(conn);
        let Some(upload) = taken else { return self.upload(who, id).await };
        if !inline {
            self.inner.work.notify_one();
            return Ok(UploadView::of(&upload));
        }
        let done = self.verify(&upload).await?;
        match done.state {
            UploadState::Refused => Err(UploadError::Refused(done.refusal.unwrap_or_default())),
            _ => Ok(UploadView::of(&done)),
        }
    }

    /// Whether the store has what was announced, by size.
    async fn all_arrived(&self, upload: &Upload) -> Result<(), UploadError> {
        let Plan::Parts { count, .. } = upload.plan() else {
            let key = upload.arrival().ok_or(UploadError::No)?;
            return match self.inner.objects.size(&key).await? {
                Some(_) => Ok(()),
                None => Err(UploadError::Object(ObjectError::NotFound)),
            };
        };
        let arrived = self.arrived(upload).await?;
        let missing: Vec<u32> =
            (1..=count).filter(|number| !arrived.iter().any(|part| part.number == *number)).collect();
        if missing.is_empty() { Ok(()) } else { Err(UploadError::Incomplete(missing)) }
    }

    /// The parts that have arrived with the size that they must have.
    pub(super) async fn arrived(&self, upload: &Upload) -> Result<Vec<Part>, UploadError> {
        let (Some(name), Some(key)) = (&upload.parts, upload.place()) else { return Ok(Vec::new()) };
        let (plan, bytes) = (upload.plan(), upload.bytes());
        let there = match self.inner.objects.parts(&key, name).await {
            Ok(there) => there,
            Err(ObjectError::NoUpload) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(there.into_iter().filter(|part| plan.part(part.number, bytes) == Some(part.size)).collect())
    }

    /// A link to one's own object.
    ///
    /// # Errors
    /// [`UploadError::NotNow`] before it is ready.
    pub async fn download(&self, who: &Principal, id: UploadId) -> Result<DownloadView, UploadError> {
        let upload = self.own(who.user_id, id).await?;
        if upload.state != UploadState::Ready {
            return Err(UploadError::NotNow(upload.state));
        }
        self.link_to(&upload).await
    }

    /// Removes one's own upload or object.
    ///
    /// # Errors
    /// [`UploadError::InUse`], [`UploadError::NotNow`] while it is verified.
    pub async fn remove(&self, who: &Principal, id: UploadId) -> Result<(), UploadError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let upload = store::lock(conn, id).await?;
                let upload = upload.filter(|upload| upload.owner_id == who.user_id).ok_or(UploadError::No)?;
                match upload.state {
                    UploadState::Open | UploadState::Ready => {}
                    UploadState::Deleted => return Ok(()),
                    state => return Err(UploadError::NotNow(state)),
                }
                if store::is_held(conn, id).await? {
                    return Err(UploadError::InUse);
                }
                let step = Step { purge: Some("all"), ..Step::default() };
                let gone = store::advance(conn, id, upload.state, UploadState::Deleted, step, now).await?;
                let gone = gone.ok_or(UploadError::No)?;
                // What the server made never counted.
                if !upload.is_made() {
                    store::give_quota_back(conn, upload.owner_id, upload.size).await?;
                }
                tell(conn, "upload.deleted", &gone).await
            })
            .await?;
        self.inner.work.notify_one();
        Ok(())
    }

    async fn own(&self, owner: UserId, id: UploadId) -> Result<Upload, UploadError> {
        let upload = store::load(&mut *self.conn().await?, id).await?;
        upload.filter(|upload| upload.owner_id == owner).ok_or(UploadError::No)
    }

    /// With how to send it, or what has arrived of it.
    async fn shown(&self, upload: &Upload) -> Result<UploadView, UploadError> {
        let mut view = UploadView::of(upload);
        if upload.state != UploadState::Open {
            return Ok(view);
        }
        if let Some(parts) = &mut view.parts {
            let arrived = self.arrived(upload).await?;
            parts.arrived_bytes = arrived.iter().map(|part| part.size).sum();
            parts.arrived =
                arrived.iter().map(|part| PartView { number: part.number, size: part.size }).collect();
        } else if let Some(key) = upload.arrival() {
            let bounds = Bounds {
                size: upload.bytes(),
                media_type: upload.media_type.clone(),
                sha256: upload.digest(),
            };
            let life = self.inner.settings.url_life;
            view.put = Some(self.inner.objects.put_request(&key, &bounds, life).await?);
        }
        Ok(view)
    }
}
