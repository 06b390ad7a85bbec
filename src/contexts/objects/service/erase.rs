//! Forgetting somebody's files.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use crate::{
    contexts::objects::{UploadError, Uploads, store},
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    principal::UserId,
};

/// Everybody here who acts on events.
pub fn consumers(uploads: &Uploads) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Erasure(uploads.clone()))]
}

/// After a person is gone, nothing of what they uploaded is left, whoever used it.
struct Erasure(Uploads);

impl Consumer for Erasure {
    fn name(&self) -> &'static str {
        "objects.erasure"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["user.erasure_requested"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let user = event.data.get("user_id").and_then(serde_json::Value::as_str);
            let Some(user) = user.and_then(|text| text.parse().ok()).map(UserId) else {
                return Err(ConsumeError::Reject("it names nobody".into()));
            };
            store::forget(conn, user, self.0.now())
                .await
                .map_err(|error| ConsumeError::Retry(UploadError::from(error).to_string()))?;
            let uploads = self.0.clone();
            Ok(AfterCommit::run(move || uploads.inner.work.notify_one()))
        })
    }
}
