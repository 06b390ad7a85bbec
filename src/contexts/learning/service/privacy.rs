//! A person's rights to what learning knows of them.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};

use crate::{
    contexts::{
        learning::{
            Learning, LearningError,
            model::{CERTIFICATE, CertificateId},
            store::{
                self,
                moves::{self, At, By},
            },
        },
        objects::{self, UploadId},
    },
    machine::Actor,
    principal::UserId,
};

impl Learning {
    /// Everything that learning knows of a person, as JSON.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn personal_data(&self, user: UserId) -> Result<Value, LearningError> {
        Ok(store::privacy::known(&mut *self.conn().await?, user).await?)
    }

    /// Forgets a person, in the caller's transaction: what they wrote, how they did, what they are called.
    /// Their certificates are revoked, because nobody could verify them any more. Places in courses stay
    /// under a pseudonym: the books refer to them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::contexts::learning) async fn forget(
        &self,
        conn: &mut AsyncPgConnection,
        user: UserId,
    ) -> Result<(), LearningError> {
        let now = self.now();
        for id in store::privacy::live_certificates(conn, user).await? {
            let Some(one) = store::certificates::load(conn, CertificateId(id)).await? else { continue };
            let data = json!({ "certificate_id": id, "enrolment_id": one.enrolment_id, "reason": "erased" });
            let by = By { actors: &[Actor::Operator], user: None };
            moves::advance(conn, &CERTIFICATE, At::from(&one), "revoke", by, now, data).await?;
        }
        for (certificate, document) in store::privacy::documents(conn, user).await? {
            objects::release(conn, UploadId(document), &format!("certificate:{certificate}")).await?;
        }
        for (submission, files) in store::privacy::handed_in(conn, user).await? {
            for file in files {
                objects::release(conn, UploadId(file), &format!("submission:{submission}")).await?;
            }
        }
        Ok(store::privacy::forget(conn, user).await?)
    }
}
