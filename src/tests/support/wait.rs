//! Bounded waiting for a condition.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Between two looks at a condition.
const TICK: Duration = Duration::from_millis(20);

/// Polls `look` until it answers `Some`, and panics with `what` past `limit`.
///
/// # Panics
/// When the limit passes first.
pub async fn eventually<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(TICK).await;
    }
}

/// Awaits `work`, and panics with `what` past `limit`.
///
/// # Panics
/// When the limit passes first.
pub async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}
