//! Signed webhooks as Stripe signs them: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`, with
//! several `v1` while a secret is being rolled. Verified over the bytes as they came.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::WebhookError;

/// How far a signature's time may be from ours, either way, in seconds.
pub const TOLERANCE: i64 = 300;
/// Signatures looked at in one header.
const MOST: usize = 8;

/// The signing secret of webhooks, or several: the provider has one for each endpoint that it is told of.
/// Prints nothing of itself.
#[derive(Clone)]
pub struct WebhookSecret {
    first: Hmac<Sha256>,
    others: Vec<Hmac<Sha256>>,
}

/// Between two commas of several secrets there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("one of the secrets is empty: write them with one comma between two, such as whsec_a,whsec_b")]
pub struct EmptySecret;

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Over the secret's text as the provider shows it (`whsec_…` and all).
    pub fn new(secret: &str) -> Self {
        Self { first: keyed(secret), others: Vec::new() }
    }

    /// Over several secrets, with commas between them: each is honoured, and the first signs.
    ///
    /// # Errors
    /// [`EmptySecret`]: anybody could sign with an empty one.
    pub fn several(text: &str) -> Result<Self, EmptySecret> {
        let mut keys = Vec::new();
        for secret in text.split(',').map(str::trim) {
            if secret.is_empty() {
                return Err(EmptySecret);
            }
            keys.push(keyed(secret));
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(EmptySecret)?;
        Ok(Self { first, others: keys.collect() })
    }

    /// The header that the provider would send with `body`.
    pub fn sign(&self, body: &[u8], at: DateTime<Utc>) -> String {
        let time = at.timestamp().to_string();
        let mac = over(&self.first, &time, body).finalize().into_bytes();
        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={hex}")
    }

    /// Whether one of the header's signatures is by one of our secrets and its time is near.
    ///
    /// # Errors
    /// [`WebhookError::BadSignature`] and, only for a genuine one, [`WebhookError::TooOld`].
    pub fn verify(&self, body: &[u8], header: Option<&str>, now: DateTime<Utc>) -> Result<(), WebhookError> {
        let header = header.ok_or(WebhookError::BadSignature)?;
        let (mut time, mut signatures) = (None, Vec::new());
        for part in header.split(',') {
            match part.trim().split_once('=') {
                Some(("t", value)) => time = Some(value),
                Some(("v1", value)) if signatures.len() < MOST => signatures.push(value),
                _ => {}
            }
        }
        let time = time.ok_or(WebhookError::BadSignature)?;
        let at: i64 = time.parse().map_err(|_| WebhookError::BadSignature)?;
        let signatures: Vec<Vec<u8>> = signatures.into_iter().filter_map(unhex).collect();
        // `verify_slice` compares in constant time; all are looked at, by every secret.
        let mut genuine = false;
        for key in std::iter::once(&self.first).chain(&self.others) {
            let keyed = over(key, time, body);
            genuine =
                signatures.iter().fold(genuine, |found, mac| keyed.clone().verify_slice(mac).is_ok() | found);
        }
        if !genuine {
            return Err(WebhookError::BadSignature);
        }
        if now.timestamp().abs_diff(at) > TOLERANCE.unsigned_abs() {
            return Err(WebhookError::TooOld);
        }
        Ok(())
    }
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    match Hmac::new_from_slice(secret.as_bytes()) {
        Ok(key) => key,
        // HMAC takes a key of any length (RFC 2104 §2).
        Err(_) => Hmac::new(&[0; 64].into()),
    }
}

fn over(key: &Hmac<Sha256>, time: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(time.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_signed_verifies_and_any_changed_byte_does_not(
            body in proptest::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), flip in 1_u8..,
        ) {
            let (secret, now) = (WebhookSecret::new("whsec_test"), Utc::now());
            let header = secret.sign(&body, now);
            prop_assert_eq!(secret.verify(&body, Some(&header), now), Ok(()));
            prop_assert_eq!(WebhookSecret::new("whsec_other").verify(&body, Some(&header), now), Err(WebhookError::BadSignature));
            let mut changed = body.clone();
            changed[at.index(body.len())] ^= flip;
            prop_assert_eq!(secret.verify(&changed, Some(&header), now), Err(WebhookError::BadSignature));
        }

        #[test]
        fn rubbish_is_refused(header in ".{0,100}") {
            let refused = WebhookSecret::new("x").verify(b"body", Some(&header), Utc::now()).is_err();
            prop_assert!(refused);
        }
    }

    #[test]
    fn an_old_signature_is_a_replay_and_a_second_secret_is_honoured() {
        let (secret, now) = (WebhookSecret::new("whsec_a"), Utc::now());
        let header = secret.sign(b"{}", now);
        for seconds in [-301, 301] {
            let later = now + Duration::seconds(seconds);
            assert_eq!(secret.verify(b"{}", Some(&header), later), Err(WebhookError::TooOld));
        }
        assert_eq!(secret.verify(b"{}", Some(&header), now + Duration::seconds(299)), Ok(()));
        let rolled = format!("{header},v1={},v0=nothing", "0".repeat(64));
        assert_eq!(secret.verify(b"{}", Some(&rolled), now), Ok(()));
        // The time is signed too: it cannot be moved on.
        let moved = header.replacen(&now.timestamp().to_string(), &(now.timestamp() + 1).to_string(), 1);
        assert_eq!(secret.verify(b"{}", Some(&moved), now), Err(WebhookError::BadSignature));
        assert_eq!(secret.verify(b"{}", None, now), Err(WebhookError::BadSignature));
    }

    #[test]
    fn of_several_secrets_each_is_honoured_and_the_first_signs() {
        let now = Utc::now();
        let both = WebhookSecret::several(" whsec_account, whsec_connect\n").unwrap();
        for name in ["whsec_account", "whsec_connect"] {
            let header = WebhookSecret::new(name).sign(b"{}", now);
            assert_eq!(both.verify(b"{}", Some(&header), now), Ok(()), "{name}");
            assert_eq!(both.verify(b"[]", Some(&header), now), Err(WebhookError::BadSignature), "{name}");
        }
        // Neither the text as a whole nor nothing is a secret.
        for name in ["whsec_account,whsec_connect", "whsec_other", ""] {
            let header = WebhookSecret::new(name).sign(b"{}", now);
            assert_eq!(both.verify(b"{}", Some(&header), now), Err(WebhookError::BadSignature), "{name}");
        }
        assert_eq!(both.sign(b"{}", now), WebhookSecret::new("whsec_account").sign(b"{}", now));
        let one = WebhookSecret::several("whsec_account").unwrap();
        assert_eq!(one.sign(b"{}", now), both.sign(b"{}", now));
        for text in ["", " ", ",", "whsec_a,", ",whsec_a", "whsec_a,,whsec_b", "whsec_a, ,whsec_b"] {
            assert!(WebhookSecret::several(text).is_err(), "{text:?}");
        }
    }

    /// The provider's published scheme, computed by another implementation.
    #[test]
    fn a_known_signature() {
        let secret = WebhookSecret::new("whsec_test_secret");
        let at = DateTime::from_timestamp(1_492_774_577, 0).unwrap();
        assert_eq!(
            secret.sign(br#"{"id":"evt_1"}"#, at),
            "t=1492774577,v1=799c4ba7bb339f3c8601adfd112f0e477c930a268be1243d341abb8286501c2f",
        );
    }
}
