//! Both ports over PostgreSQL.

use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::{
    ports::{
        Store,
        attributes::{Attributes, Filter},
        text::{self, Document, PgText, Query, TextIndex},
        vectors::{self, Collection, PgVectors, Point, VectorStore},
    },
    tests::support::database::TestDatabase,
};

#[test]
fn postgres_keeps_the_contract_of_the_vectors() {
    let runtime = Runtime::new().unwrap();
    let database = TestDatabase::new();
    let store = VectorStore::over(PgVectors::new(runtime.block_on(database.open())));
    vectors::contract::keeps_to_it(&store, &runtime, "pg");
    let status = runtime.block_on(store.status());
    assert!(status.reachable && status.mend.is_none(), "{status:?}");
}

#[test]
fn postgres_keeps_the_contract_of_the_text() {
    let runtime = Runtime::new().unwrap();
    let database = TestDatabase::new();
    let index = TextIndex::over(PgText::new(runtime.block_on(database.open())));
    text::contract::keeps_to_it(&index, &runtime, "pg");
    let status = runtime.block_on(index.status());
    assert!(status.reachable && status.mend.is_none(), "{status:?}");
}

/// A plain PostgreSQL, as Debian has it.
#[test]
fn postgres_keeps_the_contract_of_the_vectors_without_the_extension() {
    let runtime = Runtime::new().unwrap();
    let database = TestDatabase::new();
    let store = VectorStore::over(PgVectors::without_extension(runtime.block_on(database.open())));
    vectors::contract::keeps_to_it(&store, &runtime, "exact");
    let status = runtime.block_on(store.status());
    assert!(status.reachable && status.detail.is_some_and(|said| said.contains("create extension vector")));
}

fn document(n: u128, title: &str) -> Document {
    let attributes = Attributes { open: true, ..Attributes::default() };
    Document {
        id: Uuid::from_u128(n),
        revision: 1,
        title: title.into(),
        keywords: Vec::new(),
        body: String::new(),
        attributes,
    }
}

fn query(text: &str) -> Query {
    Query { text: text.into(), limit: 20, ..Query::default() }
}

#[tokio::test]
async fn without_trigrams_words_are_found_and_mistakes_are_not_forgiven() {
    let database = TestDatabase::new();
    let index = TextIndex::over(PgText::without_trigrams(database.open().await));
    index.ready("gigs").await.unwrap();
    index.upsert("gigs", &[document(1, "Kubernetes upgrade")]).await.unwrap();
    assert_eq!(index.search("gigs", &query("kubern")).await.unwrap().total, 1);
    let typo = index.search("gigs", &query("kubernettes")).await.unwrap();
    assert_eq!((typo.total, typo.did_you_mean), (0, None));
    assert_eq!(index.suggest("gigs", "kub", 3).await.unwrap(), ["Kubernetes upgrade"]);
    assert!(index.suggest("gigs", "upg", 3).await.unwrap().is_empty());
    let status = index.status().await;
    assert!(status.reachable && status.detail.is_some_and(|said| said.contains("pg_trgm")));
}

/// Who searches while versions and builds are swapped finds all of one, always.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_is_seen_at_once_and_nobody_fails() {
    let database = TestDatabase::new();
    let database = database.open().await;
    let text = TextIndex::over(PgText::new(database.clone()));
    text.ready("gigs").await.unwrap();
    let all =
        |round: u128| (0..50).map(move |n| document(n, &format!("gig round{round}"))).collect::<Vec<_>>();
    text.upsert("gigs", &all(0)).await.unwrap();
    let writer = tokio::spawn({
        let text = text.clone();
        async move {
            for round in 1..4 {
                let build = text.begin_rebuild("gigs").await.unwrap();
                text.fill(&build, &all(round)).await.unwrap();
                text.swap(&build).await.unwrap();
            }
        }
    });
    let mut seen = 0;
    while !writer.is_finished() {
        // Another node, which does not know of the swap.
        let other = TextIndex::over(PgText::new(database.clone()));
        for index in [&text, &other] {
            let found = index.search("gigs", &Query { limit: 50, ..query("gig") }).await.unwrap();
            assert_eq!(found.hits.len(), 50);
            let round = &found.hits[0].title.text;
            assert!(found.hits.iter().all(|hit| &hit.title.text == round), "two builds at once");
        }
        seen += 1;
    }
    writer.await.unwrap();
    assert!(seen > 3, "{seen}");
    let found = text.search("gigs", &query("round3")).await.unwrap();
    assert_eq!(found.total, 50);

    let store = VectorStore::over(PgVectors::new(database));
    let point = |n: u128| Point {
        id: Uuid::from_u128(n),
        revision: 1,
        vector: vec![1.0, 0.5],
        payload: Attributes::default(),
    };
    let points: Vec<_> = (0..20).map(point).collect();
    let first = Collection::new("gigs", "toy", 2);
    store.ready(&first).await.unwrap();
    store.upsert(&first, &points).await.unwrap();
    store.promote(&first).await.unwrap();
    for build in 1..4 {
        let before = store.live("gigs").await.unwrap().unwrap();
        let next = first.next(build);
        store.ready(&next).await.unwrap();
        store.upsert(&next, &points).await.unwrap();
        store.promote(&next).await.unwrap();
        let live = store.live("gigs").await.unwrap().unwrap();
        assert_eq!(live, next);
        assert_eq!(store.nearest(&live, &[1.0, 0.0], &Filter::default(), 50).await.unwrap().len(), 20);
        store.remove(&before).await.unwrap();
    }
}

/// With an index and more points than a first scan brings, a filter that few meet still finds them.
#[tokio::test]
async fn a_rare_thing_is_found_among_many() {
    let database = TestDatabase::new();
    let store = VectorStore::over(PgVectors::new(database.open().await));
    let c = Collection::new("gigs", "toy", 8);
    store.ready(&c).await.unwrap();
    let mut seed = 7_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(seed >> 48).unwrap()) / 32_768.0 - 1.0
    };
    let mut points = Vec::new();
    for n in 0..3_000_u128 {
        let skills = if n % 300 == 0 { vec!["rare".to_owned()] } else { vec!["common".to_owned()] };
        let payload = Attributes { skills, ..Attributes::default() };
        let vector = (0..8).map(|_| random()).collect();
        points.push(Point { id: Uuid::from_u128(n), revision: 1, vector, payload });
    }
    for part in points.chunks(500) {
        store.upsert(&c, part).await.unwrap();
    }
    let rare = Filter { any_skills: vec!["rare".into()], ..Filter::default() };
    for _ in 0..5 {
        let asked: Vec<f32> = (0..8).map(|_| random()).collect();
        let found = store.nearest(&c, &asked, &rare, 10).await.unwrap();
        assert_eq!(found.len(), 10);
        assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score), "{found:?}");
        // Most of the true nearest are among what the index brings.
        let all = store.nearest(&c, &asked, &Filter::default(), 20).await.unwrap();
        let cosine = |point: &Point| {
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            dot(&asked, &point.vector) / (dot(&asked, &asked) * dot(&point.vector, &point.vector)).sqrt()
        };
        let mut exact: Vec<_> = points.iter().map(|point| (cosine(point), point.id)).collect();
        exact.sort_by(|a, b| b.0.total_cmp(&a.0));
        let hit = exact.iter().take(20).filter(|(_, id)| all.iter().any(|hit| hit.id == *id)).count();
        assert!(hit >= 17, "{hit} of 20");
    }
}
