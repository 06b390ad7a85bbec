//! What stands behind the real-time layer's [`Authenticator`]: who may open a connection.

use futures_util::future::BoxFuture;

use super::{Identity, IdentityError};
use crate::{
    http::extract::COOKIE,
    realtime::{Admission, Authenticator, RtError},
};

impl Authenticator for Identity {
    fn by_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            match self.by_realtime_token(token).await {
                Ok(grant) => Ok(Admission { principal: grant.principal, expires_at: Some(grant.expires_at) }),
                // The SDK fetches another token and comes back.
                Err(IdentityError::TokenExpired) => Err(RtError::TOKEN_EXPIRED),
                // Final: no retry makes it valid.
                Err(IdentityError::NoSession) => Err(RtError::INVALID_TOKEN),
                Err(other) => Err(other.into()),
            }
        })
    }

    fn by_cookie<'a>(&'a self, cookie: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            let token = session_token(cookie).ok_or(RtError::UNAUTHORIZED)?;
            match self.by_session_token(token).await {
                // No end of its own: when the session is ended, its connections are told.
                Ok(principal) => Ok(Admission { principal, expires_at: None }),
                Err(IdentityError::NoSession) => Err(RtError::UNAUTHORIZED),
                Err(other) => Err(other.into()),
            }
        })
    }
}

/// Our cookie's value in a `Cookie` header (RFC 6265 §4.2.1).
fn session_token(header: &str) -> Option<&str> {
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_cookie_is_found_among_others() {
        assert_eq!(session_token("a=b; gigsy_session=gs_x; c=d"), Some("gs_x"));
        assert_eq!(session_token("gigsy_session=\"gs_x\""), Some("gs_x"));
        assert_eq!(session_token("not_gigsy_session=gs_x; gigsy"), None);
        assert_eq!(session_token(""), None);
    }
}
