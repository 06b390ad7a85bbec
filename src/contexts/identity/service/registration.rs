//! Registering, and proving that the address is one's own.

use serde::Deserialize;

use super::links::link_hash;
use crate::{
    contexts::identity::{
        Identity, IdentityError,
        model::{Account, OneTimePurpose, RegisterForm},
        store::InsertAccount,
    },
    principal::{Principal, UserId},
    telemetry::log,
};

/// The token out of a mail's link.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
pub struct LinkForm {
    /// What stands behind `?token=` in the link.
    #[schema(example = "gl_…", max_length = 64)]
    pub token: String,
}

impl Identity {
    /// Makes an account and mails the link that verifies its address.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] with every wrong field; [`IdentityError::EmailTaken`].
    pub async fn register(&self, form: &RegisterForm) -> Result<Account, IdentityError> {
        let new = form.check().map_err(IdentityError::Invalid)?;
        let password_hash = self.inner.passwords.hash(&new.password).await?;
        let account = Account {
            id: UserId::new(),
            email: new.email,
            email_verified_at: None,
            display_name: new.display_name,
            headline: None,
            bio: None,
            time_zone: None,
            roles: vec![new.role],
            version: 1,
            created_at: self.inner.clock.now(),
            deletion_due_at: None,
        };
        let insert = InsertAccount { account, password_hash: Some(password_hash) };
        self.inner.store.insert_account(&insert).await?;
        let account = insert.account;
        slog::info!(log(), "registered"; "user_id" => %account.id, "role" => %new.role);
        // The account stands; a mail that fails now is asked for again from the profile.
        if let Err(error) = self.mail_link(&account, OneTimePurpose::VerifyEmail).await {
            slog::warn!(log(), "verification not mailed"; "user_id" => %account.id, "error" => %error);
        }
        Ok(account)
    }

    /// Verifies the address that the link was mailed to.
    ///
    /// # Errors
    /// [`IdentityError::LinkDead`] for a link that was used or has expired.
    pub async fn verify_email(&self, form: &LinkForm) -> Result<Account, IdentityError> {
        let token = link_hash(&form.token)?;
        let account = self.inner.store.verify_email(&token, self.inner.clock.now()).await?;
        account.ok_or(IdentityError::LinkDead)
    }

    /// Mails another link to verify the address; nothing happens if it is verified.
    ///
    /// # Errors
    /// [`IdentityError::TooManyMails`].
    pub async fn resend_verification(&self, who: &Principal) -> Result<(), IdentityError> {
        let account = self.me(who.user_id).await?;
        if account.email_verified() {
            return Ok(());
        }
        self.mail_link(&account, OneTimePurpose::VerifyEmail).await
    }
}
