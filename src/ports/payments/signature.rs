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

/// A webhook's signing secret. Prints nothing of itself.
#[derive(Clone)]
pub struct WebhookSecret(Hmac<Sha256>);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret")
    }
}

impl WebhookSecret {
    /// Over the secret's text as the provider shows it (`whsec_…` and all).
    pub fn new(secret: &str) -> Self {
        match Hmac::new_from_slice(secret.as_bytes()) {
            Ok(keyed) => Self(keyed),
            // HMAC takes a key of any length (RFC 2104 §2).
            Err(_) => Self(Hmac::new(&[0; 64].into())),
        }
    }

    /// The header that the provider would send with `body`.
    pub fn sign(&self, body: &[u8], at: DateTime<Utc>) -> String {
        let time = at.timestamp().to_string();
        let mac = self.mac(&time, body).finalize().into_bytes();
        let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time},v1={hex}")
    }

    /// Whether one of the header's signatures is ours and its time is near.
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
        let keyed = self.mac(time, body);
        let genuine = signatures
            .iter()
            .filter_map(|hex| unhex(hex))
            // `verify_slice` compares in constant time; all are looked at.
            .fold(false, |found, mac| keyed.clone().verify_slice(&mac).is_ok() | found);
        if !genuine {
            return Err(WebhookError::BadSignature);
        }
        if now.timestamp().abs_diff(at) > TOLERANCE.unsigned_abs() {
            return Err(WebhookError::TooOld);
        }
        Ok(())
    }

    fn mac(&self, time: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
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
