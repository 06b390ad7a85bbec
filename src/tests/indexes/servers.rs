//! Both ports over servers, where `QDRANT_URL` and `MEILI_URL` name some.

use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    config::{MeiliConfig, QdrantConfig},
    ports::{
        Store,
        attributes::{Attributes, Filter},
        text::{self, Document, Meilisearch, TextIndex},
        vectors::{self, Qdrant, VectorStore},
    },
    tests::support::{database::TestDatabase, skip::skip},
};

fn named(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// A prefix that no other run has.
fn prefix() -> String {
    format!("t{}", &Uuid::new_v4().simple().to_string()[..12])
}

#[test]
fn qdrant_keeps_the_contract_of_the_vectors() {
    let Some(url) = named("QDRANT_URL") else { skip!(store "vectors in Qdrant", "no QDRANT_URL") };
    let config = QdrantConfig {
        url: Some(url.parse().unwrap()),
        api_key: named("QDRANT_API_KEY"),
        prefix: prefix(),
        timeout_ms: 20_000,
    };
    let runtime = Runtime::new().unwrap();
    let store = VectorStore::over(Qdrant::connect(&config).unwrap().unwrap());
    vectors::contract::keeps_to_it(&store, &runtime, "q");
    let status = runtime.block_on(store.status());
    assert!(status.reachable && status.mend.is_none() && status.version.is_some(), "{status:?}");
    // What it made goes, but for what is live.
    for name in ["near_q", "rev_q", "swap_q", "bad_q"] {
        for c in runtime.block_on(store.versions(name)).unwrap() {
            let _ = runtime.block_on(store.remove(&c));
        }
    }
}

#[test]
fn meilisearch_keeps_the_contract_of_the_text() {
    let Some(url) = named("MEILI_URL") else { skip!(store "words in Meilisearch", "no MEILI_URL") };
    let config = MeiliConfig {
        url: Some(url.parse().unwrap()),
        api_key: named("MEILI_MASTER_KEY"),
        search_key: None,
        prefix: prefix(),
        timeout_ms: 20_000,
    };
    let runtime = Runtime::new().unwrap();
    let database = TestDatabase::new();
    let database = runtime.block_on(database.open());
    let index = TextIndex::over(Meilisearch::connect(&config, &database).unwrap().unwrap());
    text::contract::keeps_to_it(&index, &runtime, "m");
    let status = runtime.block_on(index.status());
    assert!(status.reachable && status.mend.is_none() && status.version.is_some(), "{status:?}");
}

/// Asks as a client of a platform would: with a token, and nothing of ours in between.
async fn ask(url: &str, path: &str, key: &str, body: Value) -> (u16, Value) {
    let client = crate::tls::http_client(std::time::Duration::from_secs(20)).unwrap();
    let request = client.post(format!("{}{path}", url.trim_end_matches('/'))).bearer_auth(key);
    let request = request.header("content-type", "application/json").body(body.to_string());
    let response = request.send().await.unwrap();
    (response.status().as_u16(), serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_tenant_token_opens_what_it_says_and_no_more() {
    let Some(url) = named("MEILI_URL") else { skip!(store "tenant tokens", "no MEILI_URL") };
    let Some(master) = named("MEILI_MASTER_KEY") else { skip!(store "tenant tokens", "no MEILI_MASTER_KEY") };
    let wanted = json!({ "actions": ["search"], "indexes": ["*"], "expiresAt": null });
    let (status, made) = ask(&url, "/keys", &master, wanted).await;
    assert_eq!(status, 201, "{made}");
    let config = MeiliConfig {
        url: Some(url.parse().unwrap()),
        api_key: Some(master),
        search_key: made["key"].as_str().map(str::to_owned),
        prefix: prefix(),
        timeout_ms: 20_000,
    };
    let database = TestDatabase::new();
    let database = database.open().await;
    let index = TextIndex::over(Meilisearch::connect(&config, &database).unwrap().unwrap());
    for name in ["gigs", "people"] {
        index.ready(name).await.unwrap();
        let document = |n: u128, open: bool| Document {
            id: Uuid::from_u128(n),
            revision: 1,
            title: "A logo".into(),
            keywords: Vec::new(),
            body: String::new(),
            attributes: Attributes { open, ..Attributes::default() },
        };
        index.upsert(name, &[document(1, true), document(2, false)]).await.unwrap();
    }
    let open = Filter { open_only: true, ..Filter::default() };
    let token = async |minutes| {
        let until = Utc::now() + TimeDelta::minutes(minutes);
        index.tenant_token(&["gigs"], &open, until).await.unwrap().unwrap()
    };
    let search = async |name: &str, token: &str| {
        let path = format!("/indexes/{}_{name}/search", config.prefix);
        ask(&url, &path, token, json!({ "q": "logo" })).await
    };
    let valid = token(5).await;
    let (status, found) = search("gigs", &valid).await;
    assert_eq!((status, &found["estimatedTotalHits"]), (200, &json!(1)), "{found}");
    assert_eq!(found["hits"][0]["id"], json!(Uuid::from_u128(1)));
    assert_eq!(search("people", &valid).await.0, 403, "of another index");
    assert_eq!(search("gigs", &token(-5).await).await.0, 403, "expired");
    let (signed, signature) = valid.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(search("gigs", &forged).await.0, 403, "forged");
}
