//! Bounded waiting for a condition.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// Between two looks at a condition.
const TICK: Duration = Duration::from_millis(20);
/// Limits end what hangs; they measure nothing. A busy or slow machine gets so many times the limit
/// before a test is given up, so that none fails for having been slow.
const PATIENCE: u32 = 4;

/// Polls `look` until it answers `Some`, and panics with `what` past [`PATIENCE`] times `limit`.
///
/// # Panics
/// When the limit passes first.
pub async fn eventually<T, F, Fut>(what: &str, limit: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let (started, limit) = (Instant::now(), limit * PATIENCE);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(TICK).await;
    }
}

/// Awaits `work`, and panics with `what` past [`PATIENCE`] times `limit`.
///
/// # Panics
/// When the limit passes first.
pub async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = T>) -> T {
    let limit = limit * PATIENCE;
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => panic!("not within {limit:?}: {what}"),
    }
}
