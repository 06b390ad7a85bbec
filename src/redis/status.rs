//! What `/readyz`, `/ops` and `gigsy check` say of Redis.

use std::time::Duration;

use futures_util::future::{self, BoxFuture};

use super::Redis;
use crate::ports::{Mode, Store, StoreStatus};

/// What the keeper knows.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) version: Option<String>,
    pub(super) policy: Option<String>,
    /// Whether there is a bound on memory at all.
    pub(super) bounded: bool,
    pub(super) latency: Option<Duration>,
    pub(super) trouble: Option<String>,
}

/// What stands on Redis, or on this process where there is none.
const PARTS: &str = "cache, limits, locks, sessions, boards";

impl Redis {
    /// What there is to say where no `REDIS_URL` is set.
    pub fn describe_embedded() -> StoreStatus {
        StoreStatus {
            name: "redis",
            mode: Mode::Embedded,
            reachable: true,
            latency_ms: None,
            version: None,
            detail: Some(format!("in process: {PARTS} (sessions in postgres)")),
            mend: None,
        }
    }

    fn describe(&self) -> StoreStatus {
        let facts = self.inner.facts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let reachable = self.is_up();
        let policy = facts.policy.as_deref();
        let mend = match (reachable, policy) {
            (false, _) => Some(format!(
                "{}; going on without it: see docs/redis.md",
                facts.trouble.as_deref().unwrap_or("not connected yet; is REDIS_URL right?")
            )),
            // Locks' counters have no expiry: only these policies can throw them away.
            (true, Some(policy)) if facts.bounded && policy.starts_with("allkeys-") => Some(format!(
                "maxmemory-policy is {policy}, which may throw away lock counters: \
                 set volatile-ttl or noeviction"
            )),
            (true, _) => None,
        };
        let policy = policy.map(|policy| format!(", maxmemory-policy {policy}")).unwrap_or_default();
        StoreStatus {
            name: "redis",
            mode: Mode::Server,
            reachable,
            latency_ms: facts.latency.filter(|_| reachable).map(|took| took.as_secs_f64() * 1000.0),
            version: facts.version.clone(),
            detail: Some(format!("{PARTS}{policy}")),
            mend,
        }
    }
}

impl Store for Redis {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(future::ready(self.describe()))
    }

    /// Every part has a way to go on without.
    fn required(&self) -> bool {
        false
    }
}

/// The place of Redis on `/readyz` where there is none.
pub struct NoRedis;

impl Store for NoRedis {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(future::ready(Redis::describe_embedded()))
    }
}
