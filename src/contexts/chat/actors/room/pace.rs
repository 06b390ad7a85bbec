//! How fast one person may go.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use std::collections::VecDeque;

use chrono::Utc;

use crate::{
    contexts::chat::model::{Message, RoomSettings},
    principal::UserId,
};

/// The generic cell rate algorithm (ITU-T I.371) per person: `rate` a second on average, one
/// second's worth at once.
pub struct Pace {
    interval: Duration,
    burst: Duration,
    /// When the person's allowance is whole again.
    due: HashMap<UserId, Instant>,
}

impl Pace {
    /// At most so many a second.
    pub fn per_second(rate: u32) -> Self {
        let interval = Duration::from_secs(1) / rate.max(1);
        Self { interval, burst: Duration::from_secs(1).saturating_sub(interval), due: HashMap::new() }
    }

    /// One each `interval`, none saved up.
    pub fn each(interval: Duration) -> Self {
        Self { interval, burst: Duration::ZERO, due: HashMap::new() }
    }

    /// Takes one; or tells how long to wait.
    pub fn take(&mut self, who: UserId, now: Instant) -> Result<(), Duration> {
        // Those whose allowance is whole need no entry; dropped now and then, so that the table
        // stays as small as the traffic.
        if self.due.len() >= 1024 {
            self.due.retain(|_, due| *due > now);
        }
        let due = self.due.entry(who).or_insert(now);
        let ahead = due.saturating_duration_since(now);
        if ahead > self.burst {
            return Err(ahead - self.burst);
        }
        *due = now + ahead + self.interval;
        Ok(())
    }
}

/// When each member wrote last: for a room's own rules of rate.
#[derive(Default)]
pub struct Wrote(HashMap<UserId, VecDeque<Instant>>);

const MINUTE: Duration = Duration::from_secs(60);

impl Wrote {
    /// From a room's last messages.
    pub fn of(recent: &[Message]) -> Self {
        let (mut wrote, now) = (Self::default(), Instant::now());
        for message in recent.iter().rev() {
            let ago = Utc::now().signed_duration_since(message.created_at).to_std().unwrap_or_default();
            if let Some(at) = now.checked_sub(ago) {
                wrote.0.entry(message.sender_id).or_default().push_back(at);
            }
        }
        wrote
    }

    /// Takes one message of `who` by the room's rules; or tells how long to wait.
    pub fn take(&mut self, who: UserId, rules: &RoomSettings, now: Instant) -> Result<(), Duration> {
        let slow = Duration::from_secs(rules.slow_mode_seconds.into());
        let most = rules.messages_per_minute as usize;
        if slow.is_zero() && most == 0 {
            self.0.clear();
            return Ok(());
        }
        let kept = slow.max(MINUTE);
        if self.0.len() >= 1024 {
            self.0.retain(|_, at| at.back().is_some_and(|at| now.saturating_duration_since(*at) < kept));
        }
        let at = self.0.entry(who).or_default();
        while at.front().is_some_and(|first| now.saturating_duration_since(*first) >= kept) {
            at.pop_front();
        }
        if let Some(last) = at.back() {
            let since = now.saturating_duration_since(*last);
            if since < slow {
                return Err(slow - since);
            }
        }
        if most > 0 {
            let mut recent = at.iter().filter(|at| now.saturating_duration_since(**at) < MINUTE);
            let first = recent.next();
            if let Some(first) = first.filter(|_| recent.count() + 1 >= most) {
                return Err(MINUTE - now.saturating_duration_since(*first));
            }
        }
        at.push_back(now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_worth_the_rate() {
        let (mut pace, ann, start) = (Pace::per_second(5), UserId::new(), Instant::now());
        assert_eq!((0..20).filter(|_| pace.take(ann, start).is_ok()).count(), 5);
        let wait = pace.take(ann, start).unwrap_err();
        assert!(pace.take(ann, start + wait).is_ok());
        assert!(pace.take(UserId::new(), start).is_ok(), "others are untouched");
        let mut taken = 0;
        for ms in 1_000..11_000 {
            taken += u32::from(pace.take(ann, start + Duration::from_millis(ms)).is_ok());
        }
        assert!((50..=55).contains(&taken), "{taken}");
    }

    #[test]
    fn a_room_has_rules_of_its_own() {
        let (ann, start) = (UserId::new(), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        let slow = RoomSettings { slow_mode_seconds: 10, ..RoomSettings::default() };
        let mut wrote = Wrote::default();
        assert!(wrote.take(ann, &slow, start).is_ok());
        assert_eq!(wrote.take(ann, &slow, at(4_000)), Err(Duration::from_secs(6)));
        assert!(wrote.take(UserId::new(), &slow, at(4_000)).is_ok());
        assert!(wrote.take(ann, &slow, at(10_000)).is_ok());
        let rate = RoomSettings { messages_per_minute: 2, ..RoomSettings::default() };
        let mut wrote = Wrote::default();
        assert!(wrote.take(ann, &rate, start).is_ok() && wrote.take(ann, &rate, at(1)).is_ok());
        assert_eq!(wrote.take(ann, &rate, at(20_000)), Err(Duration::from_secs(40)));
        assert!(wrote.take(ann, &rate, at(60_000)).is_ok());
        assert!(wrote.take(ann, &rate, at(60_000)).is_err(), "the second one's minute is not over");
    }

    #[test]
    fn idle_people_are_forgotten() {
        let (mut pace, start) = (Pace::each(Duration::from_secs(1)), Instant::now());
        for n in 0..10_000 {
            assert!(pace.take(UserId::new(), start + Duration::from_secs(n * 2)).is_ok());
        }
        assert!(pace.due.len() <= 1024);
    }
}
