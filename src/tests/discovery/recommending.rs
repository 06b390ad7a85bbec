//! Recommendations, and why.

use super::world::{World, person, thing};
use crate::{
    contexts::{
        career::Affinity,
        discovery::{Deed, DiscoveryError, FeedbackForm, FeedbackItem, Gap, Goal, Kind, Seeker},
    },
    principal::UserId,
};

fn seeker(skills: &[&str], text: &str) -> Seeker {
    Seeker {
        skills: skills.iter().map(|one| (*one).to_owned()).collect(),
        text: text.into(),
        ..Seeker::default()
    }
}

#[actix_web::test]
async fn gigs_come_with_reasons_and_the_course_for_what_is_missing() {
    let world = World::new().await;
    let me = person();
    world.said.seeks(me.user_id, seeker(&["rust", "sql", "python"], "I build web services"));
    let fits = thing(
        Kind::Gig,
        UserId::new(),
        "A web service",
        "An API with a database",
        &["rust", "sql", "python", "docker"],
    );
    let fits = world.publish(fits).await;
    let other = world.publish(thing(Kind::Gig, UserId::new(), "A poster", "Draw a poster", &["figma"])).await;
    let own = world.publish(thing(Kind::Gig, me.user_id, "My own", "A web service", &["rust"])).await;
    world
        .publish(thing(Kind::Course, UserId::new(), "Containers", "Docker from the start", &["docker"]))
        .await;
    world.settle().await;
    let found = world.discovery.gigs_for(&me, 10).await.unwrap();
    assert_eq!(found.items[0].id, fits);
    let said = &found.items[0].reasons[0];
    assert_eq!(
        said,
        "You have 3 of 4 skills (Python, Rust and SQL); the missing one, Docker, is taught in “Containers”"
    );
    assert_eq!(found.items[0].taught_in[0].title, "Containers");
    assert!(found.items.iter().all(|one| one.id != own), "nobody is told of their own");
    assert!(found.items.iter().all(|one| !one.reasons.is_empty()));
    // Dismissed or applied to: not again.
    let form =
        FeedbackForm { items: vec![FeedbackItem { kind: Kind::Gig, id: fits, deed: Deed::Dismissed }] };
    world.discovery.take_feedback(&me, &form).await.unwrap();
    assert!(world.discovery.gigs_for(&me, 10).await.unwrap().items.iter().all(|one| one.id != fits));
    world.said.takes(me.user_id, other);
    assert!(world.discovery.gigs_for(&me, 10).await.unwrap().items.is_empty());
    // Whoever never wrote a word is shown what is new.
    let stranger = person();
    let found = world.discovery.gigs_for(&stranger, 10).await.unwrap();
    assert_eq!(found.items.len(), 3);
    assert!(found.items[0].reasons.iter().any(|reason| reason.contains("Write down what you can do")));
}

#[actix_web::test]
async fn students_are_for_the_gigs_client_only() {
    let world = World::new().await;
    let (client, ann, ben) = (person(), UserId::new(), UserId::new());
    world.publish(thing(Kind::Person, ann, "Ann", "I write Rust services", &["rust", "sql"])).await;
    world.publish(thing(Kind::Person, ben, "Ben", "I draw", &["figma"])).await;
    let gig = world.publish(thing(Kind::Gig, client.user_id, "A service", "In Rust", &["rust", "sql"])).await;
    world.settle().await;
    let found = world.discovery.students_for(&client, gig, 10).await.unwrap();
    assert_eq!(found.items[0].id, ann.0);
    assert!(found.items[0].reasons[0].starts_with("They have all 2 skills"), "{:?}", found.items[0].reasons);
    let other = world.discovery.students_for(&person(), gig, 10).await;
    assert!(matches!(other, Err(DiscoveryError::NotYours(_))));
    let none = world.discovery.students_for(&client, uuid::Uuid::now_v7(), 10).await;
    assert!(matches!(none, Err(DiscoveryError::No(_))));
    world.said.takes(ann, gig);
    assert!(
        world.discovery.students_for(&client, gig, 10).await.unwrap().items.iter().all(|one| one.id != ann.0)
    );
}

#[actix_web::test]
async fn courses_fill_the_gap_and_mentors_fit_the_goal() {
    let world = World::new().await;
    let me = person();
    world.said.seeks(me.user_id, seeker(&["rust"], "I build web services"));
    let gig = world
        .publish(thing(Kind::Gig, UserId::new(), "A service", "In Rust with tables", &["rust", "sql"]))
        .await;
    let course = thing(Kind::Course, UserId::new(), "Databases", "Tables and queries in SQL", &["sql"]);
    let course = world.publish(course).await;
    world.publish(thing(Kind::Course, UserId::new(), "Drawing", "With Figma", &["figma"])).await;
    let mentor = UserId::new();
    world
        .publish(thing(Kind::Mentor, mentor, "Maya", "Databases, slow queries, a first job", &["sql"]))
        .await;
    world.settle().await;
    for gap in [
        Gap { gig: Some(gig), ..Gap::default() },
        Gap::default(),
        Gap { skills: vec!["SQL".into()], gig: None },
    ] {
        let found = world.discovery.courses_for(&me, &gap, 10).await.unwrap();
        assert_eq!(found.items[0].id, course, "{gap:?}");
        assert!(found.items[0].reasons[0].starts_with("Teaches SQL, which"), "{:?}", found.items[0].reasons);
    }
    let goal = Goal { text: "help with slow queries in my database".into(), skills: Vec::new() };
    let found = world.discovery.mentors_for(&me, &goal, 10).await.unwrap();
    assert_eq!(found.items[0].id, mentor.0);
    assert!(!found.items[0].reasons.is_empty());
    let near = world.discovery.near(me.user_id, "databases and slow queries", &[mentor, UserId::new()]).await;
    assert!(near[&mentor] > 0.2 && near.len() == 1, "{near:?}");
}
