//! What identity does about events.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use super::{Identity, IdentityError};
use crate::{
    custody,
    error::Fault,
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
};

/// Everybody here who acts on events.
pub fn consumers(identity: &Identity) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Farewell(identity.clone()))]
}

impl From<IdentityError> for ConsumeError {
    fn from(error: IdentityError) -> Self {
        match error.kind().temporary() {
            true => Self::Retry(error.to_string()),
            false => Self::Reject(error.to_string()),
        }
    }
}

/// Whom everybody has forgotten has nothing left to look at.
struct Farewell(Identity);

impl Consumer for Farewell {
    fn name(&self) -> &'static str {
        "identity.farewell"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["erasure.completed"]
    }

    fn handle<'a>(
        &'a self,
        _: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            self.0.farewell(custody::person(event)?).await?;
            Ok(AfterCommit::nothing())
        })
    }
}
