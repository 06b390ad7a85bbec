//! From events to both indexes: in whatever order, however often, whatever crashes.

use chrono::Duration;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::world::{World, thing};
use crate::{
    contexts::discovery::Kind,
    ports::vectors::{Collection, Point},
    principal::UserId,
};

#[actix_web::test]
async fn what_is_public_is_indexed_and_what_is_withdrawn_goes() {
    let world = World::new().await;
    let owner = UserId::new();
    let gig =
        world.publish(thing(Kind::Gig, owner, "Rust service", "Write a small web service", &["rust"])).await;
    let person = world.publish(thing(Kind::Person, owner, "Ada", "I write web services", &["rust"])).await;
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![gig], vec![gig]));
    assert_eq!(world.indexed(Kind::Person).await, (vec![person], vec![person]));
    world.said.drop(Kind::Gig, gig);
    world.hear("gig.paused", gig, json!({})).await;
    world.said.drop(Kind::Person, person);
    world.hear("user.erasure_requested", person, json!({ "user_id": person })).await;
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![], vec![]));
    assert_eq!(world.indexed(Kind::Person).await, (vec![], vec![]));
    assert!(world.discovery.drift().await.unwrap().iter().all(|one| !one.is_drift()));
}

#[actix_web::test]
async fn an_indexer_that_dies_leaves_its_work_and_a_truth_that_is_away_is_asked_again() {
    let world = World::new().await;
    world.said.away(true);
    let gig = world.publish(thing(Kind::Gig, UserId::new(), "Rust service", "A small one", &["rust"])).await;
    world.clock.advance(Duration::seconds(2));
    assert_eq!(world.discovery.index_due().await.unwrap(), 1);
    assert!(world.indexed(Kind::Gig).await.0.is_empty());
    assert_eq!(world.discovery.index_due().await.unwrap(), 0, "it is put off");
    world.said.away(false);
    world.clock.advance(Duration::seconds(10));
    // Somebody takes it and dies.
    world.execute("UPDATE discovery.documents SET due_at = due_at + interval '1 minute', attempts = 2").await;
    assert_eq!(world.discovery.index_due().await.unwrap(), 0);
    world.clock.advance(Duration::minutes(2));
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![gig], vec![gig]));
}

#[actix_web::test]
async fn one_document_that_cannot_be_written_holds_back_no_other() {
    let world = World::new().await;
    let mut bad = thing(Kind::Gig, UserId::new(), "A bad one", "About data", &["sql"]);
    bad.attributes.tags = vec!["no\0store keeps it".into()];
    world.publish(bad.clone()).await;
    let good = world.publish(thing(Kind::Gig, UserId::new(), "A good one", "About data", &["sql"])).await;
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![good], vec![good]));
    bad.attributes.tags.clear();
    let mended = world.publish(bad).await;
    world.settle().await;
    let (mut text, mut both) = (world.indexed(Kind::Gig).await.0, vec![good, mended]);
    text.sort();
    both.sort();
    assert_eq!(text, both);
}

#[actix_web::test]
async fn what_was_there_before_is_taken_in() {
    let world = World::bare().await;
    let course = thing(Kind::Course, UserId::new(), "Databases", "Tables and queries in SQL", &["sql"]);
    let id = course.id;
    world.said.put(course);
    world.discovery.prepare().await.unwrap();
    world.discovery.prepare().await.unwrap();
    world.settle().await;
    assert_eq!(world.indexed(Kind::Course).await, (vec![id], vec![id]));
}

#[actix_web::test]
async fn another_model_fills_its_vectors_while_searches_keep_the_old() {
    let world = World::bare().await;
    let old = Collection::new("gigs", "old-model-1", 3);
    world.vectors.ready(&old).await.unwrap();
    world.vectors.promote(&old).await.unwrap();
    let gigs: Vec<_> = (0..5)
        .map(|n| thing(Kind::Gig, UserId::new(), &format!("Gig {n}"), "About data", &["sql"]))
        .collect();
    for gig in &gigs {
        let point =
            Point { id: gig.id, revision: 1, vector: vec![1.0, 0.0, 0.0], payload: gig.attributes.clone() };
        world.vectors.upsert(&old, &[point]).await.unwrap();
        world.said.put(gig.clone());
    }
    world.discovery.prepare().await.unwrap();
    world.execute("UPDATE discovery.documents SET model = 'old-model-1', shown = true, text_done = stamp, vector_done = stamp").await;
    assert_eq!(world.vectors.live("gigs").await.unwrap().unwrap(), old);
    world.discovery.mind_models().await.unwrap();
    assert_eq!(world.discovery.model_progress(Kind::Gig).await.unwrap(), (0, 5));
    assert_eq!(world.vectors.live("gigs").await.unwrap().unwrap(), old, "not before it is whole");
    world.settle().await;
    assert_eq!(world.discovery.model_progress(Kind::Gig).await.unwrap(), (5, 5));
    world.discovery.mind_models().await.unwrap();
    let live = world.vectors.live("gigs").await.unwrap().unwrap();
    assert_ne!(live.model, old.model);
    assert_eq!(world.vectors.count(&live).await.unwrap(), 5);
    assert_eq!(world.vectors.versions("gigs").await.unwrap(), [live]);
}

#[actix_web::test]
async fn a_rebuild_mends_what_drifted() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let title = format!("Service {n}");
        ids.push(world.publish(thing(Kind::Gig, UserId::new(), &title, "Rust", &["rust"])).await);
    }
    world.settle().await;
    world.text.delete("gigs", &[(ids[0], 1_000)]).await.unwrap();
    let live = world.vectors.live("gigs").await.unwrap().unwrap();
    world.vectors.delete(&live, &[(ids[1], 1_000)]).await.unwrap();
    let drift = world.discovery.drift().await.unwrap();
    let off: Vec<_> = drift.iter().filter(|one| one.is_drift()).map(|one| (one.index, one.missing)).collect();
    assert_eq!(off, [("text", 1), ("vectors", 1)]);
    let nobody = |_: &str, _: u64, _: u64| {};
    world.discovery.rebuild_text(&nobody).await.unwrap();
    let filled = world.discovery.rebuild_vectors(&nobody).await.unwrap();
    assert_eq!(filled.iter().map(|one| one.documents).sum::<u64>(), 3);
    // The old version is searched for a moment yet, by who has looked before.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    assert!(world.discovery.drift().await.unwrap().iter().all(|one| !one.is_drift()));
    let (mut text, mut vectors) = world.indexed(Kind::Gig).await;
    text.sort();
    vectors.sort();
    ids.sort();
    assert_eq!((&text, &vectors), (&ids, &ids));
}

#[actix_web::test]
async fn what_has_no_words_is_no_drift() {
    let world = World::new().await;
    let silent = world.publish(thing(Kind::Person, UserId::new(), "Ada", "", &[])).await;
    let emoji = world.publish(thing(Kind::Gig, UserId::new(), "🎨", "… 🦀 …", &[])).await;
    world.publish(thing(Kind::Gig, UserId::new(), "A service", "In Rust", &["rust"])).await;
    world.settle().await;
    assert_eq!(world.indexed(Kind::Person).await, (vec![silent], vec![]), "a name has no meaning");
    assert!(world.indexed(Kind::Gig).await.0.contains(&emoji));
    let drift = world.discovery.drift().await.unwrap();
    assert!(drift.iter().all(|one| !one.is_drift()), "{drift:?}");
    let wordless: usize = drift.iter().map(|one| one.wordless).sum();
    assert_eq!(wordless, 2);
    // What has words and lost its vector is one all the same.
    let live = world.vectors.live("gigs").await.unwrap().unwrap();
    let (there, _) = world.vectors.ids(&live, None, 10).await.unwrap()[0];
    world.vectors.delete(&live, &[(there, 1_000)]).await.unwrap();
    let drift = world.discovery.drift().await.unwrap();
    let off: Vec<_> = drift.iter().filter(|one| one.is_drift()).map(|one| (one.index, one.missing)).collect();
    assert_eq!(off, [("vectors", 1)]);
}

#[derive(Clone, Debug)]
enum Move {
    Publish(usize),
    Withdraw(usize),
    Again(usize),
    Index,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0usize..4).prop_map(Move::Publish),
        (0usize..4).prop_map(Move::Withdraw),
        (0usize..4).prop_map(Move::Again),
        Just(Move::Index),
    ];
    proptest::collection::vec(one, 1..14)
}

/// A few by default; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6)
}

#[test]
fn however_things_come_and_go_the_indexes_hold_what_there_is() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: cases(),
        ..ProptestConfig::default()
    });
    runner
        .run(&moves(), |moves| {
            runtime.block_on(async {
                let world = World::new().await;
                let things: Vec<_> = (0..4)
                    .map(|n| {
                        thing(
                            Kind::Gig,
                            UserId::new(),
                            &format!("Gig {n}"),
                            "About data and services",
                            &["sql"],
                        )
                    })
                    .collect();
                for one in moves {
                    match one {
                        Move::Publish(n) => {
                            world.publish(things[n].clone()).await;
                        }
                        Move::Withdraw(n) => {
                            world.said.drop(Kind::Gig, things[n].id);
                            world.hear("gig.paused", things[n].id, json!({})).await;
                        }
                        Move::Again(n) => world.hear("gig.edited", things[n].id, json!({})).await,
                        Move::Index => {
                            world.clock.advance(Duration::seconds(2));
                            world.discovery.index_due().await.unwrap();
                        }
                    }
                }
                world.settle().await;
                let sorted = |mut ids: Vec<Uuid>| {
                    ids.sort();
                    ids
                };
                let wanted = sorted(world.said.ids_of(Kind::Gig));
                let (text, vectors) = world.indexed(Kind::Gig).await;
                prop_assert_eq!(&sorted(text), &wanted);
                prop_assert_eq!(&sorted(vectors), &wanted);
                Ok(())
            })
        })
        .unwrap();
}
