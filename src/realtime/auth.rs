//! How a connection is let in.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;

use super::protocol::errors::RtError;
use crate::principal::Principal;

/// A connection that may be.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who it is.
    pub principal: Principal,
    /// When the credentials end; a token's holder extends them by `refresh`, a cookie's holder
    /// cannot. `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Checks credentials; implemented by the identity context.
pub trait Authenticator: Send + Sync + 'static {
    /// Checks a connection token.
    ///
    /// # Errors
    /// [`RtError::INVALID_TOKEN`] for what is no token of ours or of an ended session (final),
    /// [`RtError::TOKEN_EXPIRED`] for one past its time (the SDK fetches another).
    fn by_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Admission, RtError>>;

    /// Checks the request's `Cookie` header.
    ///
    /// # Errors
    /// [`RtError::UNAUTHORIZED`] where it holds no live session.
    fn by_cookie<'a>(&'a self, cookie: &'a str) -> BoxFuture<'a, Result<Admission, RtError>>;
}
