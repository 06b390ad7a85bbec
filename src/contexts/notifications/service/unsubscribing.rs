//! The link in every mail that ends mails of its sort (RFC 8058). It works without a session, for good:
//! its token names the person and the kind, and is signed.

use uuid::Uuid;

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError,
        kinds::{Kind, kind},
        store,
    },
    principal::UserId,
};

const PURPOSE: &str = "notifications.unsubscribe";

/// What a link ends.
#[derive(Clone, Copy, Debug)]
pub struct Ends {
    user: UserId,
    /// One kind; otherwise all.
    kind: Option<&'static Kind>,
}

impl Ends {
    /// What it ends, in words.
    pub fn words(&self) -> String {
        match self.kind {
            Some(kind) => format!("mails about “{}”", kind.name),
            None => "all mails about notifications".to_owned(),
        }
    }
}

impl Notifications {
    /// The link that ends mails of a kind, or all of them.
    pub(super) fn unsubscribe_link(&self, user: UserId, kind: Option<&str>) -> String {
        let mut payload = user.0.as_bytes().to_vec();
        payload.extend_from_slice(kind.unwrap_or_default().as_bytes());
        let token = self.parts().signer.sign(PURPOSE, &payload, None);
        format!("{}/unsubscribe?token={token}", self.parts().public_url)
    }

    /// What a link's token ends; changes nothing.
    ///
    /// # Errors
    /// [`NotificationsError::BadLink`].
    pub fn unsubscribe_token(&self, token: &str) -> Result<Ends, NotificationsError> {
        let bad = || NotificationsError::BadLink;
        let payload = self.parts().signer.verify(PURPOSE, token, self.now()).map_err(|_| bad())?;
        let (user, name) = payload.split_at_checked(16).ok_or_else(bad)?;
        let user = UserId(Uuid::from_slice(user).map_err(|_| bad())?);
        // A kind that is no more: then it is all that can be meant.
        Ok(Ends { user, kind: std::str::from_utf8(name).ok().and_then(kind) })
    }

    /// Ends them. Doing it again changes nothing.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub async fn unsubscribe(&self, ends: Ends) -> Result<(), NotificationsError> {
        // Whoever changes the same preferences at the same time is quicker a few times at most.
        for _ in 0..8 {
            let chosen = self.preferences(ends.user).await?;
            let mut own = chosen.preferences.clone();
            match ends.kind {
                Some(kind) => {
                    let mut channels = own.kinds.get(kind.key).copied().unwrap_or(kind.default);
                    channels.email = false;
                    own.kinds.insert(kind.key.to_owned(), channels);
                }
                None => own.email = false,
            }
            if own == chosen.preferences {
                return Ok(());
            }
            let mut conn = self.conn().await?;
            let saved =
                store::preferences::save(&mut conn, ends.user, chosen.version, &own, self.now()).await?;
            if saved.is_some() {
                return Ok(());
            }
        }
        Err(NotificationsError::Stale)
    }
}
