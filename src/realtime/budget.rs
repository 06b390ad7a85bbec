//! A person's command rate, over all their sign-ins and all nodes.
//!
//! Asking the shared limits for every command would cost each a round trip. So a session takes several at
//! a time, and asks for the next while it spends these; it may run ahead of the answer by an eighth of a
//! second's worth. It takes one at first, and twice as many each time that it asks again soon, up to that
//! eighth: many sessions that are hardly used do not hold what the busy one needs. A person with n busy
//! sessions is thus held to the rate, give or take n eighths of a second.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    ports::limits::{Ask, Limits, Rate},
    principal::UserId,
};

/// A session that asks again within this time takes twice as many.
const SOON: Duration = Duration::from_millis(250);

/// A session's part of its person's allowance.
#[derive(Clone)]
pub struct Budget {
    inner: Arc<Inner>,
}

struct Inner {
    limits: Arc<dyn Limits>,
    rate: Rate,
    key: String,
    /// The most that is taken at a time.
    chunk: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Below zero: spent ahead of the answer.
    left: i64,
    asking: bool,
    /// When it last asked, and for how many.
    asked: Option<(Instant, u32)>,
    closed_until: Option<Instant>,
}

impl Budget {
    /// The budget of a person who may give `per_second` commands, twice that at once.
    pub fn new(limits: Arc<dyn Limits>, user: UserId, per_second: u32) -> Self {
        let burst = per_second.max(1).saturating_mul(2);
        let rate = Rate { name: "commands", burst, per: Duration::from_secs(2) };
        let chunk = (per_second / 8).max(1);
        let inner = Inner { limits, rate, key: user.to_string(), chunk, state: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Takes one. Needs a runtime to ask for more in.
    pub fn take(&self) -> bool {
        let chunk = i64::from(self.inner.chunk);
        let mut state = self.inner.lock();
        if state.closed_until.is_some_and(|until| until > Instant::now()) || state.left <= -chunk {
            return false;
        }
        state.closed_until = None;
        state.left -= 1;
        if state.left <= 0 && !state.asking {
            state.asking = true;
            let inner = self.inner.clone();
            tokio::spawn(async move { inner.ask().await });
        }
        true
    }
}

impl State {
    /// How many to ask for: what was spent ahead, too.
    fn next(&mut self, now: Instant, most: u32) -> u32 {
        let size = match self.asked {
            Some((at, size)) if now.duration_since(at) < SOON => size.saturating_mul(2).min(most),
            _ => 1,
        };
        self.asked = Some((now, size));
        size + u32::try_from(-self.left.min(0)).unwrap_or(0)
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self) {
        let cost = self.lock().next(Instant::now(), self.chunk).min(self.rate.burst);
        let said = self.limits.take(&[Ask { rate: &self.rate, key: &self.key, cost }]).await;
        let mut state = self.lock();
        state.asking = false;
        match said.as_deref() {
            Ok([verdict, ..]) if !verdict.allowed => {
                state.closed_until = Some(Instant::now() + verdict.retry_after);
                // The debt is forgiven: it was at most a chunk, and the pause has paid for it.
                state.left = state.left.max(0);
            }
            // Without the shared counts the session's own rate holds alone.
            _ => state.left += i64::from(cost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::limits::MemoryLimits;

    #[tokio::test]
    async fn sessions_of_one_person_share_the_rate() {
        let limits: Arc<dyn Limits> = Arc::new(MemoryLimits::default());
        let (ann, ben) = (UserId::new(), UserId::new());
        let budgets: Vec<Budget> = (0..2).map(|_| Budget::new(limits.clone(), ann, 16)).collect();
        let mut passed = 0;
        for n in 0..400 {
            passed += i32::from(budgets[n % 2].take());
            tokio::task::yield_now().await;
        }
        // 32 at once, and what either session ran ahead by; a slow machine refills meanwhile.
        assert!((32..=200).contains(&passed), "{passed}");
        assert!(Budget::new(limits.clone(), ben, 16).take());
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert!(budgets[0].take());
    }

    #[tokio::test]
    async fn sessions_that_are_hardly_used_leave_the_rate_to_others() {
        let limits: Arc<dyn Limits> = Arc::new(MemoryLimits::default());
        let user = UserId::new();
        let budgets: Vec<Budget> = (0..20).map(|_| Budget::new(limits.clone(), user, 64)).collect();
        for _ in 0..2 {
            for budget in &budgets {
                assert!(budget.take());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[tokio::test]
    async fn a_lone_session_is_not_held_below_its_rate() {
        let budget = Budget::new(Arc::new(MemoryLimits::default()), UserId::new(), 1_000);
        for _ in 0..1_500 {
            assert!(budget.take());
            tokio::task::yield_now().await;
        }
    }
}
