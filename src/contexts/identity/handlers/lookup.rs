//! What stands behind [`SignedIn`](crate::http::SignedIn).

use futures_util::future::BoxFuture;

use crate::{
    contexts::identity::Identity,
    http::{Problem, extract::SessionLookup},
    principal::Principal,
};

impl SessionLookup for Identity {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move { Ok(self.by_session_token(token).await?) })
    }
}
