//! Both ports over servers, where `QDRANT_URL` and `MEILI_URL` name some.

use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    config::{MeiliConfig, QdrantConfig},
    ports::{
        Store,
        text::{self, Meilisearch, TextIndex},
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
