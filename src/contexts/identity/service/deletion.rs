//! Asking for one's account to be deleted.

use std::net::IpAddr;

use super::DeletionForm;
use crate::{
    contexts::identity::{
        Identity, IdentityError, mails,
        model::{Account, DeletionView, Password},
    },
    principal::Principal,
    telemetry::log,
};

impl Identity {
    /// Schedules the account's erasure and ends the person's other sessions; asking again keeps the
    /// first date. At once, there is no way back: it is erased before this answers. The present session goes on, so that the request can be taken back.
    ///
    /// # Errors
    /// [`IdentityError::WrongPassword`], [`IdentityError::TooManyAttempts`].
    pub async fn request_deletion(
        &self,
        who: &Principal,
        form: &DeletionForm,
        from: IpAddr,
    ) -> Result<DeletionView, IdentityError> {
        let password =
            Password::given(&form.password).map_err(|detail| IdentityError::field("/password", detail))?;
        self.confirm(who, &password, "/password", from).await?;
        let grace = if form.at_once { chrono::Duration::zero() } else { self.inner.settings.deletion_grace };
        let due_at = self.inner.clock.now() + grace;
        let done = self.inner.store.schedule_deletion(who.user_id, due_at, who.session_id).await?;
        let (account, ended) = done.ok_or(IdentityError::NotFound("person"))?;
        self.tell_ended(&ended);
        let due_at = account.deletion_due_at.unwrap_or(due_at);
        slog::info!(log(), "deletion scheduled"; "user_id" => %who.user_id, "due_at" => due_at.to_rfc3339());
        if form.at_once {
            self.erase_due().await?;
            return Ok(DeletionView { due_at });
        }
        let letter = mails::deletion_scheduled(&account.email, &self.inner.settings.public_url, due_at);
        self.mail_notice(letter).await;
        Ok(DeletionView { due_at })
    }

    /// Takes the request back.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`] if there is none.
    pub async fn cancel_deletion(&self, who: &Principal) -> Result<Account, IdentityError> {
        let account = self.inner.store.cancel_deletion(who.user_id).await?;
        account.ok_or(IdentityError::NotFound("request for deletion"))
    }
}
