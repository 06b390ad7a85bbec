//! Roles. Nobody grants one over HTTP: these are the command line's.

use crate::{
    contexts::identity::{
        Identity, IdentityError,
        model::{Account, Email},
    },
    principal::Role,
    telemetry::log,
};

impl Identity {
    /// Gives the person of that address a role; giving it twice changes nothing.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`], [`IdentityError::NotFound`].
    pub async fn grant_role(&self, email: &str, role: Role) -> Result<(), IdentityError> {
        let id = self.of_address(email).await?.id;
        let account = self.inner.store.grant_role(id, role).await?;
        let account = account.ok_or(IdentityError::NotFound("person"))?;
        self.profiles_changed([id]).await;
        slog::info!(log(), "role granted"; "user_id" => %account.id, "role" => %role);
        Ok(())
    }

    /// Takes a role from the person of that address.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`], [`IdentityError::NotFound`].
    pub async fn revoke_role(&self, email: &str, role: Role) -> Result<(), IdentityError> {
        let id = self.of_address(email).await?.id;
        let account = self.inner.store.revoke_role(id, role).await?;
        let account = account.ok_or(IdentityError::NotFound("person"))?;
        self.profiles_changed([id]).await;
        slog::info!(log(), "role revoked"; "user_id" => %account.id, "role" => %role);
        Ok(())
    }

    async fn of_address(&self, email: &str) -> Result<Account, IdentityError> {
        let email = Email::parse(email).map_err(|detail| IdentityError::field("/email", detail))?;
        let found = self.inner.store.credentials(&email).await?;
        found.map(|found| found.account).ok_or(IdentityError::NotFound("person"))
    }
}
