//! What this context asks others: who people are, which skills there are, what texts mean.

use std::collections::HashMap;

use futures_util::future::BoxFuture;

use super::error::CareerError;
use crate::{
    contexts::{chat::Chat, gigs::Gigs, identity::Directory},
    principal::UserId,
};

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// What others call them.
    pub name: String,
    /// Their address; only if they proved that it is theirs.
    pub address: Option<String>,
    /// Their IANA zone, if their profile names one.
    pub zone: Option<String>,
}

/// Who people are. Identity's [`Directory`] is one.
pub trait People: Send + Sync + 'static {
    /// How somebody is reached; `None` if there is no such person.
    fn contact(&self, user: UserId) -> BoxFuture<'_, Result<Option<Contact>, CareerError>>;

    /// The names of those who exist.
    fn names(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, CareerError>>;
}

impl People for Directory {
    fn contact(&self, user: UserId) -> BoxFuture<'_, Result<Option<Contact>, CareerError>> {
        Box::pin(async move {
            let elsewhere =
                |error: crate::contexts::identity::IdentityError| CareerError::Elsewhere(error.into());
            let Some(reach) = Directory::contact(self, user).await.map_err(elsewhere)? else {
                return Ok(None);
            };
            let person = self.people(&[user]).await.map_err(elsewhere)?.pop();
            Ok(person.map(|person| Contact {
                name: person.display_name,
                address: reach.verified_email,
                zone: reach.time_zone,
            }))
        })
    }

    fn names(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashMap<UserId, String>, CareerError>> {
        Box::pin(async move {
            let people = self.people(&users).await.map_err(|error| CareerError::Elsewhere(error.into()))?;
            Ok(people.into_iter().map(|person| (person.id, person.display_name)).collect())
        })
    }
}

/// Who wants nothing to do with whom. Chat keeps that.
pub trait Apart: Send + Sync + 'static {
    /// Whom somebody blocked, and who blocked them.
    fn apart_from(&self, user: UserId) -> Vec<UserId>;
}

impl Apart for Chat {
    fn apart_from(&self, user: UserId) -> Vec<UserId> {
        self.blocks().apart_from(user)
    }
}

/// Which skills there are. The marketplace keeps the taxonomy.
pub trait Taxonomy: Send + Sync + 'static {
    /// Every skill: its slug, and what people call it.
    fn skills(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, CareerError>>;
}

impl Taxonomy for Gigs {
    fn skills(&self) -> BoxFuture<'_, Result<Vec<(String, String)>, CareerError>> {
        Box::pin(async move {
            let all = Gigs::skills(self).await.map_err(|error| CareerError::Elsewhere(error.into()))?;
            Ok(all.into_iter().map(|skill| (skill.slug, skill.name)).collect())
        })
    }
}

/// What texts mean: how near what somebody looks for is to what mentors write. A vector index is one.
pub trait Affinity: Send + Sync + 'static {
    /// 0 (nothing in common) to 1 by mentor; those left out are 0. It must not fail: without an answer
    /// people are matched by everything else.
    fn near<'a>(
        &'a self,
        seeker: UserId,
        goal: &'a str,
        mentors: &'a [UserId],
    ) -> BoxFuture<'a, HashMap<UserId, f64>>;
}

/// No index is set up.
pub struct NoAffinity;

impl Affinity for NoAffinity {
    fn near<'a>(&'a self, _: UserId, _: &'a str, _: &'a [UserId]) -> BoxFuture<'a, HashMap<UserId, f64>> {
        Box::pin(async { HashMap::new() })
    }
}
