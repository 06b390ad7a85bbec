//! Entries that all nodes share.

use std::time::Duration;

use ::redis::{FromRedisValue, ParsingError, Script, Value};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{Age, CacheAway, CacheStore, EVERYTHING, Found, Life, Looked, Stamp};
use crate::redis::{Away, Redis};

/// How long a tag lives that no entry needs longer.
const TAG_LIFE: Duration = Duration::from_secs(3_600);
/// How long one that loads anew has before another is told to.
const LEASE: Duration = Duration::from_secs(5);

/// A cache in Redis: entries `<prefix>:c:<key>` (a hash), tags `<prefix>:t:<tag>`; all with an expiry.
pub struct RedisCache {
    redis: Redis,
    look: Script,
    put: Script,
}

impl From<Away> for CacheAway {
    fn from(away: Away) -> Self {
        Self(away.0)
    }
}

impl FromRedisValue for Looked {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let mut parts: Vec<Value> = Vec::from_redis_value(value)?;
        let age = if parts.len() == 3 { parts.pop() } else { None };
        let body = if parts.len() == 2 { parts.pop() } else { None };
        let stamp = parts.pop().map(String::from_redis_value).transpose()?.unwrap_or_default();
        let found = match (body, age) {
            (Some(body), Some(age)) => Some(Found {
                body: Bytes::from(Vec::<u8>::from_redis_value(body)?),
                age: match i64::from_redis_value(age)? {
                    0 => Age::Fresh,
                    1 => Age::Stale,
                    _ => Age::Due,
                },
            }),
            _ => None,
        };
        Ok(Self { stamp: Stamp(stamp), found })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl RedisCache {
    /// A cache in that Redis.
    pub fn new(redis: Redis) -> Self {
        let (look, put) = (Script::new(include_str!("look.lua")), Script::new(include_str!("put.lua")));
        Self { redis, look, put }
    }

    fn keys(&self, key: &str, tags: &[String]) -> Vec<String> {
        let tags = tags.iter().map(String::as_str).chain([EVERYTHING]);
        [self.redis.key("c", key)].into_iter().chain(tags.map(|tag| self.redis.key("t", tag))).collect()
    }
}

impl CacheStore for RedisCache {
    fn look<'a>(&'a self, key: &'a str, tags: &'a [String]) -> BoxFuture<'a, Result<Looked, CacheAway>> {
        Box::pin(async move {
            let mut call = self.look.prepare_invoke();
            for key in self.keys(key, tags) {
                call.key(key);
            }
            call.arg(Uuid::new_v4().simple().to_string()).arg(millis(TAG_LIFE)).arg(millis(LEASE));
            let call = &call;
            Ok(self
                .redis
                .run("cache.look", |mut conn| async move { call.invoke_async(&mut conn).await })
                .await?)
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        tags: &'a [String],
        stamp: &'a Stamp,
        body: Bytes,
        life: Life,
    ) -> BoxFuture<'a, Result<bool, CacheAway>> {
        Box::pin(async move {
            let mut call = self.put.prepare_invoke();
            for key in self.keys(key, tags) {
                call.key(key);
            }
            call.arg(&stamp.0).arg(&body[..]).arg(millis(life.fresh)).arg(millis(life.fresh + life.stale));
            let call = &call;
            Ok(self
                .redis
                .run("cache.put", |mut conn| async move { call.invoke_async(&mut conn).await })
                .await?)
        })
    }

    fn forget<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, bool> {
        let keys = tags.iter().map(|tag| self.redis.key("t", tag)).collect();
        Box::pin(async move { self.redis.forget("cache.forget", keys).await })
    }

    fn is_shared(&self) -> bool {
        true
    }
}
