//! How long the next sign-in has to wait after wrong passwords.
//!
//! Two counts are kept for an account that somebody tries to enter, whether it exists or not:
//!
//! - **the account from one network**: five free failures, then 1 s, 2 s, 4 s, … up to a quarter of an
//!   hour. A guesser locks out nobody but themself.
//! - **the account from anywhere**: twenty free failures, then doubling up to a minute. This slows a
//!   guesser with many addresses; it spares networks from which the account was entered before, so
//!   that the owner, at home, does not notice. From a new network the owner can still reset the
//!   password, which forgets the failures and makes that network known.
//!
//! A refused attempt is not counted: knocking on a locked door does not keep it locked.

use std::net::IpAddr;

use chrono::{DateTime, Duration, Utc};
use sha2::{Digest, Sha256};

use super::model::Email;

/// After this long without a failure a count starts anew.
pub const WINDOW: Duration = Duration::hours(1);

const NETWORK: Policy = Policy { free: 5, cap_seconds: 15 * 60 };
const ACCOUNT: Policy = Policy { free: 20, cap_seconds: 60 };

struct Policy {
    /// Failures before the first wait.
    free: u32,
    /// The longest wait.
    cap_seconds: u64,
}

impl Policy {
    fn wait(&self, failures: u32) -> Duration {
        let seconds = match failures.checked_sub(self.free) {
            None => 0,
            Some(over) => 1u64
                .checked_shl(over)
                .filter(|s| *s > 0)
                .map_or(self.cap_seconds, |s| s.min(self.cap_seconds)),
        };
        Duration::seconds(seconds.cast_signed())
    }
}

/// One count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Failures since it started.
    pub failures: u32,
    /// The last of them.
    pub last_at: DateTime<Utc>,
}

/// What is known when somebody asks to sign in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// For the account from this network.
    pub here: Option<Count>,
    /// For the account from anywhere.
    pub anywhere: Option<Count>,
    /// Whether the account was entered from this network before.
    pub known_network: bool,
}

impl Failures {
    /// How long the next attempt has to wait at `now`; `None` means not at all.
    pub fn wait(&self, now: DateTime<Utc>) -> Option<std::time::Duration> {
        let of = |count: Option<Count>, policy: &Policy| {
            count
                .filter(|count| now - count.last_at < WINDOW)
                .map_or(Duration::zero(), |count| count.last_at + policy.wait(count.failures) - now)
        };
        let anywhere = if self.known_network { Duration::zero() } else { of(self.anywhere, &ACCOUNT) };
        let wait = of(self.here, &NETWORK).max(anywhere);
        wait.to_std().ok().filter(|wait| !wait.is_zero())
    }
}

/// The key under which failures for an address are counted: a hash, since people now and then type
/// their password into the wrong field.
pub fn key(email: &Email) -> [u8; 32] {
    Sha256::digest(email.as_str().as_bytes()).into()
}

/// The network an address stands for: itself in IPv4, its /64 in IPv6, since a subscriber has at
/// least that many addresses.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failures(here: u32, anywhere: u32, known_network: bool, now: DateTime<Utc>) -> Failures {
        let count = |failures| Some(Count { failures, last_at: now });
        Failures { here: count(here), anywhere: count(anywhere), known_network }
    }

    #[test]
    fn the_wait_doubles_and_is_capped() {
        let now = Utc::now();
        let seconds = |n| failures(n, 0, false, now).wait(now).map_or(0, |wait| wait.as_secs());
        assert_eq!([4, 5, 6, 7, 8].map(seconds), [0, 1, 2, 4, 8]);
        assert_eq!([14, 15, 60, 69, 70, u32::MAX].map(seconds), [512, 900, 900, 900, 900, 900]);
    }

    #[test]
    fn a_stranger_delays_an_owner_at_a_known_network_not_at_all() {
        let now = Utc::now();
        assert_eq!(failures(0, 1000, true, now).wait(now), None);
        assert_eq!(failures(0, 1000, false, now).wait(now), Some(std::time::Duration::from_secs(60)));
    }

    #[test]
    fn an_old_count_is_forgotten() {
        let now = Utc::now();
        assert_eq!(failures(1000, 1000, false, now).wait(now + WINDOW), None);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_network() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2:3::4"), of("2001:db8:1:2:ffff::1"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }

    proptest! {
        #[test]
        fn more_failures_never_mean_a_shorter_wait(a in 0u32..200, b in 0u32..200) {
            let now = Utc::now();
            let wait = |n| failures(n, n, false, now).wait(now).unwrap_or_default();
            prop_assert!(wait(a.min(b)) <= wait(a.max(b)));
        }

        #[test]
        fn nobody_waits_longer_than_a_quarter_of_an_hour(n in any::<u32>(), m in any::<u32>(), known in any::<bool>()) {
            let now = Utc::now();
            let wait = failures(n, m, known, now).wait(now).unwrap_or_default();
            prop_assert!(wait <= std::time::Duration::from_secs(900));
        }
    }
}
