//! One's own profile.

use crate::{
    contexts::identity::{
        Identity, IdentityError,
        model::{Account, ProfilePatch},
        store::Changed,
    },
    principal::UserId,
};

impl Identity {
    /// A person's account.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn me(&self, id: UserId) -> Result<Account, IdentityError> {
        self.inner.store.account(id).await?.ok_or(IdentityError::NotFound("person"))
    }

    /// Changes the profile if it is still at `version`.
    ///
    /// # Errors
    /// [`IdentityError::Invalid`] with every wrong field; [`IdentityError::VersionMismatch`].
    pub async fn change_profile(
        &self,
        id: UserId,
        version: i64,
        patch: &ProfilePatch,
    ) -> Result<Account, IdentityError> {
        let change = patch.check().map_err(IdentityError::Invalid)?;
        match self.inner.store.change_profile(id, version, &change).await? {
            Changed::Done(account) => Ok(account),
            Changed::Stale => Err(IdentityError::VersionMismatch),
            Changed::Missing => Err(IdentityError::NotFound("person")),
        }
    }
}
