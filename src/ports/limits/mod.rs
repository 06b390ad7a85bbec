//! Rate limits: GCRA (the generic cell rate algorithm, ITU-T I.371), the same arithmetic in both adapters.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | [`MemoryLimits`] | no `REDIS_URL`, and while Redis is away | this node's own counts, bounded |
//! | [`RedisLimits`] | `REDIS_URL` | one Lua script for all of a request's asks, by the server's clock |
//!
//! A key holds one number, its *theoretical arrival time*: when its allowance will be whole again.

#[cfg(test)]
pub(crate) mod contract;
mod gcra;
mod memory;
mod redis;

use std::time::Duration;

use futures_util::future::BoxFuture;

pub use self::redis::RedisLimits;
pub use gcra::Rate;
pub use memory::MemoryLimits;

/// One thing that is asked of the limits.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// How much there is for each key.
    pub rate: &'a Rate,
    /// Whose allowance; of one rate's keys.
    pub key: &'a str,
    /// How much of it, at least 1.
    pub cost: u32,
}

/// What came of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was taken.
    pub allowed: bool,
    /// How much is left to take at once.
    pub remaining: u32,
    /// When the same ask would be allowed; nothing if it was.
    pub retry_after: Duration,
    /// When the allowance will be whole.
    pub reset_after: Duration,
}

/// The limits cannot be asked: policy decides.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limits cannot be asked: {0}")]
pub struct LimitsAway(pub String);

/// Where allowances are counted.
pub trait Limits: Send + Sync {
    /// Takes from several allowances, in order, up to the first that refuses: as many verdicts, and
    /// only the last can be a refusal.
    fn take<'a>(&'a self, asks: &'a [Ask<'a>]) -> BoxFuture<'a, Result<Vec<Verdict>, LimitsAway>>;
}

/// What the script must say at `now`, in µs: for the test that holds the two together.
#[cfg(test)]
pub(crate) fn model(rate: &Rate, tat: Option<i64>, now: i64, cost: u32) -> (Verdict, Option<i64>) {
    gcra::take(rate, tat, now, cost)
}
