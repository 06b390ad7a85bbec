//! What is earned in a course counts on the course's board.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{boards::top, world::*};
use crate::{
    contexts::gamification::{BoardId, GameError, Window},
    events::Envelope,
    principal::UserId,
    realtime::Hub,
};

fn enrolled(user: UserId, course: Uuid, title: &str) -> Envelope {
    let data =
        json!({ "enrolment_id": Uuid::now_v7(), "course_id": course, "student_id": user, "title": title });
    event("enrolment.created", noon(), data)
}

fn quiz(user: UserId, course: Uuid, number: i64) -> Envelope {
    let data =
        json!({ "attempt_id": Uuid::now_v7(), "course_id": course, "student_id": user, "number": number });
    event("attempt.submitted", noon(), data)
}

fn finished(user: UserId, course: Uuid, title: &str) -> Envelope {
    Envelope { subject: "course.completed".to_owned(), ..enrolled(user, course, title) }
}

#[actix_web::test]
async fn a_course_has_a_board_of_what_was_earned_in_it() {
    let world = World::new().await;
    let boards = world.boards(&Hub::new());
    let (ada, ben, other) = (UserId::new(), UserId::new(), UserId::new());
    let (course, second) = (Uuid::now_v7(), Uuid::now_v7());
    let board = BoardId::Course(course);
    world.tell(&enrolled(ada, course, "Sorting")).await;
    let refused = boards.refresh(&board).await;
    assert!(matches!(refused, Err(GameError::Board(_))), "enrolling is no achievement: {refused:?}");
    for event in [
        quiz(ada, course, 1),
        quiz(ada, course, 2),
        quiz(ben, course, 1),
        finished(ben, course, "Sorting\0"),
        quiz(other, second, 1),
        finished(other, second, "  "),
    ] {
        world.tell(&event).await;
        world.tell(&event).await;
    }
    assert_eq!(top(&boards, &board, Window::All).await, [(Some(ben), 135), (Some(ada), 15)]);
    assert_eq!(top(&boards, &board, Window::Day).await.len(), 2);
    // They are points like any others.
    assert_eq!((world.total(ada).await, world.total(ben).await), (10 + 15, 120 + 15));
    let listed = boards.list(ada).await.unwrap();
    let own = listed.iter().find(|info| info.kind == "course").unwrap();
    assert_eq!((own.board.clone(), own.name.as_str()), (board.to_string(), "Sorting"));
    assert_eq!(own.channel, format!("leaderboard:course:{course}"));
    assert_eq!(
        listed.iter().filter(|info| info.kind == "course").count(),
        1,
        "others' courses are not listed"
    );
    assert_eq!(boards.list(other).await.unwrap().last().unwrap().name, "Course");
    // A correction follows the course too.
    let text = include_str!("../../contexts/gamification/model/rules.toml")
        .replace("version = 2", "version = 3")
        .replace("points = 120", "points = 100");
    let world =
        world.under(std::sync::Arc::new(crate::contexts::gamification::RuleSet::parse(&text).unwrap()));
    world.game.rebuild_xp(false, &|_, _| {}).await.unwrap();
    let boards_after = world.boards(&Hub::new());
    assert_eq!(top(&boards_after, &board, Window::All).await, [(Some(ben), 115), (Some(ada), 15)]);
    for boards in [boards, boards_after] {
        boards.domain().stop(Duration::from_secs(2)).await;
    }
}
