//! A gig is posted: the right students hear of it, once each, whatever crashes.

use chrono::Duration;
use serde_json::json;

use super::world::{World, thing};
use crate::{
    contexts::discovery::{Kind, Seeker},
    events::{NewEvent, record},
    principal::UserId,
};

async fn with_people() -> (World, [UserId; 4]) {
    let world = World::new().await;
    let people = [UserId::new(), UserId::new(), UserId::new(), UserId::new()];
    for (user, skills, busy) in [
        (people[0], &["rust", "sql"][..], false),
        (people[1], &["figma"], false),
        (people[2], &["rust", "sql"], true),
        (people[3], &["sql"], false),
    ] {
        let skills: Vec<String> = skills.iter().map(|one| (*one).to_owned()).collect();
        world.said.seeks(user, Seeker { skills, busy, ..Seeker::default() });
        // Their profiles are private: they are told, and nobody finds them.
        world.hear("profile.updated", user.0, serde_json::json!({ "user_id": user })).await;
    }
    world.settle().await;
    (world, people)
}

#[actix_web::test]
async fn the_right_students_are_told_once_with_reasons() {
    let (world, people) = with_people().await;
    let gig = thing(Kind::Gig, UserId::new(), "A service", "In Rust with tables", &["rust", "sql"]);
    let id = world.publish(gig.clone()).await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    let told = world.told().await;
    let mut users: Vec<String> = told.iter().map(|one| one["user_id"].as_str().unwrap().to_owned()).collect();
    users.sort();
    let mut wanted = vec![people[0].to_string(), people[3].to_string()];
    wanted.sort();
    assert_eq!(users, wanted);
    assert!(told.iter().all(|one| one["gig_id"] == id.to_string() && one["gig_title"] == "A service"));
    let whole = told.iter().find(|one| one["user_id"] == people[0].to_string()).unwrap();
    assert_eq!(whole["reasons"][0], "You have all 2 skills: Rust and SQL");
    // Posted again, after a pause say: nobody hears of it twice.
    world.publish(gig).await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    assert_eq!(world.told().await.len(), 2);
}

#[actix_web::test]
async fn a_crash_loses_nobody_and_doubles_nobody() {
    let (world, people) = with_people().await;
    let owner = UserId::new();
    world.said.blocks(people[3], owner);
    let id = world.publish(thing(Kind::Gig, owner, "A service", "In Rust", &["rust", "sql"])).await;
    // Somebody takes the work and dies before the commit.
    world
        .execute("UPDATE discovery.matchings SET due_at = due_at + interval '30 seconds', attempts = 1")
        .await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 0);
    world.clock.advance(Duration::minutes(1));
    // Two come back at once.
    let (a, b) = futures_util::future::join(world.discovery.match_due(), world.discovery.match_due()).await;
    assert_eq!(a.unwrap() + b.unwrap(), 1);
    assert_eq!(world.told().await.len(), 1, "whoever blocked the client is not told");
    // The work is there again, as if its commit had been lost after the notice went out.
    world.execute(&format!("INSERT INTO discovery.matchings (gig_id, due_at, correlation_id) VALUES ('{id}', now() - interval '1 hour', 'abcdefgh')")).await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    assert_eq!(world.told().await.len(), 1);
}

#[actix_web::test]
async fn who_cannot_be_read_now_is_told_later() {
    let (world, people) = with_people().await;
    world.said.away(true);
    world.publish(thing(Kind::Gig, UserId::new(), "A service", "In Rust", &["rust", "sql"])).await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    assert!(world.told().await.is_empty());
    world.said.away(false);
    world.clock.advance(Duration::minutes(1));
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    assert!(world.told().await.iter().any(|one| one["user_id"] == people[0].to_string()));
}

/// What somebody can do, known to their profile; nobody has indexed it.
fn able(world: &World, skills: &[&str]) -> UserId {
    let user = UserId::new();
    let skills = skills.iter().map(|one| (*one).to_owned()).collect();
    world.said.seeks(user, Seeker { skills, ..Seeker::default() });
    user
}

#[actix_web::test]
async fn who_said_what_they_can_do_is_told_however_far_the_indexer_is() {
    let (world, people) = with_people().await;
    // The consumer heard of one; the other's event is on its way yet.
    let heard = able(&world, &["docker"]);
    world.hear("profile.updated", heard.0, json!({ "user_id": heard })).await;
    let unheard = able(&world, &["docker", "sql"]);
    let event = NewEvent {
        subject: "profile.updated",
        context: "career",
        aggregate: unheard.to_string(),
        version: 1,
        data: json!({ "user_id": unheard }),
    };
    record(&mut world.database.conn().await.unwrap(), event).await.unwrap();
    // And one who could do it can no more.
    world.said.seeks(people[3], Seeker { skills: vec!["figma".into()], ..Seeker::default() });
    world.hear("profile.updated", people[3].0, json!({ "user_id": people[3] })).await;

    world.publish(thing(Kind::Gig, UserId::new(), "Move it", "Into containers", &["docker", "sql"])).await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    let told = world.told().await;
    let mut users: Vec<String> = told.iter().map(|one| one["user_id"].as_str().unwrap().to_owned()).collect();
    users.sort();
    let mut wanted = vec![people[0].to_string(), heard.to_string(), unheard.to_string()];
    wanted.sort();
    assert_eq!(users, wanted);
}

#[actix_web::test]
async fn a_gig_that_was_paused_too_early_is_told_of_when_it_is_open_again() {
    let (world, people) = with_people().await;
    let gig = thing(Kind::Gig, UserId::new(), "A service", "In Rust", &["rust", "sql"]);
    let id = world.publish(gig.clone()).await;
    world.said.drop(Kind::Gig, id);
    world.hear("gig.paused", id, json!({})).await;
    assert_eq!(world.discovery.match_due().await.unwrap(), 1);
    assert!(world.told().await.is_empty(), "nobody is told of what is not open");
    world.said.put(gig);
    for _ in 0..2 {
        world.hear("gig.resumed", id, json!({})).await;
        assert_eq!(world.discovery.match_due().await.unwrap(), 1);
        let told = world.told().await;
        assert_eq!(told.iter().filter(|one| one["user_id"] == people[0].to_string()).count(), 1);
    }
}
