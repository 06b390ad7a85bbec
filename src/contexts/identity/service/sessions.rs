//! Sessions: who is behind a token, which there are, and how they end.

use std::collections::HashSet;

use uuid::Uuid;

use crate::{
    contexts::identity::{
        Identity, IdentityError,
        model::{Account, Session, SessionView, TOUCH_EVERY},
        tokens::{TokenHash, TokenKind},
    },
    principal::{Principal, SessionId},
    telemetry::log,
};

impl Identity {
    /// Who is behind a session token. Using a session moves its end.
    ///
    /// # Errors
    /// [`IdentityError::NoSession`].
    pub async fn by_session_token(&self, token: &str) -> Result<Principal, IdentityError> {
        let (session, account) = self.session_of(token).await?;
        Ok(account.principal(session.id))
    }

    /// The session behind a token, and whose it is; for a page that also wants to know its end.
    ///
    /// # Errors
    /// [`IdentityError::NoSession`].
    pub async fn session_of(&self, token: &str) -> Result<(Session, Account), IdentityError> {
        let hash = TokenHash::of(TokenKind::Session, token).ok_or(IdentityError::NoSession)?;
        let now = self.inner.clock.now();
        let found = self.inner.store.session_by_token(&hash, now).await?;
        let (mut session, account) = found.ok_or(IdentityError::NoSession)?;
        if now - session.last_seen_at >= TOUCH_EVERY {
            session.expires_at = now + self.inner.settings.session_life;
            // Nobody is turned away because a time could not be noted.
            if let Err(error) = self.inner.store.touch_session(session.id, now, session.expires_at).await {
                slog::debug!(log(), "a session's use was not noted"; "error" => %error);
            }
        }
        Ok((session, account))
    }

    /// Who is behind a session, as long as it lives.
    ///
    /// # Errors
    /// [`IdentityError::NoSession`].
    pub async fn by_session_id(&self, id: SessionId) -> Result<Principal, IdentityError> {
        let (session, account) = self.session_by_id(id).await?;
        Ok(account.principal(session.id))
    }

    /// A live session and its owner.
    ///
    /// # Errors
    /// [`IdentityError::NoSession`].
    pub async fn session_by_id(&self, id: SessionId) -> Result<(Session, Account), IdentityError> {
        let found = self.inner.store.session(id, self.inner.clock.now()).await?;
        found.ok_or(IdentityError::NoSession)
    }

    /// At most `limit` of the person's live sessions, the newest first, and the cursor to go on with.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for a cursor that is not one of theirs.
    pub async fn session_page(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<SessionView>, Option<String>), IdentityError> {
        let now = self.inner.clock.now();
        // Signed for the person: a cursor of somebody else means nothing here.
        let purpose = format!("sessions:{}", who.user_id);
        let before = match cursor {
            None => None,
            Some(cursor) => {
                let bytes = self.inner.signer.verify(&purpose, cursor, now).ok();
                let id = bytes.and_then(|bytes| Uuid::from_slice(&bytes).ok());
                Some(SessionId(id.ok_or_else(|| IdentityError::field("?cursor", "is not one of ours"))?))
            }
        };
        let limit = limit.max(1);
        // One more than asked for tells whether there is a next page.
        let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut found = self.inner.store.sessions(who.user_id, now, before, most).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next_cursor = found
            .last()
            .filter(|_| more)
            .map(|last| self.inner.signer.sign(&purpose, last.id.0.as_bytes(), None));
        let items = found.into_iter().map(|session| SessionView::new(session, who.session_id)).collect();
        Ok((items, next_cursor))
    }

    /// Which of these sessions have ended: revoked, perhaps on another node.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn ended_of(&self, mut ids: Vec<SessionId>) -> Result<Vec<SessionId>, IdentityError> {
        let left: HashSet<SessionId> = self.inner.store.sessions_left(&ids).await?.into_iter().collect();
        ids.retain(|id| !left.contains(id));
        Ok(ids)
    }

    /// Ends one of the person's sessions; their own present one is a sign-out.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`], also for a session of somebody else.
    pub async fn end_session(&self, who: &Principal, id: SessionId) -> Result<(), IdentityError> {
        if !self.inner.store.end_session(who.user_id, id).await? {
            return Err(IdentityError::NotFound("session"));
        }
        self.tell_ended(&[id]);
        Ok(())
    }

    /// Ends the person's sessions except the one that asks; how many there were.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn end_other_sessions(&self, who: &Principal) -> Result<usize, IdentityError> {
        let ended = self.inner.store.end_sessions(who.user_id, Some(who.session_id)).await?;
        self.tell_ended(&ended);
        Ok(ended.len())
    }
}
