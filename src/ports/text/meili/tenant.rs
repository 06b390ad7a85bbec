//! Tenant tokens: what lets a client ask Meilisearch itself, within a filter and a time. A JSON Web Token
//! signed with the search key (HS256), as Meilisearch's documentation of tenant tokens has it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, json};
use sha2::Sha256;

use super::{Answer, Server, TextError, fault, filter::demand};
use crate::ports::attributes::Filter;

impl Server {
    /// A token for these indexes; `None` where no search key is set.
    pub async fn tenant_token(
        &self,
        uids: &[String],
        filter: &Filter,
        until: DateTime<Utc>,
    ) -> Answer<Option<String>> {
        let Some(key) = &self.search_key else { return Ok(None) };
        let uid = self.client.get_key(key).await.map_err(fault)?.uid;
        token(key, &uid, uids, filter, until).map(Some)
    }
}

fn token(key: &str, key_uid: &str, uids: &[String], filter: &Filter, until: DateTime<Utc>) -> Answer<String> {
    let rule = json!({ "filter": demand(filter) });
    let rules: Map<_, _> = uids.iter().map(|uid| (uid.clone(), rule.clone())).collect();
    let claims = json!({ "apiKeyUid": key_uid, "searchRules": rules, "exp": until.timestamp() });
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let head = encode(json!({ "alg": "HS256", "typ": "JWT" }).to_string());
    let signed = format!("{head}.{}", encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes())
        .map_err(|_| TextError::Invalid("the search key cannot sign".into()))?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

#[test]
fn a_token_is_a_signed_claim() {
    let until = DateTime::from_timestamp(1_900_000_000, 0).unwrap_or_default();
    let filter = Filter { open_only: true, ..Filter::default() };
    let made = token("secret", "uid", &["gigsy_gigs".into()], &filter, until).unwrap();
    let parts: Vec<_> = made.split('.').collect();
    let read = |n: usize| BASE64_URL_SAFE_NO_PAD.decode(parts[n]).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&read(1)).unwrap();
    assert_eq!(claims["searchRules"]["gigsy_gigs"]["filter"], "gone = false AND open = true");
    assert_eq!((&claims["apiKeyUid"], &claims["exp"]), (&json!("uid"), &json!(1_900_000_000)));
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(format!("{}.{}", parts[0], parts[1]).as_bytes());
    mac.verify_slice(&read(2)).unwrap();
}
