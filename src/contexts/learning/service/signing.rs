//! Open Badges 3.0 credentials as VC-JWT (1EdTech OB 3.0 §8.2; W3C VC data model 2.0), signed with
//! Ed25519 (RFC 8037), the issuer's `did:web` document, and its Bitstring Status List (W3C, 2025).

use std::io::Write;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, Utc};
use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::contexts::learning::{LearningError, model::Certificate, store::certificates::KeyRow};

/// Entries in one status list: the least that the standard allows, so that a list tells little of whoever
/// is looked up. 16 KiB.
pub(in crate::contexts::learning) const LIST: i64 = 131_072;

/// Where the issuer is.
#[derive(Clone, Debug)]
pub(in crate::contexts::learning) struct Issuer {
    /// `https://gigsy.example`, without a slash.
    pub base: String,
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Issuer {
    /// The issuer's name (W3C CCG, "did:web method", §3.1): the host, its port escaped, and the path.
    pub fn did(&self) -> String {
        let rest = self.base.split_once("://").map_or(self.base.as_str(), |(_, rest)| rest);
        format!("did:web:{}", rest.replace(':', "%3A").replace('/', ":"))
    }

    /// Where anybody can verify a certificate.
    pub fn verify_url(&self, id: impl std::fmt::Display) -> String {
        format!("{}/verify/{id}", self.base)
    }

    fn list_url(&self, list: i64) -> String {
        format!("{}/credentials/status/{list}", self.base)
    }

    fn key_name(&self, key: &str) -> String {
        format!("{}#{key}", self.did())
    }

    /// The credential of a certificate, signed.
    pub fn credential(&self, one: &Certificate, key: &KeyRow) -> Result<String, LearningError> {
        let id = self.verify_url(one.id);
        let (list, place) = (one.status_index / LIST, one.status_index % LIST);
        let subject = format!("urn:uuid:{}", one.student_id);
        let credential = json!({
            "@context": [
                "https://www.w3.org/ns/credentials/v2",
                "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
            ],
            "id": id,
            "type": ["VerifiableCredential", "OpenBadgeCredential"],
            "name": one.course_title,
            "issuer": { "id": self.did(), "type": ["Profile"], "name": "Gigsy", "url": self.base },
            "validFrom": time(one.created_at),
            "credentialSubject": {
                "id": subject,
                "type": ["AchievementSubject"],
                "identifier": [{
                    "type": "IdentityObject", "hashed": false, "identityHash": one.learner_name,
                    "identityType": "name",
                }],
                "achievement": {
                    "id": format!("{}/api/v1/courses/{}", self.base, one.course_id),
                    "type": ["Achievement"],
                    "achievementType": "Course",
                    "name": one.course_title,
                    "description": format!("Completed the course “{}”.", one.course_title),
                    "criteria": { "narrative": "All required parts of the course were completed." },
                },
            },
            "credentialStatus": {
                "id": format!("{}#{place}", self.list_url(list)),
                "type": "BitstringStatusListEntry",
                "statusPurpose": "revocation",
                "statusListIndex": place.to_string(),
                "statusListCredential": self.list_url(list),
            },
            "iss": self.did(), "sub": subject, "jti": id, "nbf": one.created_at.timestamp(),
        });
        self.sign(&credential, key)
    }

    /// A status list, signed: one bit for each place.
    pub fn status_list(
        &self,
        list: i64,
        revoked: &[i64],
        key: &KeyRow,
        now: DateTime<Utc>,
    ) -> Result<String, LearningError> {
        let mut bits = vec![0_u8; usize::try_from(LIST / 8).unwrap_or_default()];
        for place in revoked {
            // The first place is the leftmost bit (§3.3 of the standard).
            let place = usize::try_from(place % LIST).unwrap_or_default();
            if let Some(byte) = bits.get_mut(place / 8) {
                *byte |= 0x80 >> (place % 8);
            }
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let packed =
            gzip.write_all(&bits).and_then(|()| gzip.finish()).map_err(|_| LearningError::Signing)?;
        let url = self.list_url(list);
        let credential = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "id": url,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": self.did(),
            "validFrom": time(now),
            "validUntil": time(now + chrono::Duration::days(1)),
            "credentialSubject": {
                "id": format!("{url}#list"),
                "type": "BitstringStatusList",
                "statusPurpose": "revocation",
                "encodedList": format!("u{}", URL_SAFE_NO_PAD.encode(packed)),
            },
            "iss": self.did(), "jti": url, "nbf": now.timestamp(), "exp": now.timestamp() + 86_400,
        });
        self.sign(&credential, key)
    }

    fn sign(&self, payload: &Value, key: &KeyRow) -> Result<String, LearningError> {
        let pair = Ed25519KeyPair::from_pkcs8(&key.private).map_err(|_| LearningError::Signing)?;
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.key_name(&key.id) });
        let part = |value: &Value| serde_json::to_vec(value).map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let signed = format!("{}.{}", part(&header)?, part(payload)?);
        let signature = URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()));
        Ok(format!("{signed}.{signature}"))
    }

    /// The issuer's document: every key, so that what an old one signed can still be verified.
    pub fn document(&self, keys: &[KeyRow]) -> Value {
        let did = self.did();
        let method = |key: &KeyRow| {
            json!({
                "id": self.key_name(&key.id), "type": "JsonWebKey", "controller": did,
                "publicKeyJwk": {
                    "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.id,
                    "x": URL_SAFE_NO_PAD.encode(&key.public),
                },
            })
        };
        let names: Vec<String> = keys.iter().map(|key| self.key_name(&key.id)).collect();
        json!({
            "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1"],
            "id": did,
            "verificationMethod": keys.iter().map(method).collect::<Vec<_>>(),
            "assertionMethod": names,
        })
    }
}

/// A fresh key pair; its name is the beginning of its public half's digest.
pub(in crate::contexts::learning) fn fresh_key() -> Result<KeyRow, LearningError> {
    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| LearningError::Signing)?;
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|_| LearningError::Signing)?;
    let public = pair.public_key().as_ref().to_vec();
    let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(&public)[..9]);
    Ok(KeyRow { id: format!("key-{id}"), private: private.as_ref().to_vec(), public })
}

/// Whether a credential was signed by one of these keys, and every byte of it is as it was then.
pub(in crate::contexts::learning) fn verifies(token: &str, keys: &[KeyRow], issuer: &Issuer) -> bool {
    let mut parts = token.split('.');
    let (Some(header), Some(payload), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else { return false };
    let named =
        URL_SAFE_NO_PAD.decode(header).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(named) = named else { return false };
    if named.get("alg").and_then(Value::as_str) != Some("EdDSA") {
        return false;
    }
    let kid = named.get("kid").and_then(Value::as_str);
    let Some(key) = keys.iter().find(|key| kid == Some(issuer.key_name(&key.id).as_str())) else {
        return false;
    };
    let signed = format!("{header}.{payload}");
    UnparsedPublicKey::new(&ED25519, &key.public).verify(signed.as_bytes(), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_named_by_its_place() {
        let did = |base: &str| Issuer { base: base.into() }.did();
        assert_eq!(did("https://gigsy.example"), "did:web:gigsy.example");
        assert_eq!(did("http://127.0.0.1:8080"), "did:web:127.0.0.1%3A8080");
        assert_eq!(did("https://gigsy.example/app"), "did:web:gigsy.example:app");
    }
}
