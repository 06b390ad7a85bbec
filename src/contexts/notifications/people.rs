//! What this context asks about people.

use std::collections::HashMap;

use futures_util::future::BoxFuture;

use super::error::NotificationsError;
use crate::{contexts::identity::Directory, principal::UserId};

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Their address; only if they proved that it is theirs.
    pub address: Option<String>,
    /// Their IANA zone, if their profile names one.
    pub zone: Option<String>,
}

/// Who people are. Identity's [`Directory`] is one.
pub trait People: Send + Sync {
    /// How somebody is reached; `None` if there is no such person.
    fn contact(&self, user: UserId) -> BoxFuture<'_, Result<Option<Contact>, NotificationsError>>;

    /// The names of those who exist.
    fn names(&self, users: Vec<UserId>)
    -> BoxFuture<'_, Result<HashMap<UserId, String>, NotificationsError>>;
}

impl People for Directory {
    fn contact(&self, user: UserId) -> BoxFuture<'_, Result<Option<Contact>, NotificationsError>> {
        Box::pin(async move {
            let found = Directory::contact(self, user).await;
            let found = found.map_err(|error| NotificationsError::People(error.into()))?;
            Ok(found.map(|found| Contact { address: found.verified_email, zone: found.time_zone }))
        })
    }

    fn names(
        &self,
        users: Vec<UserId>,
    ) -> BoxFuture<'_, Result<HashMap<UserId, String>, NotificationsError>> {
        Box::pin(async move {
            let people = self.people(&users).await;
            let people = people.map_err(|error| NotificationsError::People(error.into()))?;
            Ok(people.into_iter().map(|person| (person.id, person.display_name)).collect())
        })
    }
}
