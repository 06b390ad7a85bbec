//! Recommendations through the cache, until an event says that they may be others.
//!
//! An entry is one person's: they are in its key, and what it says of them was worked out for them alone. What is
//! cached is an order and its reasons; each result is read from the truth again before it is shown.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Discovery, error::DiscoveryError, model::Kind};
use crate::{
    ports::cache::{Life, Loaded, Plan},
    principal::UserId,
};

const LIFE: Life = Life { fresh: Duration::from_secs(60), stale: Duration::from_secs(30) };

/// What is forgotten when something of somebody changes.
fn of_person(user: Uuid) -> String {
    format!("recommend-person-{user}")
}

/// What is forgotten when something of a kind comes or goes.
fn of_kind(kind: Kind) -> String {
    format!("recommend-{}", kind.index())
}

impl Discovery {
    /// What `load` brings, or brought before.
    pub(super) async fn cached<T, F>(
        &self,
        who: UserId,
        kind: Kind,
        asked: &str,
        load: impl FnOnce(Self) -> F + Send + 'static,
    ) -> Result<T, DiscoveryError>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Future<Output = Result<T, DiscoveryError>> + Send + 'static,
    {
        let this = self.clone();
        let Some(cache) = self.inner.cache.get() else { return load(this).await };
        let digest = Sha256::digest(format!("{} {who} {asked}", self.weights().version));
        let key = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let tags = vec![of_person(who.0), of_kind(kind)];
        let plan = Plan { sort: "recommend", key, tags, life: LIFE };
        cache
            .read(plan, move || async move {
                Ok::<_, DiscoveryError>(Loaded { value: load(this).await?, keep: true })
            })
            .await
    }

    /// Something of these people changed.
    pub(super) async fn forget_people(&self, people: &[Uuid]) {
        if let Some(cache) = self.inner.cache.get()
            && !people.is_empty()
        {
            cache.forget(&people.iter().copied().map(of_person).collect::<Vec<_>>()).await;
        }
    }

    /// Something of this kind came or went.
    pub(super) async fn forget_kind(&self, kind: Kind) {
        if let Some(cache) = self.inner.cache.get() {
            // Courses are in the reasons of gigs.
            let mut tags = vec![of_kind(kind)];
            if kind == Kind::Course {
                tags.push(of_kind(Kind::Gig));
            }
            cache.forget(&tags).await;
        }
    }
}
