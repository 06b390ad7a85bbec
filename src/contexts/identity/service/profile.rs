//! One's own profile.

use crate::{
    contexts::identity::{
        Identity, IdentityError,
        model::{Account, Person, ProfilePatch},
        store::Changed,
    },
    ports::cache::{Life, Loaded, Plan},
    principal::UserId,
};

/// How long a public profile is served from the cache.
const LIFE: Life =
    Life { fresh: std::time::Duration::from_secs(30), stale: std::time::Duration::from_secs(60) };

fn tag(id: UserId) -> String {
    format!("person-{id}")
}

impl Identity {
    /// What others may know of a person, through the cache.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn public_profile(&self, id: UserId) -> Result<Person, IdentityError> {
        let directory = self.directory();
        let Some(cache) = self.inner.cache.get() else { return directory.person(id).await };
        let plan = Plan { sort: "person", key: id.to_string(), tags: vec![tag(id)], life: LIFE };
        let load = move || async move {
            Ok::<_, IdentityError>(Loaded { value: directory.person(id).await?, keep: true })
        };
        cache.read(plan, load).await
    }

    /// What others may know of these people has changed.
    pub(super) async fn profiles_changed(&self, ids: impl IntoIterator<Item = UserId>) {
        let tags: Vec<String> = ids.into_iter().map(tag).collect();
        if let (Some(cache), false) = (self.inner.cache.get(), tags.is_empty()) {
            cache.forget(&tags).await;
        }
    }

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
        let done = self.inner.store.change_profile(id, version, &change).await?;
        self.profiles_changed([id]).await;
        match done {
            Changed::Done(account) => Ok(account),
            Changed::Stale => Err(IdentityError::VersionMismatch),
            Changed::Missing => Err(IdentityError::NotFound("person")),
        }
    }
}
