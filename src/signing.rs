//! Tokens that the server can check without a table: connection tokens, cursors.
//!
//! A token is base64url over `expiry (i64, big endian, Unix milliseconds) | payload | HMAC-SHA256`.
//! The MAC also covers the purpose, so that a cursor is never taken for a connection token. The
//! payload is signed, not encrypted: put nothing secret into it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const MAC_BYTES: usize = 32;
const EXPIRY_BYTES: usize = 8;
/// The longest token that is looked at, in characters.
const MAX_TOKEN: usize = 4096;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not one of ours, was changed, or was made for another purpose.
    #[error("the token is not valid")]
    Invalid,
    /// It was valid until its expiry.
    #[error("the token has expired")]
    Expired,
}

/// Signs and verifies with one secret key. Cheap to clone; prints nothing of the key.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// A signer over a secret key (`platform.settings` keeps the server's).
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC itself pads a short key with zeros up to its block (RFC 2104 §2).
        let mut block = [0; 64];
        block[..key.len()].copy_from_slice(key);
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// A signer over a fresh random key: what it signs ends with the process.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self::new(&key))
    }

    /// Signs `payload` for `purpose`; without `expires` the token is valid for good.
    pub fn sign(&self, purpose: &str, payload: &[u8], expires: Option<DateTime<Utc>>) -> String {
        let expiry = expires.map_or(i64::MAX, |at| at.timestamp_millis());
        let mut token = Vec::with_capacity(EXPIRY_BYTES + payload.len() + MAC_BYTES);
        token.extend_from_slice(&expiry.to_be_bytes());
        token.extend_from_slice(payload);
        let mac = self.mac(purpose, &token).finalize().into_bytes();
        token.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// The payload of a token that was signed for `purpose` and is still valid at `now`.
    ///
    /// # Errors
    /// [`SignatureError::Expired`] only for a token that was genuine.
    pub fn verify(&self, purpose: &str, token: &str, now: DateTime<Utc>) -> Result<Vec<u8>, SignatureError> {
        if token.len() > MAX_TOKEN {
            return Err(SignatureError::Invalid);
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| SignatureError::Invalid)?;
        let signed = bytes.len().checked_sub(MAC_BYTES).ok_or(SignatureError::Invalid)?;
        let (body, mac) = bytes.split_at(signed);
        // Compares in constant time.
        self.mac(purpose, body).verify_slice(mac).map_err(|_| SignatureError::Invalid)?;
        let (expiry, _) = body.split_first_chunk::<EXPIRY_BYTES>().ok_or(SignatureError::Invalid)?;
        if i64::from_be_bytes(*expiry) <= now.timestamp_millis() {
            return Err(SignatureError::Expired);
        }
        bytes.truncate(signed);
        bytes.drain(..EXPIRY_BYTES);
        Ok(bytes)
    }

    fn mac(&self, purpose: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.keyed.clone();
        // The length first: no purpose can be a prefix of another's input.
        mac.update(&(purpose.len() as u64).to_be_bytes());
        mac.update(purpose.as_bytes());
        mac.update(body);
        mac
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_signed_verifies_and_any_changed_byte_does_not(
            payload in proptest::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>(), flip in 1u8..,
        ) {
            let (signer, now) = (Signer::new(&[7; 32]), Utc::now());
            let token = signer.sign("cursor", &payload, Some(now + Duration::seconds(1)));
            prop_assert_eq!(signer.verify("cursor", &token, now), Ok(payload));
            prop_assert_eq!(signer.verify("other", &token, now), Err(SignatureError::Invalid));
            prop_assert_eq!(Signer::new(&[8; 32]).verify("cursor", &token, now), Err(SignatureError::Invalid));
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let changed = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(signer.verify("cursor", &changed, now), Err(SignatureError::Invalid));
        }

        #[test]
        fn rubbish_is_refused(text in ".{0,200}") {
            prop_assert!(Signer::new(&[7; 32]).verify("cursor", &text, Utc::now()).is_err());
        }
    }

    #[test]
    fn an_expiry_is_kept_and_may_be_absent() {
        let (signer, now) = (Signer::random().unwrap(), Utc::now());
        let token = signer.sign("p", b"x", Some(now));
        assert_eq!(signer.verify("p", &token, now), Err(SignatureError::Expired));
        let token = signer.sign("p", b"x", None);
        assert!(signer.verify("p", &token, now + Duration::days(40_000)).is_ok());
    }
}
