//! Who sends: voluntary application server identification (RFC 8292).

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ring::{
    error::Unspecified,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::json;
use url::Url;

/// How long a token is good; the standard allows a day.
const GOOD_FOR: Duration = Duration::from_secs(12 * 3_600);

/// A stored key cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the key for Web Push cannot be used")]
pub struct BadKey;

/// The key of this installation. Cheap to clone; prints nothing of it.
#[derive(Clone)]
pub struct Vapid {
    inner: Arc<Inner>,
}

struct Inner {
    key: EcdsaKeyPair,
    /// How a push service reaches whoever runs this: a `mailto:` or `https:` URL.
    contact: String,
}

impl Vapid {
    /// A new key, in PKCS#8, to be stored.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Vec<u8>, BadKey> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        made.map(|document| document.as_ref().to_vec()).map_err(|_| BadKey)
    }

    /// A stored key, and how whoever runs this is reached.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(pkcs8: &[u8], contact: String) -> Result<Self, BadKey> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &SystemRandom::new());
        Ok(Self { inner: Arc::new(Inner { key: key.map_err(|_| BadKey)?, contact }) })
    }

    /// The public key: an uncompressed point of P-256.
    pub fn public_key(&self) -> &[u8] {
        self.inner.key.public_key().as_ref()
    }

    /// What goes into `Authorization`: a token for the push service of an endpoint.
    pub(super) fn authorization(&self, endpoint: &Url, now: DateTime<Utc>) -> Result<String, Unspecified> {
        let text = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = text(json!({ "typ": "JWT", "alg": "ES256" }));
        let claims = text(json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": now.timestamp() + GOOD_FOR.as_secs() as i64,
            "sub": self.inner.contact,
        }));
        let signed = format!("{head}.{claims}");
        let signature = self.inner.key.sign(&SystemRandom::new(), signed.as_bytes())?;
        let key = URL_SAFE_NO_PAD.encode(self.public_key());
        Ok(format!("vapid t={signed}.{}, k={key}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_is_for_one_push_service_and_signed_by_the_key_that_it_names() {
        let vapid = Vapid::new(&Vapid::generate().unwrap(), "mailto:ops@example.org".into()).unwrap();
        let now: DateTime<Utc> = "2026-03-10T12:00:00Z".parse().unwrap();
        let header = vapid.authorization(&"https://push.example:444/a/b?c".parse().unwrap(), now).unwrap();
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let [head, claims, signature] = parts[..] else { panic!("{token}") };
        let read = |part: &str| {
            serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(read(head), json!({ "typ": "JWT", "alg": "ES256" }));
        let wanted = json!({ "aud": "https://push.example:444", "exp": now.timestamp() + 43_200,
            "sub": "mailto:ops@example.org" });
        assert_eq!(read(claims), wanted);
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, URL_SAFE_NO_PAD.decode(key).unwrap());
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verify(format!("{head}.{claims}").as_bytes(), &signature).is_ok());
        assert!(Vapid::new(b"no key", String::new()).is_err());
    }
}
