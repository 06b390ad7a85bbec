//! Allowances that all nodes share.

use std::time::Duration;

use ::redis::Script;
use futures_util::future::BoxFuture;

use super::{Ask, Limits, LimitsAway, Verdict};
use crate::redis::{Away, Redis};

/// Limits in Redis: keys `<prefix>:l:<rate>:<key>`, each with an expiry of at most the rate's time.
pub struct RedisLimits {
    redis: Redis,
    script: Script,
}

impl From<Away> for LimitsAway {
    fn from(away: Away) -> Self {
        Self(away.0)
    }
}

impl RedisLimits {
    /// Limits over that Redis.
    pub fn new(redis: Redis) -> Self {
        Self { redis, script: Script::new(include_str!("take.lua")) }
    }

    /// The verdicts, and the server's time in µs.
    pub(crate) async fn take_at(&self, asks: &[Ask<'_>]) -> Result<(Vec<Verdict>, i64), LimitsAway> {
        let mut call = self.script.prepare_invoke();
        for ask in asks {
            call.key(self.redis.key("l", &format!("{}:{}", ask.rate.name, ask.key)));
            call.arg(ask.rate.interval()).arg(ask.rate.burst.max(1)).arg(ask.cost.max(1));
        }
        // EVALSHA; the script itself is sent only where the server does not know it (any more).
        let numbers: Vec<i64> = self
            .redis
            .run("limits.take", |mut conn| {
                let call = &call;
                async move { call.invoke_async(&mut conn).await }
            })
            .await?;
        let micros = |us: i64| Duration::from_micros(u64::try_from(us).unwrap_or(0));
        let verdicts: Vec<Verdict> = numbers
            .chunks_exact(4)
            .map(|four| Verdict {
                allowed: four[0] == 1,
                remaining: u32::try_from(four[1]).unwrap_or(0),
                retry_after: micros(four[2]),
                reset_after: micros(four[3]),
            })
            .collect();
        match (verdicts.is_empty(), numbers.last()) {
            (false, Some(now)) => Ok((verdicts, *now)),
            _ => Err(LimitsAway("an answer of another shape".into())),
        }
    }
}

impl Limits for RedisLimits {
    fn take<'a>(&'a self, asks: &'a [Ask<'a>]) -> BoxFuture<'a, Result<Vec<Verdict>, LimitsAway>> {
        Box::pin(async move {
            if asks.is_empty() {
                return Ok(Vec::new());
            }
            Ok(self.take_at(asks).await?.0)
        })
    }
}
