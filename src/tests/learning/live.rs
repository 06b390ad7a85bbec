//! Live quizzes: answers are kept before they are acknowledged, the scoreboard is a sum over rows.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use uuid::Uuid;

use super::world::{World, essay, person, single};
use crate::{
    actors::{Arbiters, DomainConfig, Registry},
    contexts::learning::{
        CourseId, LearningError, LiveAnswerForm, LiveForm, LiveQuizId, LiveQuizzes, Poison, marking::Answer,
    },
    principal::{Principal, Role},
};

fn quizzes(world: &World) -> LiveQuizzes {
    let config = DomainConfig {
        backoff: (Duration::from_millis(20), Duration::from_millis(50)),
        intensity: (1_000, Duration::from_secs(1)),
        ..DomainConfig::default()
    };
    let placement = Arbiters::current().unwrap();
    world.learning.start_live(world.live.clone(), config, &Registry::new(), &placement)
}

/// A course with so many learners, and a live quiz of two questions in it.
async fn made(world: &World, live: &LiveQuizzes, learners: usize) -> (CourseId, LiveQuizId, Vec<Principal>) {
    let course = world
        .course(serde_json::json!({ "modules": [{ "title": "M", "items": [
            { "title": "T", "body": { "type": "text", "markdown": "" } }] }] }))
        .await;
    let mut all = Vec::new();
    for _ in 0..learners {
        let who = person(Role::Student);
        world.enrol(&who, course).await;
        all.push(who);
    }
    // The essay is not asked: nobody could mark it while everybody waits.
    let (bank_id, _) = world.bank(&[single(1), essay(), single(2)]).await;
    let form = LiveForm { title: "Now".into(), bank_id, seconds: 30, shuffle: false };
    let quiz = live.make(&world.teacher, course, Uuid::now_v7(), &form).await.unwrap();
    assert_eq!((quiz.number, quiz.of), (0, 2));
    let second = live.make(&world.teacher, course, Uuid::now_v7(), &form).await;
    assert!(matches!(second, Err(LearningError::Contradicts(_))), "one at a time");
    (course, quiz.id, all)
}

fn choose(number: i32, one: usize) -> LiveAnswerForm {
    LiveAnswerForm { number, answer: Answer::Choice(one) }
}

/// Answers that are in rows: who, which question, how many points.
async fn rows(world: &World) -> Vec<(Uuid, i32, i32)> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        student_id: Uuid,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        number: i32,
        #[diesel(sql_type = diesel::sql_types::Integer)]
        points: i32,
    }
    let mut conn = world.database.conn().await.unwrap();
    let found: Vec<Row> = diesel::sql_query("SELECT student_id, number, points FROM learning.live_answers")
        .load(&mut conn)
        .await
        .unwrap();
    found.into_iter().map(|row| (row.student_id, row.number, row.points)).collect()
}

#[actix_web::test]
async fn a_quiz_from_its_first_question_to_its_end() {
    let world = World::new().await;
    let live = quizzes(&world);
    let (course, id, all) = made(&world, &live, 3).await;
    let stranger = person(Role::Student);
    assert!(matches!(live.get(&stranger, id).await, Err(LearningError::NotYours(_))));
    assert!(matches!(live.step(&all[0], id, "next").await, Err(LearningError::NotYours(_))));
    let early = live.answer(&all[0], id, choose(1, 1)).await;
    assert!(matches!(early, Err(LearningError::Contradicts(_))), "{early:?}");
    assert!(matches!(live.step(&world.teacher, id, "close").await, Err(LearningError::NotNow { .. })));

    let open = live.step(&world.teacher, id, "next").await.unwrap();
    assert_eq!(open.number, 1);
    let asked = serde_json::to_value(open.question.unwrap()).unwrap();
    assert!(asked.get("correct").is_none(), "nothing tells the answer: {asked}");
    // At once and right; later and right; wrong.
    assert!(!live.answer(&all[0], id, choose(1, 1)).await.unwrap().duplicate);
    assert!(live.answer(&all[0], id, choose(1, 0)).await.unwrap().duplicate, "the first one counts");
    let flaw = live.answer(&all[1], id, choose(1, 7)).await;
    assert!(matches!(flaw, Err(LearningError::Invalid(_))));
    world.clock.advance(chrono::Duration::seconds(15));
    live.answer(&all[1], id, choose(1, 1)).await.unwrap();
    live.answer(&all[2], id, choose(1, 0)).await.unwrap();
    let own = live.get(&all[1], id).await.unwrap();
    assert_eq!((own.answered, own.learners), (3, 3));
    assert_eq!(own.own.map(|own| (own.rank, own.points, own.answered)), Some((2, 750, true)));

    // Time closes it, whoever sleeps; then the next one opens, and who comes late sees it.
    world.clock.advance(chrono::Duration::seconds(17));
    let late = live.answer(&all[2], id, choose(1, 1)).await;
    assert!(late.is_ok_and(|said| said.duplicate));
    let fourth = person(Role::Student);
    world.enrol(&fourth, course).await;
    assert!(matches!(live.answer(&fourth, id, choose(1, 1)).await, Err(LearningError::TooLate)));
    live.step(&world.teacher, id, "next").await.unwrap();
    let seen = live.running(&fourth, course).await.unwrap();
    assert_eq!((seen.id, seen.number, seen.own.is_none(), seen.items.len()), (id, 2, true, 3));
    live.answer(&fourth, id, choose(2, 2)).await.unwrap();
    live.answer(&all[2], id, choose(2, 2)).await.unwrap();
    live.step(&world.teacher, id, "close").await.unwrap();
    assert!(matches!(live.answer(&all[0], id, choose(2, 2)).await, Err(LearningError::TooLate)));
    assert!(matches!(live.step(&world.teacher, id, "next").await, Err(LearningError::NotNow { .. })));
    let end = live.step(&world.teacher, id, "end").await.unwrap();
    let places: Vec<(usize, i64)> = end.items.iter().map(|place| (place.rank, place.points)).collect();
    assert_eq!(places, [(1, 1000), (2, 1000), (3, 1000), (4, 750)]);
    assert_eq!(end.items[0].user_id, all[0].user_id, "who had them sooner stands before");
    assert!(matches!(live.step(&world.teacher, id, "end").await, Err(LearningError::NotNow { .. })));
    assert!(matches!(live.running(&fourth, course).await, Err(LearningError::No(_))));
}

#[actix_web::test]
async fn hundreds_answer_at_once_and_no_answer_is_lost_through_crashes() {
    const LEARNERS: usize = 300;
    let world = World::new().await;
    let live = quizzes(&world);
    let (_, id, all) = made(&world, &live, LEARNERS).await;
    let mut acknowledged = BTreeSet::new();
    for number in 1..=2 {
        live.step(&world.teacher, id, "next").await.unwrap();
        let right = usize::try_from(number).unwrap();
        let answers = all.iter().enumerate().map(|(n, who)| {
            let live = &live;
            async move {
                // Whoever is not told that it is kept says it again, as a client does.
                for _ in 0..200 {
                    match live.answer(who, id, choose(number, if n % 3 == 0 { 0 } else { right })).await {
                        Ok(_) => return (who.user_id.0, number),
                        Err(LearningError::Actor(_) | LearningError::Db(_)) => {
                            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                panic!("never acknowledged");
            }
        });
        let poison = async {
            for _ in 0..3 {
                let _ = live.domain().tell(&id, Poison).await;
                actix_web::rt::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let (done, ()) = futures_util::join!(join_all(answers), poison);
        acknowledged.extend(done);
    }
    let kept = rows(&world).await;
    let keys: BTreeSet<(Uuid, i32)> = kept.iter().map(|(who, number, _)| (*who, *number)).collect();
    assert_eq!(acknowledged.len(), 2 * LEARNERS);
    assert_eq!(keys, acknowledged, "every acknowledged answer is a row");
    // The scoreboard is the sum of the rows: here, after an operator's restart, and on another node.
    let mut sums: HashMap<Uuid, i64> = HashMap::new();
    for (who, _, points) in kept {
        *sums.entry(who).or_default() += i64::from(points);
    }
    let check = async |live: &LiveQuizzes| {
        for who in all.iter().step_by(29) {
            let own = live.get(who, id).await.unwrap();
            assert_eq!(own.own.map(|own| own.points), sums.get(&who.user_id.0).copied());
            assert_eq!((own.learners, own.answered), (LEARNERS, LEARNERS));
        }
    };
    check(&live).await;
    live.domain().restart(&id).unwrap();
    check(&live).await;
    check(&quizzes(&world)).await;
}

#[actix_web::test]
async fn another_node_sees_what_was_opened_and_answered_here() {
    let world = World::new().await;
    let (here, there) = (quizzes(&world), quizzes(&world));
    let (_, id, all) = made(&world, &here, 2).await;
    assert_eq!(there.get(&all[0], id).await.unwrap().number, 0);
    here.step(&world.teacher, id, "next").await.unwrap();
    let mut said = there.answer(&all[0], id, choose(1, 1)).await;
    for _ in 0..100 {
        if said.is_ok() {
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
        said = there.answer(&all[0], id, choose(1, 1)).await;
    }
    assert!(!said.unwrap().duplicate);
    // The same answer by way of the other node is the same answer.
    assert!(here.answer(&all[0], id, choose(1, 0)).await.unwrap().duplicate);
    here.answer(&all[1], id, choose(1, 1)).await.unwrap();
    let mut seen = 0;
    for _ in 0..200 {
        let (a, b) = (here.get(&all[1], id).await.unwrap(), there.get(&all[1], id).await.unwrap());
        seen = a.learners.min(b.learners);
        if seen == 2 {
            assert_eq!(a.items, b.items);
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(seen, 2, "each node reads what the other wrote");
}
