//! What every adapter of the cache keeps to.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Age, CacheStore, EVERYTHING, Life};

const LONG: Life = Life { fresh: Duration::from_secs(60), stale: Duration::from_secs(60) };

/// Runs the suite; `salt` keeps its keys apart from those of other runs.
pub(crate) async fn keeps_to_it(store: Arc<dyn CacheStore>, salt: &str) {
    what_was_put_is_found_until_a_tag_is_forgotten(&*store, salt).await;
    a_late_fill_counts_for_nothing(&*store, salt).await;
    past_its_freshness_one_loads_anew(&*store, salt).await;
    a_life_ends(&*store, salt).await;
    forgetting_everything_does(&*store, salt).await;
}

fn tags(salt: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{salt}-{name}")).collect()
}

async fn what_was_put_is_found_until_a_tag_is_forgotten(store: &dyn CacheStore, salt: &str) {
    let (key, both) = (format!("{salt}-1"), tags(salt, &["a", "b"]));
    let body = Bytes::from_static(b"\0\xff anything\r\n");
    let missed = store.look(&key, &both).await.unwrap();
    assert_eq!(missed.found, None);
    assert_eq!(store.look(&key, &both).await.unwrap().stamp, missed.stamp, "a look changes nothing");
    assert!(store.put(&key, &both, &missed.stamp, body.clone(), LONG).await.unwrap());
    let found = store.look(&key, &both).await.unwrap().found.unwrap();
    assert_eq!((found.body, found.age), (body.clone(), Age::Fresh));
    store.forget(&tags(salt, &["c"])).await;
    assert!(store.look(&key, &both).await.unwrap().found.is_some());
    for tag in ["a", "b"] {
        let stamp = store.look(&key, &both).await.unwrap().stamp;
        assert!(store.put(&key, &both, &stamp, body.clone(), LONG).await.unwrap());
        assert!(store.forget(&tags(salt, &[tag])).await);
        let after = store.look(&key, &both).await.unwrap();
        assert!(after.found.is_none() && after.stamp != stamp);
    }
}

async fn a_late_fill_counts_for_nothing(store: &dyn CacheStore, salt: &str) {
    let (key, one) = (format!("{salt}-2"), tags(salt, &["late"]));
    let before = store.look(&key, &one).await.unwrap().stamp;
    store.forget(&one).await;
    assert!(!store.put(&key, &one, &before, Bytes::from_static(b"old"), LONG).await.unwrap());
    let between = store.look(&key, &one).await.unwrap();
    assert!(between.found.is_none());
    assert!(!store.put(&key, &one, &before, Bytes::from_static(b"old"), LONG).await.unwrap());
    assert!(store.put(&key, &one, &between.stamp, Bytes::from_static(b"new"), LONG).await.unwrap());
    assert!(!store.put(&key, &one, &before, Bytes::from_static(b"old"), LONG).await.unwrap());
    assert_eq!(store.look(&key, &one).await.unwrap().found.unwrap().body, "new");
}

async fn past_its_freshness_one_loads_anew(store: &dyn CacheStore, salt: &str) {
    let (key, one) = (format!("{salt}-3"), tags(salt, &["stale"]));
    let life = Life { fresh: Duration::from_millis(1), stale: Duration::from_secs(60) };
    let stamp = store.look(&key, &one).await.unwrap().stamp;
    assert!(store.put(&key, &one, &stamp, Bytes::from_static(b"x"), life).await.unwrap());
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut ages = Vec::new();
    for _ in 0..4 {
        ages.push(store.look(&key, &one).await.unwrap().found.unwrap().age);
    }
    assert_eq!(ages, [Age::Due, Age::Stale, Age::Stale, Age::Stale]);
    assert!(store.put(&key, &one, &stamp, Bytes::from_static(b"y"), LONG).await.unwrap());
    let found = store.look(&key, &one).await.unwrap().found.unwrap();
    assert_eq!((found.body, found.age), (Bytes::from_static(b"y"), Age::Fresh));
}

async fn a_life_ends(store: &dyn CacheStore, salt: &str) {
    let (key, one) = (format!("{salt}-4"), tags(salt, &["short"]));
    let life = Life { fresh: Duration::from_millis(1), stale: Duration::from_millis(30) };
    let stamp = store.look(&key, &one).await.unwrap().stamp;
    assert!(store.put(&key, &one, &stamp, Bytes::from_static(b"x"), life).await.unwrap());
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(store.look(&key, &one).await.unwrap().found, None);
}

async fn forgetting_everything_does(store: &dyn CacheStore, salt: &str) {
    let (key, one) = (format!("{salt}-5"), tags(salt, &["e"]));
    let stamp = store.look(&key, &one).await.unwrap().stamp;
    assert!(store.put(&key, &one, &stamp, Bytes::from_static(b"x"), LONG).await.unwrap());
    store.forget(&[EVERYTHING.to_owned()]).await;
    assert_eq!(store.look(&key, &one).await.unwrap().found, None);
}
