//! What several nodes share: Redis where `REDIS_URL` is set, this process otherwise.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;

use crate::{
    config::Config,
    contexts::gamification::CopyParts,
    ports::{
        Store, StoreStatus,
        boards::RedisBoards,
        bus::Signals,
        cache::{Cache, CacheStore, MemoryCache, RedisCache},
        limits::{Limits, MemoryLimits, RedisLimits},
        locks::{Locks, MemoryLocks, RedisLocks},
    },
    redis::{NoRedis, Redis, RedisSettings, RedisSetupError},
    telemetry::{log, metrics::Metrics},
};

/// The topic of tags that a node's own cache has forgotten.
const FORGOTTEN: &str = "cache.forgotten";
/// How long a start or a command waits for Redis; a server goes on without.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// The ports that stand on Redis or on this process.
#[derive(Clone)]
pub(super) struct Shared {
    pub redis: Option<Redis>,
    pub own_limits: Arc<MemoryLimits>,
    pub limits: Arc<dyn Limits>,
    pub cache: Cache,
    /// Where sessions are kept in front of their rows; only what all nodes share will do.
    pub sessions: Option<Arc<dyn CacheStore>>,
    pub locks: Locks,
    /// Where boards are copied to; only what all nodes share is worth it.
    pub boards: Option<CopyParts>,
}

impl Shared {
    /// Chooses by the configuration. A Redis that does not answer is gone on without.
    pub async fn assemble(config: &Config, metrics: &Metrics) -> Result<Self, RedisSetupError> {
        let own_limits = Arc::new(MemoryLimits::default());
        let Some(redis) = connect(config, metrics)? else {
            let limits = own_limits.clone();
            let cache = Cache::new(Arc::new(MemoryCache::default()), metrics);
            let locks = Locks::new(Arc::new(MemoryLocks::new()));
            return Ok(Self { redis: None, own_limits, limits, cache, sessions: None, locks, boards: None });
        };
        redis.wait_connected(CONNECT_WITHIN).await;
        let store = Arc::new(RedisCache::new(redis.clone()));
        let locks = Locks::new(Arc::new(RedisLocks::new(redis.clone())));
        Ok(Self {
            own_limits,
            limits: Arc::new(RedisLimits::new(redis.clone())),
            cache: Cache::new(store.clone(), metrics),
            sessions: Some(store),
            boards: Some(CopyParts::new(Arc::new(RedisBoards::new(redis.clone())), locks.clone())),
            locks,
            redis: Some(redis),
        })
    }

    /// Where every node has a cache of its own, makes them forget together: by words between nodes, and
    /// all of it when words may have been missed.
    pub fn forget_together(&self, signals: &Signals) {
        let (told, missed, teller) = (self.cache.clone(), self.cache.clone(), signals.clone());
        self.cache.tell_others(move |tags| {
            if let Ok(body) = serde_json::to_vec(tags) {
                teller.send(FORGOTTEN, body.into());
            }
        });
        if self.redis.is_some() {
            return;
        }
        // The cache of a node forgets at once: there is nothing to wait for.
        signals.on(FORGOTTEN, move |body| {
            if let Ok(tags) = serde_json::from_slice::<Vec<String>>(&body) {
                let _ = told.forgotten_elsewhere(&tags).now_or_never();
            }
        });
        signals.on_gap(move || {
            let _ = missed.forget_everything().now_or_never();
        });
    }

    /// For `/readyz`.
    pub fn store(&self) -> Arc<dyn Store> {
        match &self.redis {
            Some(redis) => Arc::new(redis.clone()),
            None => Arc::new(NoRedis),
        }
    }
}

fn connect(config: &Config, metrics: &Metrics) -> Result<Option<Redis>, RedisSetupError> {
    let Some(url) = &config.redis.url else { return Ok(None) };
    let settings = RedisSettings {
        url: url.clone(),
        prefix: config.redis.prefix.clone(),
        timeout: Duration::from_millis(config.redis.timeout_ms),
    };
    Redis::start(settings, metrics).map(Some)
}

/// Where boards are copied to, for commands; `None` without Redis, and where it does not answer.
///
/// # Errors
/// [`RedisSetupError`].
pub async fn board_copies(config: &Config) -> Result<Option<CopyParts>, RedisSetupError> {
    let Some(redis) = connect(config, &Metrics::new())? else { return Ok(None) };
    if !redis.wait_connected(CONNECT_WITHIN).await {
        slog::warn!(log(), "Redis does not answer: boards' copies stay as they are");
        return Ok(None);
    }
    let locks = Locks::new(Arc::new(RedisLocks::new(redis.clone())));
    Ok(Some(CopyParts::new(Arc::new(RedisBoards::new(redis)), locks)))
}

/// What `gigsy check` says of Redis.
pub async fn redis_status(config: &Config) -> StoreStatus {
    match connect(config, &Metrics::new()) {
        Ok(None) => Redis::describe_embedded(),
        Ok(Some(redis)) => {
            redis.wait_connected(CONNECT_WITHIN).await;
            redis.status().await
        }
        Err(error) => StoreStatus {
            mode: crate::ports::Mode::Server,
            reachable: false,
            detail: None,
            mend: Some(error.to_string()),
            ..Redis::describe_embedded()
        },
    }
}
