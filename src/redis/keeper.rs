//! The thread that keeps the connections: it connects, probes, pays what is owed, closes the breaker.

use std::{
    io,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use redis::{RedisResult, aio::MultiplexedConnection};

use super::{CONNECT, Inner, plain, status::Facts};
use crate::telemetry::log;

/// Between two looks while all is well: how soon a silent Redis is noticed when nobody asks it.
const WELL: Duration = Duration::from_secs(1);
/// Between two attempts while it is not; how soon a Redis that is back is used again.
const ILL: Duration = Duration::from_millis(200);
/// How many keys are deleted at once.
const BATCH: usize = 500;

/// Starts the thread. It holds the client weakly and ends with it.
pub(super) fn start(inner: &Arc<Inner>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let weak = Arc::downgrade(inner);
    std::thread::Builder::new().name("gigsy-redis".into()).spawn(move || runtime.block_on(keep(weak)))?;
    Ok(())
}

async fn keep(weak: Weak<Inner>) {
    loop {
        let Some(inner) = weak.upgrade() else { return };
        let wake = inner.wake.clone();
        let pause = match inner.look().await {
            Ok(()) => WELL,
            Err(why) => {
                inner.trip(&why);
                inner.facts.write().unwrap_or_else(std::sync::PoisonError::into_inner).trouble = Some(why);
                ILL
            }
        };
        drop(inner);
        let woken = tokio::time::timeout(pause, wake.notified()).await.is_ok();
        if woken {
            // Not at every failure anew: those who fail now fail for the same reason.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Inner {
    /// Sees that every lane answers, in time; then Redis may be used.
    async fn look(&self) -> Result<(), String> {
        for lane in &self.lanes {
            if lane.handle().is_none() {
                let slot = match tokio::time::timeout(CONNECT, self.pool.get()).await {
                    Ok(Ok(slot)) => slot,
                    Ok(Err(deadpool_redis::PoolError::Backend(error))) => return Err(plain(&error)),
                    Ok(Err(error)) => return Err(error.to_string()),
                    Err(_) => return Err("cannot connect in time".into()),
                };
                lane.set(slot);
            }
            let Some((id, mut conn)) = lane.handle() else { continue };
            let started = Instant::now();
            let ping = async { redis::cmd("PING").query_async::<String>(&mut conn).await };
            let said = match tokio::time::timeout(self.settings.timeout, ping).await {
                Ok(said) => said,
                Err(_) => return Err(format!("no answer within {:?}", self.settings.timeout)),
            };
            if let Err(error) = said {
                if error.is_unrecoverable_error() {
                    lane.broken(id);
                }
                return Err(plain(&error));
            }
            self.facts.write().unwrap_or_else(std::sync::PoisonError::into_inner).latency =
                Some(started.elapsed());
        }
        let Some((_, mut conn)) = self.lanes.first().and_then(super::Lane::handle) else {
            return Err("no connection".into());
        };
        let opened = !self.breaker.is_closed();
        if opened {
            self.learn(&mut conn).await.map_err(|error| plain(&error))?;
        }
        self.pay(&mut conn).await.map_err(|error| plain(&error))?;
        self.facts.write().unwrap_or_else(std::sync::PoisonError::into_inner).trouble = None;
        // Under the debts' lock: nothing may be read while one is left.
        let Some(closed) = self.owed.if_none(|| self.breaker.close()) else {
            return Err("an invalidation is owed".into());
        };
        if closed {
            self.counters.up.set(1);
            slog::info!(log(), "Redis answers");
        }
        Ok(())
    }

    /// Which server it is, and what it would throw away.
    async fn learn(&self, conn: &mut MultiplexedConnection) -> RedisResult<()> {
        let info: String = redis::cmd("INFO").arg("server").query_async(conn).await?;
        let memory: String = redis::cmd("INFO").arg("memory").query_async(conn).await.unwrap_or_default();
        let read = |text: &str, name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|v| v.trim().to_owned()))
        };
        let mut facts = self.facts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *facts = Facts {
            version: read(&info, "redis_version"),
            policy: read(&memory, "maxmemory_policy"),
            bounded: read(&memory, "maxmemory").is_some_and(|bytes| bytes != "0"),
            latency: facts.latency,
            trouble: facts.trouble.take(),
        };
        Ok(())
    }

    async fn pay(&self, conn: &mut MultiplexedConnection) -> RedisResult<()> {
        for keys in self.owed.all().chunks(BATCH) {
            redis::cmd("UNLINK").arg(keys).query_async::<i64>(conn).await?;
            self.owed.paid(keys);
        }
        Ok(())
    }
}
