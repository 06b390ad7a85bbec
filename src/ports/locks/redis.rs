//! Locks that all nodes share.

use std::time::Duration;

use ::redis::Script;
use futures_util::future::BoxFuture;

use super::{LockStore, LocksAway};
use crate::redis::{Away, Redis};

/// KEYS: the lock, its counter. ARGV: the owner, the life in ms. The token counts up, and never lies
/// below the time in µs: so it grows also past a flush that took the counter away.
const ACQUIRE: &str = "
local time = redis.call('TIME')
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local token = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, now)
redis.call('SET', KEYS[2], string.format('%.0f', token))
return token";
const EXTEND: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";
const RELEASE: &str = "
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])";

/// Locks in Redis: `<prefix>:k:<name>` with an expiry, `<prefix>:f:<name>` (the counter) without.
pub struct RedisLocks {
    redis: Redis,
    acquire: Script,
    extend: Script,
    release: Script,
}

impl From<Away> for LocksAway {
    fn from(away: Away) -> Self {
        Self(away.0)
    }
}

impl RedisLocks {
    /// Locks in that Redis.
    pub fn new(redis: Redis) -> Self {
        let (acquire, extend, release) = (Script::new(ACQUIRE), Script::new(EXTEND), Script::new(RELEASE));
        Self { redis, acquire, extend, release }
    }
}

fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl LockStore for RedisLocks {
    fn acquire<'a>(
        &'a self,
        name: &'a str,
        owner: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<Option<u64>, LocksAway>> {
        Box::pin(async move {
            let mut call = self.acquire.key(self.redis.key("k", name));
            call.key(self.redis.key("f", name)).arg(owner).arg(millis(life));
            let call = &call;
            let token: u64 = self
                .redis
                .run("locks.acquire", |mut conn| async move { call.invoke_async(&mut conn).await })
                .await?;
            Ok((token > 0).then_some(token))
        })
    }

    fn extend<'a>(
        &'a self,
        name: &'a str,
        owner: &'a str,
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, LocksAway>> {
        Box::pin(async move {
            let mut call = self.extend.key(self.redis.key("k", name));
            call.arg(owner).arg(millis(life));
            let call = &call;
            Ok(self
                .redis
                .run("locks.extend", |mut conn| async move { call.invoke_async(&mut conn).await })
                .await?)
        })
    }

    fn release<'a>(&'a self, name: &'a str, owner: &'a str) -> BoxFuture<'a, Result<bool, LocksAway>> {
        Box::pin(async move {
            let mut call = self.release.key(self.redis.key("k", name));
            call.arg(owner);
            let call = &call;
            Ok(self
                .redis
                .run("locks.release", |mut conn| async move { call.invoke_async(&mut conn).await })
                .await?)
        })
    }
}
