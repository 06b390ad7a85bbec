//! The REST side's rate limits, and the headers that announce them (draft-ietf-httpapi-ratelimit-headers:
//! `RateLimit-Policy`, `RateLimit`).
//!
//! | limit | whose | when the shared counts are away |
//! | --- | --- | --- |
//! | `calls` | an address | open: this node counts alone |
//! | `user` | a person, whatever their addresses and sign-ins | open: this node counts alone |
//! | `sign-in` | an address: what guesses passwords or makes accounts | closed: 503 with `Retry-After` |
//! | `account` | an account from one address | closed: 503 with `Retry-After` |

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderName, HeaderValue},
    web,
};
use prometheus::{IntCounterVec, Opts};
use sha2::{Digest, Sha256};

use crate::{
    config::Config,
    error::ErrorKind,
    http::{Problem, extract::ClientAddr},
    ports::limits::{Ask, Limits as Counts, MemoryLimits, Rate, Verdict},
    principal::UserId,
    telemetry::metrics::Metrics,
};

/// When to come back while sign-ins cannot be counted.
const AWAY: Duration = Duration::from_secs(5);

/// What a request may still do.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    name: &'static str,
    quota: u32,
    remaining: u32,
    reset: Duration,
}

/// The person's allowance, beside their request: it is taken once, however often who asks is looked up.
#[derive(Clone, Copy, Debug)]
struct OfUser(Allowance);

/// The limits of the REST side.
pub struct Limits {
    counts: Arc<dyn Counts>,
    /// The counts of this node, for when the shared ones are away.
    own: Arc<MemoryLimits>,
    calls: Rate,
    user: Rate,
    sign_in: Rate,
    account: Rate,
    taken: IntCounterVec,
}

impl Limits {
    /// The limits that the configuration gives, counted in `counts`, or in `own` while that is away.
    ///
    /// # Panics
    /// When the declaration of the metric is wrong: found by the first test.
    #[expect(clippy::expect_used, reason = "constant declarations")]
    pub fn new(config: &Config, counts: Arc<dyn Counts>, own: Arc<MemoryLimits>, metrics: &Metrics) -> Self {
        let taken = Opts::new("gigsy_limits_total", "Takings of rate limits: allowed, refused, away.");
        Self {
            counts,
            own,
            calls: Rate::per_minute("calls", config.calls_per_minute()),
            user: Rate::per_minute("user", config.user_calls_per_minute()),
            sign_in: Rate::per_minute("sign-in", config.sign_in_per_minute()),
            account: Rate::per_minute("account", config.account_per_minute()),
            taken: metrics.register(IntCounterVec::new(taken, &["limit", "outcome"]).expect("valid metric")),
        }
    }

    /// How often [`Limits::sweep`] wants to be called.
    pub const SWEEP: Duration = Duration::from_secs(60);

    /// Forgets who has not asked for long, so that the table stays as small as the traffic.
    pub fn sweep(&self) {
        self.own.sweep();
    }

    /// Admits a call from an address; `guessing` ones count against both limits, so that they cannot
    /// crowd out their own.
    ///
    /// # Errors
    /// 429 with `Retry-After`; 503 for guesses that cannot be counted.
    pub async fn admit(&self, address: IpAddr, guessing: bool) -> Result<Vec<Allowance>, Problem> {
        let key = network(address).to_string();
        let asks =
            [Ask { rate: &self.calls, key: &key, cost: 1 }, Ask { rate: &self.sign_in, key: &key, cost: 1 }];
        let asks = if guessing { &asks[..] } else { &asks[..1] };
        self.take(asks, guessing, "from this address").await
    }

    /// Admits an attempt on an account from an address: a sign-in, a registration, a reset.
    ///
    /// # Errors
    /// 429 with `Retry-After`; 503 if it cannot be counted.
    pub async fn admit_attempt(&self, address: IpAddr, email: &str) -> Result<(), Problem> {
        // The address itself is nobody's business, wherever the counts are.
        let account = Sha256::digest(email.trim().to_lowercase().as_bytes());
        let account: String = account.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{account}@{}", network(address));
        let asks = [Ask { rate: &self.account, key: &key, cost: 1 }];
        self.take(&asks, true, "for this account").await.map(drop)
    }

    /// Admits a person's call, once for each request.
    ///
    /// # Errors
    /// 429 with `Retry-After`.
    pub async fn admit_user(&self, request: &HttpRequest, who: UserId) -> Result<(), Problem> {
        if request.extensions().get::<OfUser>().is_some() {
            return Ok(());
        }
        let key = who.to_string();
        let asks = [Ask { rate: &self.user, key: &key, cost: 1 }];
        let taken = self.take(&asks, false, "for this account").await?;
        if let Some(allowance) = taken.first() {
            request.extensions_mut().insert(OfUser(*allowance));
        }
        Ok(())
    }

    async fn take(&self, asks: &[Ask<'_>], closed: bool, whose: &str) -> Result<Vec<Allowance>, Problem> {
        let verdicts = match self.counts.take(asks).await {
            Ok(verdicts) => verdicts,
            Err(away) => {
                let name = asks.last().map_or("", |ask| ask.rate.name);
                self.taken.with_label_values(&[name, "away"]).inc();
                if closed {
                    slog::debug!(crate::telemetry::log(), "sign-ins wait for the limits"; "why" => %away);
                    let said = "sign-ins cannot be counted at the moment; try again shortly";
                    return Err(Problem::new(ErrorKind::Unavailable, said).retry_after(AWAY));
                }
                self.own.take_now(asks)
            }
        };
        let mut allowances = Vec::with_capacity(asks.len());
        for (ask, verdict) in asks.iter().zip(verdicts) {
            let outcome = if verdict.allowed { "allowed" } else { "refused" };
            self.taken.with_label_values(&[ask.rate.name, outcome]).inc();
            if !verdict.allowed {
                return Err(refusal(ask.rate, verdict, whose));
            }
            let Rate { name, burst, .. } = *ask.rate;
            let (remaining, reset) = (verdict.remaining, verdict.reset_after);
            allowances.push(Allowance { name, quota: burst, remaining, reset });
        }
        // The narrowest first: clients that read one only read that one.
        allowances.reverse();
        Ok(allowances)
    }
}

/// A parameter of handlers that try something on an account: a sign-in, a registration, a reset.
pub struct Attempts {
    limits: Option<web::Data<Limits>>,
    from: IpAddr,
}

impl Attempts {
    /// Admits an attempt on the account of that address.
    ///
    /// # Errors
    /// As [`Limits::admit_attempt`].
    pub async fn admit(&self, email: &str) -> Result<(), Problem> {
        match &self.limits {
            Some(limits) => limits.admit_attempt(self.from, email).await,
            // A part of the server by itself, as tests build it.
            None => Ok(()),
        }
    }
}

impl FromRequest for Attempts {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let limits = request.app_data::<web::Data<Limits>>().cloned();
        ready(Ok(Self { limits, from: ClientAddr::of(request).0 }))
    }
}

fn refusal(rate: &Rate, verdict: Verdict, whose: &str) -> Problem {
    Problem::new(ErrorKind::RateLimited, format!("over {} a minute {whose}", rate.burst))
        .retry_after(verdict.retry_after)
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
    /// The person's allowance, where the request had one.
    pub fn of_user(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<OfUser>().map(|allowance| allowance.0)
    }
}

/// Writes the two headers, a list item for each allowance.
pub fn announce(allowances: &[Allowance], headers: &mut HeaderMap) {
    let list =
        |item: &dyn Fn(&Allowance) -> String| allowances.iter().map(item).collect::<Vec<_>>().join(", ");
    let policy = list(&|a| format!("\"{}\";q={};w=60", a.name, a.quota));
    let left =
        list(&|a| format!("\"{}\";r={};t={}", a.name, a.remaining, a.reset.as_millis().div_ceil(1000)));
    for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
        if let Ok(value) = HeaderValue::from_str(&value)
            && !allowances.is_empty()
        {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;

    use super::*;
    use crate::ports::limits::LimitsAway;

    struct Gone;

    impl Counts for Gone {
        fn take<'a>(&'a self, _: &'a [Ask<'a>]) -> BoxFuture<'a, Result<Vec<Verdict>, LimitsAway>> {
            Box::pin(ready(Err(LimitsAway("test".into()))))
        }
    }

    fn limits(counts: Option<Arc<dyn Counts>>) -> Limits {
        let vars = [("GIGSY_LIMIT_SIGN_IN", "3"), ("GIGSY_LIMIT_CALLS", "5")];
        let vars = vars.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter();
        let config = crate::config::layer("x".into(), "", vars).unwrap();
        let own = Arc::new(MemoryLimits::default());
        Limits::new(&config, counts.unwrap_or(own.clone()), own, &Metrics::new())
    }

    #[actix_web::test]
    async fn past_the_allowance_comes_429_and_other_addresses_are_untouched() {
        let limits = limits(None);
        let (a, b): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for left in [2, 1, 0] {
            assert_eq!(limits.admit(a, true).await.unwrap()[0].remaining, left);
        }
        assert_eq!(limits.admit(a, true).await.unwrap_err().kind(), ErrorKind::RateLimited);
        assert!(limits.admit(a, false).await.is_ok(), "guesses have crowded out calls");
        assert!(limits.admit(b, true).await.is_ok());
    }

    #[actix_web::test]
    async fn one_ipv6_network_counts_as_one() {
        let limits = limits(None);
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        for n in 1..=3 {
            assert!(limits.admit(at(&format!("2001:db8::{n}")), true).await.is_ok());
        }
        assert!(limits.admit(at("2001:db8::4"), true).await.is_err());
        assert!(limits.admit(at("2001:db8:0:1::1"), true).await.is_ok());
    }

    #[actix_web::test]
    async fn an_account_counts_for_itself_whatever_its_spelling() {
        let limits = limits(None);
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        for text in ["a@example.org", " A@example.org", "a@Example.org"] {
            assert!(limits.admit_attempt(from, text).await.is_ok());
        }
        assert!(limits.admit_attempt(from, "a@example.org").await.is_err());
        assert!(limits.admit_attempt(from, "b@example.org").await.is_ok());
    }

    #[actix_web::test]
    async fn without_the_shared_counts_sign_ins_are_closed_and_calls_are_counted_here() {
        let limits = limits(Some(Arc::new(Gone)));
        let from: IpAddr = "192.0.2.1".parse().unwrap();
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(limits.admit(from, false).await.unwrap()[0].remaining, left);
        }
        assert_eq!(limits.admit(from, false).await.unwrap_err().kind(), ErrorKind::RateLimited);
        assert_eq!(limits.admit(from, true).await.unwrap_err().kind(), ErrorKind::Unavailable);
        let attempt = limits.admit_attempt(from, "a@example.org").await;
        assert_eq!(attempt.unwrap_err().kind(), ErrorKind::Unavailable);
    }

    #[test]
    fn the_headers_list_every_allowance() {
        let allowance =
            |name, remaining| Allowance { name, quota: 10, remaining, reset: Duration::from_millis(1_001) };
        let mut headers = HeaderMap::new();
        announce(&[allowance("calls", 9), allowance("user", 3)], &mut headers);
        assert_eq!(headers.get("ratelimit").unwrap(), "\"calls\";r=9;t=2, \"user\";r=3;t=2");
        assert_eq!(headers.get("ratelimit-policy").unwrap(), "\"calls\";q=10;w=60, \"user\";q=10;w=60");
    }
}
