//! Connection tokens: what a client shows when it opens a socket.
//!
//! A token is signed, not stored, and names the session and the person; it lets nobody in after
//! the session has ended.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    contexts::identity::{Identity, IdentityError},
    principal::{Principal, SessionId, UserId},
};

const PURPOSE: &str = "realtime";

/// A connection token.
#[derive(Clone, Serialize, utoipa::ToSchema)]
pub struct RealtimeToken {
    /// For `connect.token` and `refresh.token`.
    pub token: String,
    /// When it stops opening connections.
    pub expires_at: DateTime<Utc>,
}

/// What a connection token admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealtimeGrant {
    /// Who it is.
    pub principal: Principal,
    /// When the token, and with it the connection, needs a refresh.
    pub expires_at: DateTime<Utc>,
}

impl Identity {
    /// Signs a connection token for the session that asks.
    pub fn realtime_token(&self, who: &Principal) -> RealtimeToken {
        let expires_at = self.inner.clock.now() + self.inner.settings.realtime_token_life;
        // Milliseconds are what the signature carries.
        let expires_at = DateTime::from_timestamp_millis(expires_at.timestamp_millis()).unwrap_or(expires_at);
        let mut payload = Vec::with_capacity(40);
        payload.extend_from_slice(who.session_id.0.as_bytes());
        payload.extend_from_slice(who.user_id.0.as_bytes());
        payload.extend_from_slice(&expires_at.timestamp_millis().to_be_bytes());
        RealtimeToken { token: self.inner.signer.sign(PURPOSE, &payload, Some(expires_at)), expires_at }
    }

    /// Who is behind a connection token.
    ///
    /// # Errors
    /// [`IdentityError::TokenExpired`] for a genuine one past its time; [`IdentityError::NoSession`]
    /// for what is none, or whose session has ended.
    pub async fn by_realtime_token(&self, token: &str) -> Result<RealtimeGrant, IdentityError> {
        let payload = self.inner.signer.verify(PURPOSE, token, self.inner.clock.now())?;
        let (session_id, user_id, expires_at) = read(&payload).ok_or(IdentityError::NoSession)?;
        let principal = self.by_session_id(session_id).await?;
        if principal.user_id != user_id {
            return Err(IdentityError::NoSession);
        }
        Ok(RealtimeGrant { principal, expires_at })
    }
}

fn read(payload: &[u8]) -> Option<(SessionId, UserId, DateTime<Utc>)> {
    let (session, rest) = payload.split_first_chunk::<16>()?;
    let (user, rest) = rest.split_first_chunk::<16>()?;
    let expires_at = DateTime::from_timestamp_millis(i64::from_be_bytes(rest.try_into().ok()?))?;
    Some((SessionId(Uuid::from_bytes(*session)), UserId(Uuid::from_bytes(*user)), expires_at))
}
