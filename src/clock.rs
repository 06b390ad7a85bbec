//! The time of day, injectable so that tests decide what expires when.

use std::sync::Arc;

use chrono::{DateTime, Utc};

/// A source of the time of day. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Arc::new(Utc::now))
    }

    /// Now, in whole microseconds: PostgreSQL keeps no finer time, so a value compares equal to
    /// itself after it was stored.
    pub fn now(&self) -> DateTime<Utc> {
        let now = (self.0)();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// A clock that a test moves by hand.
#[cfg(test)]
#[derive(Clone)]
pub struct ManualClock(Arc<std::sync::Mutex<DateTime<Utc>>>);

#[cfg(test)]
impl Default for ManualClock {
    /// Starts at the present.
    fn default() -> Self {
        Self(Arc::new(std::sync::Mutex::new(Clock::system().now())))
    }
}

#[cfg(test)]
impl ManualClock {
    /// The [`Clock`] that reads it.
    pub fn clock(&self) -> Clock {
        let time = self.0.clone();
        Clock(Arc::new(move || *time.lock().unwrap()))
    }

    /// Moves it on.
    pub fn advance(&self, by: chrono::Duration) {
        *self.0.lock().unwrap() += by;
    }
}
