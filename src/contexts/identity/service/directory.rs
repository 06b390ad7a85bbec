//! What other contexts may ask about people.

use std::sync::Arc;

use crate::{
    contexts::identity::{
        IdentityError,
        model::{Email, Person},
        store::Store,
    },
    principal::UserId,
};

/// Looks people up. Cheap to clone.
#[derive(Clone)]
pub struct Directory {
    store: Arc<dyn Store>,
}

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Their address; only if they proved that it is theirs.
    pub verified_email: Option<String>,
    /// Their IANA time zone.
    pub time_zone: Option<String>,
}

impl Directory {
    pub(in crate::contexts::identity) fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Those of `ids` who exist, in no order, each once. Erased people are not among them.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>, IdentityError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.store.people(ids).await?)
    }

    /// One person.
    ///
    /// # Errors
    /// [`IdentityError::NotFound`].
    pub async fn person(&self, id: UserId) -> Result<Person, IdentityError> {
        self.people(&[id]).await?.pop().ok_or(IdentityError::NotFound("person"))
    }

    /// How somebody is reached; `None` if there is no such person, or they were erased.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn contact(&self, id: UserId) -> Result<Option<Reach>, IdentityError> {
        let account = self.store.account(id).await?;
        Ok(account.map(|account| Reach {
            verified_email: account.email_verified().then(|| account.email.to_string()),
            time_zone: account.time_zone,
        }))
    }

    /// Up to `limit` people for what somebody has typed: part of a name, or a whole address.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn find(&self, text: &str, limit: usize) -> Result<Vec<Person>, IdentityError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Vec::new());
        }
        if text.contains('@') {
            return Ok(self.by_email(text).await?.into_iter().collect());
        }
        Ok(self.store.people_named(text, i64::try_from(limit).unwrap_or(i64::MAX)).await?)
    }

    /// The person of that address, for an invitation; `None` also for what is no address.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn by_email(&self, email: &str) -> Result<Option<Person>, IdentityError> {
        let Ok(email) = Email::parse(email) else {
            return Ok(None);
        };
        Ok(self.store.credentials(&email).await?.map(|found| found.account.person()))
    }
}
