//! Changing the password, and setting a new one when it is forgotten.

use std::{net::IpAddr, time::Duration};

use serde::Deserialize;
use utoipa::ToSchema;

use super::links::link_hash;
use crate::{
    contexts::identity::{
        Identity, IdentityError, lockout, mails,
        model::{Account, Email, OneTimePurpose, Password},
        store::Credentials,
    },
    error::FieldError,
    principal::Principal,
    telemetry::{correlation, log},
};

/// A reset request is answered after this long, whether a mail is sent meanwhile or not.
const RESET_ANSWER: Duration = Duration::from_millis(250);

/// A change of password.
#[derive(Clone, Deserialize, ToSchema)]
pub struct ChangePasswordForm {
    /// The present one.
    #[schema(max_length = 256, format = Password)]
    pub current_password: String,
    /// The next one: at least 8 characters and at most 256 bytes.
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub new_password: String,
}

/// The present password, to confirm what cannot be undone.
#[derive(Clone, Deserialize, ToSchema)]
pub struct DeletionForm {
    /// The present password.
    #[schema(max_length = 256, format = Password)]
    pub password: String,
    /// Without the fourteen days in which it can be taken back.
    #[serde(default)]
    pub at_once: bool,
}

/// A request for a link that sets a new password.
#[derive(Clone, Deserialize, ToSchema)]
pub struct ResetRequestForm {
    /// The account's address.
    #[schema(example = "lina@example.org", max_length = 254)]
    pub email: String,
}

/// A new password, with the token out of the mail.
#[derive(Clone, Deserialize, ToSchema)]
pub struct ResetForm {
    /// What stands behind `?token=` in the link.
    #[schema(example = "gl_…", max_length = 64)]
    pub token: String,
    /// The new one: at least 8 characters and at most 256 bytes.
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
}

impl Identity {
    /// Changes the password and ends the person's other sessions.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`], [`IdentityError::WrongPassword`], [`IdentityError::TooManyAttempts`].
    pub async fn change_password(
        &self,
        who: &Principal,
        form: &ChangePasswordForm,
        from: IpAddr,
    ) -> Result<(), IdentityError> {
        let new = Password::choose(&form.new_password);
        let current = Password::given(&form.current_password);
        let (current, new) = match (current, new) {
            (Ok(current), Ok(new)) => (current, new),
            (current, new) => {
                let wrong = [("/current_password", current), ("/new_password", new)];
                let wrong = wrong.into_iter().filter_map(|(at, r)| r.err().map(|d| FieldError::new(at, d)));
                return Err(IdentityError::Invalid(wrong.collect()));
            }
        };
        let found = self.confirm(who, &current, "/current_password", from).await?;
        let hash = self.inner.passwords.hash(&new).await?;
        let old = found.password_hash.unwrap_or_default();
        let ended = self.inner.store.change_password(who.user_id, &old, &hash, who.session_id).await?;
        // Changed twice at once: the other change won, and this one's "current" is not any more.
        let ended = ended.ok_or(IdentityError::WrongPassword { pointer: "/current_password" })?;
        self.tell_ended(&ended);
        slog::info!(log(), "password changed"; "user_id" => %who.user_id, "sessions_ended" => ended.len());
        self.mail_notice(mails::password_changed(&found.account.email, &self.inner.settings.public_url))
            .await;
        Ok(())
    }

    /// Mails a link that sets a new password, if there is such an account. The answer, and the time
    /// to it, tell nothing.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] for what is no address.
    pub async fn request_password_reset(&self, form: &ResetRequestForm) -> Result<(), IdentityError> {
        let email = Email::parse(&form.email).map_err(|detail| IdentityError::field("/email", detail))?;
        let this = self.clone();
        // Beside the answer, not within it: a mail takes time, and no mail takes none.
        let work = correlation::scope(correlation::current_or_fresh(), async move {
            if let Err(error) = this.mail_reset(&email).await {
                slog::warn!(log(), "reset not mailed"; "error" => %error);
            }
        });
        drop(tokio::spawn(work));
        tokio::time::sleep(RESET_ANSWER).await;
        Ok(())
    }

    async fn mail_reset(&self, email: &Email) -> Result<(), IdentityError> {
        match self.inner.store.credentials(email).await? {
            // An account without a password is nobody's to sign in to.
            Some(Credentials { account, password_hash: Some(_) }) => {
                self.mail_link(&account, OneTimePurpose::ResetPassword).await
            }
            _ => Ok(()),
        }
    }

    /// Sets a new password by a mailed link and ends all the person's sessions.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`], [`IdentityError::LinkDead`].
    pub async fn reset_password(&self, form: &ResetForm, from: IpAddr) -> Result<Account, IdentityError> {
        let token = link_hash(&form.token);
        let password = Password::choose(&form.password);
        let (token, password) = match (token, password) {
            (Ok(token), Ok(password)) => (token, password),
            (token, password) => {
                let mut wrong = match token {
                    Err(IdentityError::Invalid(fields)) => fields,
                    _ => Vec::new(),
                };
                wrong.extend(password.err().map(|detail| FieldError::new("/password", detail)));
                return Err(IdentityError::Invalid(wrong));
            }
        };
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        // Nobody gets a hash computed without a link.
        if store.link_owner(&token, OneTimePurpose::ResetPassword, now).await?.is_none() {
            return Err(IdentityError::LinkDead);
        }
        let hash = self.inner.passwords.hash(&password).await?;
        let done = store.reset_password(&token, &hash, self.inner.clock.now()).await?;
        let (account, ended) = done.ok_or(IdentityError::LinkDead)?;
        self.tell_ended(&ended);
        // The owner may be here from a network that a guesser has made suspicious.
        let key = lockout::key(&account.email);
        store.note_success(&key, &lockout::network(from), self.inner.clock.now()).await?;
        slog::info!(log(), "password reset"; "user_id" => %account.id, "sessions_ended" => ended.len());
        self.mail_notice(mails::password_changed(&account.email, &self.inner.settings.public_url)).await;
        Ok(account)
    }

    /// Has the person prove once more that they know the password.
    pub(super) async fn confirm(
        &self,
        who: &Principal,
        password: &Password,
        pointer: &'static str,
        from: IpAddr,
    ) -> Result<Credentials, IdentityError> {
        let found = self.inner.store.credentials_of(who.user_id).await?;
        let found = found.ok_or(IdentityError::NoSession)?;
        // The same counts as for signing in: a stolen session is no way to guess faster.
        let key = lockout::key(&found.account.email);
        let confirmed = self.check_password(&key, Some(found), password, from).await?;
        confirmed.ok_or(IdentityError::WrongPassword { pointer })
    }
}
