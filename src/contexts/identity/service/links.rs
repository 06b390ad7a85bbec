//! Links in mails: a token that works once, for one purpose, for a while.

use chrono::Duration;

use crate::{
    contexts::identity::{
        Identity, IdentityError, mails,
        model::{Account, OneTimePurpose},
        store::InsertLink,
        tokens::{Token, TokenHash, TokenKind},
    },
    ports::mail::Letter,
};

/// So many links of one sort a person gets in [`WINDOW`]: nobody's mailbox is flooded through us.
const MOST: i64 = 5;
const WINDOW: Duration = Duration::hours(1);

/// How long a link works.
const fn life(purpose: OneTimePurpose) -> Duration {
    match purpose {
        OneTimePurpose::VerifyEmail => Duration::days(2),
        OneTimePurpose::ResetPassword => Duration::hours(1),
    }
}

impl Identity {
    /// Mails a fresh link.
    pub(super) async fn mail_link(
        &self,
        account: &Account,
        purpose: OneTimePurpose,
    ) -> Result<(), IdentityError> {
        let token = Token::fresh(TokenKind::Link)?;
        let now = self.inner.clock.now();
        let link = InsertLink {
            token: token.hash(),
            user_id: account.id,
            purpose,
            now,
            expires_at: now + life(purpose),
        };
        if !self.inner.store.insert_link(&link, MOST, now - WINDOW).await? {
            return Err(IdentityError::TooManyMails { retry_after: std::time::Duration::from_secs(600) });
        }
        let public_url = &self.inner.settings.public_url;
        let letter = match purpose {
            OneTimePurpose::VerifyEmail => mails::verify_email(&account.email, public_url, &token),
            OneTimePurpose::ResetPassword => mails::reset_password(&account.email, public_url, &token),
        };
        Ok(self.inner.mail.send(letter).await?)
    }

    /// Sends a mail that the deed does not depend on.
    pub(super) async fn mail_notice(&self, letter: Letter) {
        if let Err(error) = self.inner.mail.send(letter).await {
            slog::warn!(crate::telemetry::log(), "a notice was not mailed"; "error" => %error);
        }
    }
}

/// The hash of a presented link's token.
///
/// What does not even look like a token is a wrong field; what does is dead or alive.
pub(super) fn link_hash(token: &str) -> Result<TokenHash, IdentityError> {
    TokenHash::of(TokenKind::Link, token)
        .ok_or_else(|| IdentityError::field("/token", "is not a token from one of our mails"))
}
