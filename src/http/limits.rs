//! Rate limits (GCRA by `governor`) and the headers that announce them
//! (draft-ietf-httpapi-ratelimit-headers: `RateLimit-Policy`, `RateLimit`).

use std::{net::IpAddr, num::NonZeroU32, time::Duration};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::{config::Config, error::ErrorKind, http::Problem};

type Keyed = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// One limit per client address.
pub struct Limit {
    name: &'static str,
    per_minute: NonZeroU32,
    keyed: Keyed,
}

/// What a request may still do.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    name: &'static str,
    quota: u32,
    remaining: u32,
}

impl Limit {
    fn new(name: &'static str, per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let keyed = RateLimiter::dashmap(Quota::per_minute(per_minute))
            .with_middleware::<StateInformationMiddleware>();
        Self { name, per_minute, keyed }
    }

    /// Takes one from the address's allowance.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub fn take(&self, address: IpAddr) -> Result<Allowance, Problem> {
        let (name, quota) = (self.name, self.per_minute.get());
        match self.keyed.check_key(&network(address)) {
            Ok(state) => Ok(Allowance { name, quota, remaining: state.remaining_burst_capacity() }),
            Err(until) => {
                let wait = until.wait_time_from(DefaultClock::default().now());
                Err(Problem::new(ErrorKind::RateLimited, format!("over {quota} a minute from this address"))
                    .retry_after(wait))
            }
        }
    }

    /// Forgets addresses whose allowance is whole again.
    pub fn sweep(&self) {
        self.keyed.retain_recent();
        self.keyed.shrink_to_fit();
    }
}

/// An IPv6 customer has a /64 of addresses; they count as one.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        },
        v4 => v4,
    }
}

impl Allowance {
    /// Writes the two headers.
    pub fn announce(&self, headers: &mut HeaderMap) {
        let policy = format!("\"{}\";q={};w=60", self.name, self.quota);
        let left = format!("\"{}\";r={};t={}", self.name, self.remaining, 60);
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
}

/// The limits of the REST side.
pub struct Limits {
    /// Every call of the API.
    pub calls: Limit,
    /// Registrations, sign-ins, resets: what guesses passwords or makes accounts.
    pub sign_in: Limit,
}

impl Limits {
    /// The limits that the configuration gives.
    pub fn new(config: &Config) -> Self {
        Self {
            calls: Limit::new("calls", config.calls_per_minute()),
            sign_in: Limit::new("sign-in", config.sign_in_per_minute()),
        }
    }

    /// How often [`Limits::sweep`] wants to be called.
    pub const SWEEP: Duration = Duration::from_secs(60);

    /// Forgets idle addresses, so that the tables stay as small as the traffic.
    pub fn sweep(&self) {
        self.calls.sweep();
        self.sign_in.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_the_allowance_comes_429_and_other_addresses_are_untouched() {
        let limit = Limit::new("test", 3);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for left in [2, 1, 0] {
            assert_eq!(limit.take(a).unwrap().remaining, left);
        }
        assert_eq!(limit.take(a).unwrap_err().kind(), ErrorKind::RateLimited);
        assert!(limit.take(b).is_ok());
    }

    #[test]
    fn one_ipv6_network_counts_as_one() {
        let limit = Limit::new("test", 1);
        assert!(limit.take("2001:db8::1".parse().unwrap()).is_ok());
        assert!(limit.take("2001:db8::2".parse().unwrap()).is_err());
        assert!(limit.take("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }
}
