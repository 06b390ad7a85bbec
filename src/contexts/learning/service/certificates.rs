//! Certificates: issued once for a completion, verified by anybody, revoked with a reason.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::{
    documents, one_more,
    signing::{self, Issuer, LIST},
};
use crate::{
    contexts::learning::{
        CertificateView, Learning, LearningError, RevokeForm, VerifyView,
        model::{
            CERTIFICATE, Certificate, CertificateId, CertificateState, Enrolment, EnrolmentId, EnrolmentState,
        },
        store::{
            self,
            moves::{self, At, By},
        },
        views::DocumentView,
    },
    machine::Actor,
    principal::{Principal, Role, UserId},
};

fn told(one: &Certificate) -> Value {
    json!({
        "certificate_id": one.id, "enrolment_id": one.enrolment_id, "course_id": one.course_id,
        "student_id": one.student_id, "user_id": one.student_id, "title": one.course_title,
    })
}

impl Learning {
    pub(super) fn issuer(&self) -> Issuer {
        Issuer { base: self.inner.public_url.clone() }
    }

    fn certificate_view(&self, one: &Certificate) -> CertificateView {
        CertificateView {
            id: one.id,
            course_id: one.course_id,
            course_title: one.course_title.clone(),
            student_id: one.student_id,
            learner_name: one.learner_name.clone(),
            state: one.state,
            credential: one.credential.clone(),
            verify_url: self.issuer().verify_url(one.id),
            document: DocumentView {
                url: format!("{}/api/v1/certificates/{}/pdf", self.inner.public_url, one.id),
                sha256: one.document_sha256.as_deref().map(hex),
                size: one.document_size,
            },
            issued_at: one.created_at,
            version: one.version,
        }
    }

    /// Issues the certificate of a completed enrolment, in the transaction of whoever asks; if it has a
    /// live one, nothing.
    pub(crate) async fn issue(
        &self,
        conn: &mut AsyncPgConnection,
        id: EnrolmentId,
    ) -> Result<Option<CertificateId>, LearningError> {
        let Some(enrolment) = store::enrolments::lock(conn, id).await? else { return Ok(None) };
        if enrolment.state != EnrolmentState::Completed
            || store::certificates::live(conn, id).await?.is_some()
        {
            return Ok(None);
        }
        let by = (Actor::System, enrolment.student_id);
        let name = self.name_of(enrolment.student_id).await?;
        self.sign_for(conn, &enrolment, &name, by).await.map(Some)
    }

    /// What stands on a learner's certificate. Asked by a connection of its own.
    async fn name_of(&self, student: UserId) -> Result<String, LearningError> {
        let mut names = self.inner.people.existing(&[student]).await.map_err(LearningError::People)?;
        Ok(names.remove(&student).unwrap_or_else(|| "Somebody".to_owned()))
    }

    async fn sign_for(
        &self,
        conn: &mut AsyncPgConnection,
        enrolment: &Enrolment,
        name: &str,
        by: (Actor, UserId),
    ) -> Result<CertificateId, LearningError> {
        let now = self.now();
        let course =
            store::courses::load(conn, enrolment.course_id).await?.ok_or(LearningError::No("course"))?;
        let key = signing_key(conn, now).await?;
        let mut one = Certificate {
            id: CertificateId::new(),
            enrolment_id: enrolment.id,
            course_id: course.id,
            student_id: enrolment.student_id,
            learner_name: name.to_owned(),
            course_title: course.title,
            state: CertificateState::Issued,
            status_index: store::certificates::next_index(conn).await?,
            credential: String::new(),
            key_id: key.id.clone(),
            document_id: None,
            document_sha256: None,
            document_size: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        one.credential = self.issuer().credential(&one, &key)?;
        store::certificates::insert(conn, &one).await?;
        moves::born(conn, &CERTIFICATE, one.id.0, Some("certificate.issued"), by, now, told(&one)).await?;
        documents::wanted(conn, one.id, now).await?;
        Ok(one.id)
    }

    /// A certificate; whoever has its id may see it.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn certificate(&self, id: CertificateId) -> Result<CertificateView, LearningError> {
        let one = store::certificates::load(&mut *self.conn().await?, id).await?;
        let one = one.filter(|one| !one.credential.is_empty());
        Ok(self.certificate_view(&one.ok_or(LearningError::No("certificate"))?))
    }

    /// One's own certificates, the newest first.
    ///
    /// # Errors
    /// [`LearningError::Invalid`] for a foreign cursor.
    pub async fn certificates(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<CertificateView>, Option<String>), LearningError> {
        let before = self.after("certificates", cursor)?;
        let mut conn = self.conn().await?;
        let found = store::certificates::list(&mut conn, who.user_id, before, one_more(limit)).await?;
        let (found, next) = self.page("certificates", found, limit, |one| one.id.0);
        Ok((found.iter().map(|one| self.certificate_view(one)).collect(), next))
    }

    /// Whether a certificate is good: its state, and its signature over these very bytes.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn verify(&self, id: CertificateId) -> Result<VerifyView, LearningError> {
        let mut conn = self.conn().await?;
        // One whose learner was erased has no credential any more.
        let one = store::certificates::load(&mut conn, id).await?.filter(|one| !one.credential.is_empty());
        let one = one.ok_or(LearningError::No("certificate"))?;
        let keys = store::certificates::keys(&mut conn).await?;
        let signature_valid = signing::verifies(&one.credential, &keys, &self.issuer());
        let valid = signature_valid && one.state == CertificateState::Issued;
        Ok(VerifyView { valid, state: one.state, signature_valid, certificate: self.certificate_view(&one) })
    }

    /// Whether a credential is ours, byte by byte.
    #[cfg(test)]
    pub(crate) async fn signature_is_good(&self, credential: &str) -> bool {
        let Ok(mut conn) = self.conn().await else { return false };
        let keys = store::certificates::keys(&mut conn).await.unwrap_or_default();
        signing::verifies(credential, &keys, &self.issuer())
    }

    /// Revokes a certificate, or (`reissue`) puts a new one in the place of a revoked one.
    ///
    /// # Errors
    /// [`LearningError::NotNow`], [`LearningError::NotYours`], [`LearningError::Invalid`],
    /// [`LearningError::Stale`].
    pub async fn move_certificate(
        &self,
        who: &Principal,
        id: CertificateId,
        step: &str,
        form: &RevokeForm,
    ) -> Result<CertificateView, LearningError> {
        let reason = form.reason.trim();
        if !(1..=500).contains(&reason.chars().count()) {
            return Err(LearningError::field("/reason", "takes 1 to 500 characters"));
        }
        let none = || LearningError::No("certificate");
        let now = self.now();
        // Before the transaction: no connection is held while another one is waited for.
        let reissued_to = if step == "reissue" {
            let found = store::certificates::load(&mut *self.conn().await?, id).await?.ok_or_else(none)?;
            Some(self.name_of(found.student_id).await?)
        } else {
            None
        };
        let mut conn = self.conn().await?;
        let shown = (*conn)
            .transaction(async |conn| {
                let found = store::certificates::load(conn, id).await?.ok_or_else(none)?;
                let enrolment = store::enrolments::lock(conn, found.enrolment_id).await?.ok_or_else(none)?;
                let one = store::certificates::load(conn, id).await?.ok_or_else(none)?;
                let course = store::courses::load(conn, one.course_id).await?.ok_or_else(none)?;
                let mut actors = super::actors(who, &course);
                if actors.is_empty() {
                    actors.push(Actor::Student);
                }
                if let Some(name) = &reissued_to {
                    if !(who.is(Role::Operator) || course.owner_id == who.user_id) {
                        return Err(LearningError::NotYours("the instructor or an operator may do this"));
                    }
                    if store::certificates::live(conn, enrolment.id).await?.is_some() {
                        return Err(LearningError::Contradicts("revoke the live certificate first"));
                    }
                    let by = (actors[0], who.user_id);
                    return self.sign_for(conn, &enrolment, name, by).await;
                }
                let by = By { actors: &actors, user: Some(who.user_id) };
                let mut data = told(&one);
                data["reason"] = json!(reason);
                moves::advance(conn, &CERTIFICATE, At::from(&one), step, by, now, data).await?;
                Ok(id)
            })
            .await?;
        drop(conn);
        self.certificate(shown).await
    }

    /// Takes a fresh key for what is signed from now on; what was signed before stays good.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn rotate_key(&self) -> Result<String, LearningError> {
        let now = self.now();
        let fresh = &signing::fresh_key()?;
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                store::certificates::retire(conn, now).await?;
                store::certificates::add_key(conn, fresh, now).await?;
                Ok::<_, LearningError>(fresh.id.clone())
            })
            .await
    }

    /// The issuer's `did:web` document.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn did_document(&self) -> Result<Value, LearningError> {
        let mut conn = self.conn().await?;
        signing_key(&mut conn, self.now()).await?;
        Ok(self.issuer().document(&store::certificates::keys(&mut conn).await?))
    }

    /// A status list: a signed JWT.
    ///
    /// # Errors
    /// [`LearningError::No`] for a list that has no place yet.
    pub async fn status_list(&self, list: i64) -> Result<String, LearningError> {
        if !(0..=1_000_000).contains(&list) {
            return Err(LearningError::No("status list"));
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let revoked = store::certificates::revoked(&mut conn, list * LIST, (list + 1) * LIST).await?;
        let key = signing_key(&mut conn, now).await?;
        self.issuer().status_list(list, &revoked, &key, now)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key that signs now; made with the first use.
async fn signing_key(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> Result<store::certificates::KeyRow, LearningError> {
    if let Some(key) = store::certificates::key(conn).await? {
        return Ok(key);
    }
    store::certificates::add_key(conn, &signing::fresh_key()?, now).await?;
    store::certificates::key(conn).await?.ok_or(LearningError::Signing)
}
