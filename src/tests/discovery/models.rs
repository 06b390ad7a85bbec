//! Vectors by an endpoint: what it refuses, what waits for it, and a change of model that is taken back.

use chrono::Duration;
use serde_json::json;
use uuid::Uuid;

use super::{
    endpoint::{Endpoint, Mood, REFUSED},
    world::{World, thing},
};
use crate::{contexts::discovery::Kind, ports::embed::Embedder, principal::UserId};

fn sorted(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    ids.sort();
    ids
}

/// What is without a vector for good, what lacks one, and what waits.
async fn off(world: &World, kind: Kind) -> (usize, usize, i64) {
    let drift = world.discovery.drift().await.unwrap();
    let one = drift.iter().find(|one| one.kind == kind && one.index == "vectors").unwrap();
    (one.wordless, one.missing, one.waiting)
}

#[actix_web::test]
async fn one_text_that_is_refused_keeps_no_other_from_its_vector() {
    let there = Endpoint::start();
    let mut world = World::new().await;
    let mut gigs = Vec::new();
    for body in ["A small web service", REFUSED, "Tables and queries"] {
        gigs.push(world.publish(thing(Kind::Gig, UserId::new(), "A gig", body, &["sql"])).await);
    }
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await.1.len(), 3, "the model that is compiled in refuses nothing");
    let spoken = sorted(vec![gigs[0], gigs[2]]);
    world.embed_by(there.embedder());
    world.discovery.mind_models().await.unwrap();
    world.settle().await;
    assert_eq!(world.discovery.model_progress(Kind::Gig).await.unwrap(), (3, 3));
    world.discovery.mind_models().await.unwrap();
    let live = world.vectors.live("gigs").await.unwrap().unwrap();
    assert_eq!(live.model, "small-8", "the change becomes whole");
    let (text, vectors) = world.indexed(Kind::Gig).await;
    assert_eq!((sorted(text), sorted(vectors)), (sorted(gigs), spoken.clone()));
    assert_eq!(off(&world, Kind::Gig).await, (1, 0, 0));
    let nobody = |_: &str, _: u64, _: u64| {};
    world.discovery.rebuild_vectors(&nobody).await.unwrap();
    let again = world.vectors.live("gigs").await.unwrap().unwrap();
    assert_ne!(again, live);
    assert_eq!(sorted(world.indexed(Kind::Gig).await.1), spoken);
}

#[actix_web::test]
async fn a_text_that_is_refused_is_told_from_an_endpoint_that_takes_nothing() {
    let there = Endpoint::start();
    let world = World::by(there.embedder()).await;
    let course = |body: &str| thing(Kind::Course, UserId::new(), "Databases without fear", body, &["sql"]);
    let spoken = world.publish(course("Tables and queries")).await;
    world.settle().await;
    // Alone in its batch, too.
    let refused = world.publish(course(REFUSED)).await;
    world.settle().await;
    let (text, vectors) = world.indexed(Kind::Course).await;
    assert_eq!((sorted(text), vectors), (sorted(vec![spoken, refused]), vec![spoken]));
    assert_eq!(off(&world, Kind::Course).await, (1, 0, 0), "it is not asked again and again");
    let live = world.vectors.live("courses").await.unwrap().unwrap();
    let before = world.vectors.ids(&live, None, 10).await.unwrap();
    // A wrong key takes no vector away.
    there.is(Mood::Closed);
    world.hear("course.published", spoken, json!({ "course_id": spoken })).await;
    world.settle().await;
    assert_eq!(world.vectors.ids(&live, None, 10).await.unwrap(), before);
    let nobody = |_: &str, _: u64, _: u64| {};
    assert!(world.discovery.rebuild_vectors(&nobody).await.is_err());
    assert_eq!(world.vectors.ids(&live, None, 10).await.unwrap(), before);
    there.is(Mood::Open);
    world.clock.advance(Duration::minutes(10));
    world.settle().await;
    let after = world.vectors.ids(&live, None, 10).await.unwrap();
    assert_eq!((after.len(), after[0].0), (1, spoken));
    assert!(after[0].1 > before[0].1, "{after:?} after {before:?}");
}

#[actix_web::test]
async fn what_is_withdrawn_waits_for_no_vectors() {
    let there = Endpoint::start();
    let world = World::by(there.embedder()).await;
    let gig = || thing(Kind::Gig, UserId::new(), "A gig", "Tables and queries", &["sql"]);
    let gone = world.publish(gig()).await;
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![gone], vec![gone]));
    there.is(Mood::Busy);
    world.said.drop(Kind::Gig, gone);
    world.hear("gig.paused", gone, json!({})).await;
    let new = world.publish(gig()).await;
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![new], vec![]));
    there.is(Mood::Open);
    world.clock.advance(Duration::minutes(10));
    world.settle().await;
    assert_eq!(world.indexed(Kind::Gig).await, (vec![new], vec![new]));
}

#[actix_web::test]
async fn a_change_of_model_that_is_taken_back_leaves_no_holes() {
    let there = Endpoint::start();
    let mut world = World::new().await;
    let gig = || thing(Kind::Gig, UserId::new(), "A gig", "Tables and queries", &["sql"]);
    let before = world.publish(gig()).await;
    world.settle().await;
    let live = world.vectors.live("gigs").await.unwrap().unwrap();
    world.embed_by(there.embedder());
    world.discovery.mind_models().await.unwrap();
    let meanwhile = world.publish(gig()).await;
    world.settle().await;
    // The new version is not the live one yet, and the old model could not be asked.
    assert_eq!(world.vectors.live("gigs").await.unwrap().unwrap(), live);
    assert_eq!(world.indexed(Kind::Gig).await.1, [before]);
    world.embed_by(Embedder::builtin());
    world.discovery.mind_models().await.unwrap();
    world.settle().await;
    assert_eq!(world.vectors.live("gigs").await.unwrap().unwrap(), live);
    assert_eq!(sorted(world.indexed(Kind::Gig).await.1), sorted(vec![before, meanwhile]));
    assert_eq!(world.discovery.model_progress(Kind::Gig).await.unwrap(), (2, 2));
}
