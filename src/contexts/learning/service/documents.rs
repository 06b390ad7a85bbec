//! Certificates as documents. Making one is a timer's task, so it outlives the process; whoever asks
//! before it ran has it made at once. The object's id is the certificate's and the bytes are a function of
//! what is certified, so doing it twice is doing it once.

use bytes::Bytes;
use diesel_async::{AsyncConnection, AsyncPgConnection};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    contexts::{
        learning::{
            Learning, LearningError,
            certificate::{self, Certified, DocumentError},
            model::{CERTIFICATE, Certificate, CertificateId, CertificateState},
            store::{self, TIMERS},
        },
        objects::{self, DownloadView, UploadId},
    },
    telemetry::log,
};

/// The timer's task.
pub(super) const TASK: &str = "document";

/// Sets the task, in the transaction that issues.
pub(super) async fn wanted(
    conn: &mut AsyncPgConnection,
    id: CertificateId,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), LearningError> {
    Ok(TIMERS.set(conn, CERTIFICATE.name, id.0, TASK, now).await?)
}

impl Learning {
    /// A link to a certificate's document; it is public, as the certificate is.
    ///
    /// # Errors
    /// [`LearningError::No`]; [`LearningError::Document`] while it cannot be made.
    pub async fn document(&self, id: CertificateId) -> Result<DownloadView, LearningError> {
        let one = store::certificates::load(&mut *self.conn().await?, id).await?;
        let one = one.ok_or(LearningError::No("certificate"))?;
        let object = match one.document_id {
            Some(object) => object,
            None if one.state != CertificateState::Issued => {
                return Err(LearningError::Contradicts("it was revoked before it had a document"));
            }
            None => self.make_document(&one).await?,
        };
        Ok(self.inner.uploads.link(object).await?)
    }

    /// The timer's task.
    pub(super) async fn document_due(&self, timer: Uuid, id: CertificateId) -> Result<(), LearningError> {
        let found = store::certificates::load(&mut *self.conn().await?, id).await?;
        if let Some(one) = found.filter(|one| one.document_id.is_none()) {
            self.make_document(&one).await?;
        }
        TIMERS.consume(&mut *self.conn().await?, timer).await?;
        Ok(())
    }

    async fn make_document(&self, one: &Certificate) -> Result<UploadId, LearningError> {
        let made = self.rendered(one).await;
        let outcome = match &made {
            Ok(_) => "made",
            Err(LearningError::Document(DocumentError::NoFont(_))) => "no_font",
            Err(_) => "failed",
        };
        self.inner.metrics.documents.with_label_values(&[outcome]).inc();
        let bytes = made?;
        let object = UploadId(one.id.0);
        let name = format!("certificate-{}.pdf", one.id);
        let (digest, size) =
            (Sha256::digest(&bytes).to_vec(), i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        let owner = one.student_id;
        self.inner.uploads.keep(object, owner, &name, "application/pdf", Bytes::from(bytes)).await?;
        let mut conn = self.conn().await?;
        let (id, holder) = (one.id, format!("certificate:{}", one.id));
        (*conn)
            .transaction(async |conn| {
                objects::hold(conn, object, &holder).await?;
                store::certificates::documented(conn, id, object, &digest, size).await?;
                Ok::<_, LearningError>(())
            })
            .await?;
        slog::info!(log(), "a certificate's document is made"; "certificate" => %one.id, "bytes" => size);
        Ok(object)
    }

    async fn rendered(&self, one: &Certificate) -> Result<Vec<u8>, LearningError> {
        let verify_url = self.issuer().verify_url(one.id);
        let (fonts, one) = (self.inner.fonts.clone(), one.clone());
        // Reading fonts and shaping are work for a processor, not for the event loop.
        let made = tokio::task::spawn_blocking(move || {
            let certified = Certified {
                id: one.id.to_string(),
                name: &one.learner_name,
                course: &one.course_title,
                at: one.created_at,
                verify_url: &verify_url,
            };
            certificate::render(&certified, fonts.get())
        });
        Ok(made.await.map_err(|_| DocumentError::Refused("rendering ended early".into()))??)
    }
}
