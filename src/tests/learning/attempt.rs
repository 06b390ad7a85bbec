//! Attempts: time, tabs, seeds, marks. Property 8 of the design: attempts ≤ limit, nothing is accepted past
//! deadline and grace, progress never falls.

use std::collections::BTreeSet;

use chrono::Duration;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, choice, essay, person, single};
use crate::{
    contexts::learning::{
        AccessForm, AnswersForm, AttemptState, CourseId, EnrolmentState, ItemId, LearningError, QuestionForm,
        QuestionId,
        marking::{self, Answer, Answers},
        paper::{self, Dice},
        quiz::Question,
    },
    principal::Role,
};

fn question(value: Value) -> Question {
    serde_json::from_value::<QuestionForm>(value).unwrap().question
}

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn kinds() -> Vec<Question> {
    [
        json!({ "prompt": "p", "kind": { "type": "single", "choices": ["a", "b", "c", "d"], "correct": 2 } }),
        json!({ "prompt": "p", "kind": { "type": "multiple", "choices": ["a", "b", "c", "d"], "correct": [0, 3] } }),
        json!({ "prompt": "p", "points": 4, "kind": { "type": "ordering", "items": ["1", "2", "3", "4"] } }),
        json!({ "prompt": "p", "points": 3, "kind": { "type": "matching", "distractors": ["z"], "pairs": [
            { "left": "l1", "right": "r1" }, { "left": "l2", "right": "r2" }, { "left": "l3", "right": "r1" }] } }),
        json!({ "prompt": "p", "kind": { "type": "numeric", "value": 3.3, "tolerance": 0.1 } }),
        json!({ "prompt": "p", "kind": { "type": "short", "accepted": ["Straße 12", "l’été"] } }),
        json!({ "prompt": "p", "kind": { "type": "essay" } }),
    ]
    .map(question)
    .into()
}

fn pool() -> Vec<paper::Pool> {
    vec![(kinds().into_iter().map(|one| (QuestionId(Uuid::nil()), 1, one)).collect(), Some(5))]
}

/// The answer that is right, read off the paper as its order says.
fn right(place: &paper::Place, question: &Question) -> Answer {
    use crate::contexts::learning::quiz::Kind;
    let shown = |own: usize| place.order.iter().position(|one| *one == own).unwrap();
    match &question.kind {
        Kind::Single { correct, .. } => Answer::Choice(shown(*correct)),
        Kind::Multiple { correct, .. } => Answer::Choices(correct.iter().map(|one| shown(*one)).collect()),
        Kind::Ordering { items } => Answer::Order((0..items.len()).map(shown).collect()),
        Kind::Matching { pairs, .. } => Answer::Match((0..pairs.len()).map(|n| Some(shown(n))).collect()),
        Kind::Numeric { value, .. } => Answer::Number(*value),
        Kind::Short { accepted, .. } => Answer::Text(accepted[0].clone()),
        Kind::Essay {} => Answer::Text("because".into()),
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_seed_reproduces_a_quiz_and_draws_each_question_once(seed in any::<i64>(), shuffle in any::<bool>()) {
        let questions: Vec<_> = kinds().into_iter().map(|one| (QuestionId::new(), 1, one)).collect();
        let pools = vec![(questions.clone(), Some(5))];
        let paper = paper::draw(seed, &pools, shuffle);
        prop_assert_eq!(&paper, &paper::draw(seed, &pools, shuffle));
        prop_assert_eq!(paper.len(), 5);
        let ids: BTreeSet<_> = paper.iter().map(|place| place.question).collect();
        prop_assert_eq!(ids.len(), 5);
        for place in &paper {
            let mut order = place.order.clone();
            order.sort_unstable();
            prop_assert_eq!(order, (0..place.order.len()).collect::<Vec<_>>(), "each option stands once");
        }
    }

    #[test]
    fn dice_make_every_order(seed in any::<i64>(), count in 0_usize..60) {
        let mut order = Dice::new(seed).order(count);
        order.sort_unstable();
        prop_assert_eq!(order, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_right_gets_all_and_nothing_gets_more(
        seed in any::<i64>(), penalty in 0_u8..=100, wild in proptest::collection::vec(0_usize..6, 0..6),
        number in -10.0..10.0_f64, text in ".{0,12}",
    ) {
        for place in paper::draw(seed, &pool(), true).iter() {
            for question in &kinds() {
                let size = match &question.kind {
                    crate::contexts::learning::quiz::Kind::Single { .. }
                    | crate::contexts::learning::quiz::Kind::Multiple { .. }
                    | crate::contexts::learning::quiz::Kind::Ordering { .. }
                    | crate::contexts::learning::quiz::Kind::Matching { .. } => 4,
                    _ => 0,
                };
                if place.order.len() != size { continue }
                let whole = i64::from(question.points) * 100;
                let mark = |answer: &Answer| marking::mark(Some(answer), place, question, penalty);
                let best = right(place, question);
                prop_assert_eq!(marking::flaw(&best, place, question), None);
                if let Some(score) = mark(&best) {
                    prop_assert_eq!(score, whole);
                }
                prop_assert_eq!(marking::mark(None, place, question, penalty), Some(0), "no answer costs nothing");
                for answer in [
                    Answer::Choice(wild.first().copied().unwrap_or(0)), Answer::Choices(wild.clone()),
                    Answer::Order(wild.clone()), Answer::Match(wild.iter().map(|n| Some(*n)).collect()),
                    Answer::Number(number), Answer::Text(text.clone()),
                ] {
                    // Whatever comes, also what the form would refuse: no panic, and within the bounds.
                    if let Some(score) = mark(&answer) {
                        prop_assert!((-whole..=whole).contains(&score), "{:?}: {}", answer, score);
                    }
                }
            }
        }
    }
}

#[test]
fn texts_and_numbers_are_compared_as_people_mean_them() {
    let place = paper::Place { question: QuestionId(Uuid::nil()), revision: 1, order: Vec::new() };
    let short = question(json!({ "prompt": "p", "kind": { "type": "short", "accepted": ["Café au lait"] } }));
    let mark = |text: &str| marking::mark(Some(&Answer::Text(text.into())), &place, &short, 50);
    for same in ["café au lait", "  CAFÉ  au\tlait ", "cafe\u{301} au lait", "ｃａｆé au lait"] {
        assert_eq!(mark(same), Some(100), "{same}");
    }
    assert_eq!((mark("cafe au lait"), mark("   ")), (Some(-50), Some(0)));
    let number =
        question(json!({ "prompt": "p", "kind": { "type": "numeric", "value": 0.3, "tolerance": 0.1 } }));
    let mark = |n: f64| marking::mark(Some(&Answer::Number(n)), &place, &number, 0);
    assert_eq!(
        (mark(0.1 + 0.2), mark(0.4), mark(0.2), mark(0.41)),
        (Some(100), Some(100), Some(100), Some(0))
    );
}

#[actix_web::test]
async fn answers_never_leave_the_server_before_the_end() {
    let (world, student) = (World::new().await, person(Role::Student));
    let secret = json!({ "prompt": "Which?", "feedback": "tell-tale",
        "kind": { "type": "short", "accepted": ["tell-tale"] } });
    let (course, item, _) =
        world.quiz(&[single(1), secret], json!({ "attempts": 2, "feedback": "last_attempt" })).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    let shown = serde_json::to_string(&open).unwrap();
    assert!(!shown.contains("tell-tale") && !shown.contains("correct"), "{shown}");
    assert!(matches!(
        world.learning.attempt(&person(Role::Student), open.id).await,
        Err(LearningError::No(_))
    ));
    let done = world.submit(&student, &open, choice(0, 1)).await.unwrap();
    assert_eq!((done.state, done.score, done.max_score), (AttemptState::Graded, Some(100), 200));
    let shown = serde_json::to_string(&world.learning.attempt(&student, open.id).await.unwrap()).unwrap();
    assert!(!shown.contains("tell-tale"), "another attempt is left");
    let last = world.begin(&student, mine.id, item).await;
    let done = world.submit(&student, &last, Answers::new()).await.unwrap();
    assert!(done.marks.unwrap().iter().all(|mark| mark.solution.is_some()), "the last attempt is over");
    let none = world.learning.begin_attempt(&student, mine.id, item, Uuid::now_v7()).await;
    assert!(matches!(none, Err(LearningError::NoAttempts)));
}

#[actix_web::test]
async fn time_is_the_servers_and_what_was_saved_is_handed_in() {
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, item, _) = world.quiz(&[single(1)], json!({ "minutes": 10, "grace_seconds": 30 })).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    assert_eq!(open.deadline_at, Some(open.now + Duration::minutes(10)));
    world.clock.advance(Duration::minutes(10) + Duration::seconds(30));
    let kept = AnswersForm { answers: choice(0, 1) };
    let saved = world.learning.save_answers(&student, open.id, &kept, Some(1)).await.unwrap();
    world.clock.advance(Duration::milliseconds(1));
    let late = world.learning.save_answers(&student, open.id, &kept, Some(saved.version)).await;
    assert!(matches!(late, Err(LearningError::TooLate)));
    let late = world.learning.submit(&student, open.id, None, Some(saved.version)).await;
    assert!(matches!(late, Err(LearningError::TooLate)));
    world.drain().await;
    let over = world.learning.attempt(&student, open.id).await.unwrap();
    assert_eq!((over.state, over.score), (AttemptState::Graded, Some(100)));
    let subjects: Vec<String> = world.recorded().await.into_iter().map(|event| event.subject).collect();
    for subject in ["attempt.started", "attempt.overdue", "attempt.submitted", "attempt.graded"] {
        assert!(subjects.iter().any(|one| one == subject), "{subject} in {subjects:?}");
    }

    // The other policy, and somebody who has more time.
    let (course, item, _) = world.quiz(&[single(1)], json!({ "minutes": 10, "overdue": "abandon" })).await;
    let mine = world.enrol(&student, course).await;
    let more = AccessForm { extra_time_percent: 50, extension_hours: 0 };
    world.learning.grant_access(&world.teacher, mine.id, &more, None).await.unwrap();
    let open = world.begin(&student, mine.id, item).await;
    assert_eq!(open.deadline_at, Some(open.now + Duration::minutes(15)));
    world.clock.advance(Duration::minutes(16));
    world.drain().await;
    assert_eq!(world.learning.attempt(&student, open.id).await.unwrap().state, AttemptState::Abandoned);
    world.begin(&student, mine.id, item).await;
}

#[actix_web::test]
async fn two_tabs_of_one_attempt_cannot_both_win() {
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, item, _) = world.quiz(&[single(1)], json!({})).await;
    let mine = world.enrol(&student, course).await;
    let (one, two) = tokio::join!(world.begin(&student, mine.id, item), world.begin(&student, mine.id, item));
    assert_eq!(one.id, two.id, "both tabs have the one attempt");
    let forms = [AnswersForm { answers: choice(0, 0) }, AnswersForm { answers: choice(0, 1) }];
    let save = |n: usize| world.learning.save_answers(&student, one.id, &forms[n], Some(1));
    let (a, b) = tokio::join!(save(0), save(1));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let lost = if a.is_ok() { b } else { a };
    assert!(matches!(lost, Err(LearningError::Stale)));
    let submit = |n: usize| world.learning.submit(&student, one.id, Some(&forms[n]), Some(2));
    let (a, b) = tokio::join!(submit(0), submit(1));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let winner = if a.is_ok() { 0 } else { 1 };
    let kept = world.learning.attempt(&student, one.id).await.unwrap();
    assert_eq!(kept.answers.unwrap(), forms[winner].answers);
}

#[derive(Clone, Debug)]
enum Move {
    Begin,
    Save(usize),
    Submit(usize),
    Wait(i64),
    Tick,
    View,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => Just(Move::Begin),
        3 => (0_usize..3).prop_map(Move::Save),
        2 => (0_usize..3).prop_map(Move::Submit),
        2 => (0_i64..400).prop_map(Move::Wait),
        2 => Just(Move::Tick),
        1 => Just(Move::View),
    ];
    proptest::collection::vec(one, 1..24)
}

/// Property 8.
#[test]
fn attempts_keep_to_limit_and_time_and_progress_never_falls() {
    use proptest::strategy::ValueTree;
    let config = cases(12);
    actix_web::rt::System::new().block_on(async {
        let world = World::new().await;
        let settings = json!({ "minutes": 5, "grace_seconds": 10, "attempts": 3, "counts": "last" });
        let (course, item, _) = world.quiz(&[single(1)], settings).await;
        let mut runner = proptest::test_runner::TestRunner::new(config.clone());
        for _ in 0..config.cases {
            let script = moves().new_tree(&mut runner).unwrap().current();
            let student = person(Role::Student);
            let mine = world.enrol(&student, course).await;
            let mut open: Option<crate::contexts::learning::AttemptView> = None;
            let (mut done, mut completed) = (false, false);
            for step in &script {
                match step {
                    Move::Begin => {
                        match world.learning.begin_attempt(&student, mine.id, item, Uuid::now_v7()).await {
                            Ok(attempt) => open = Some(attempt),
                            Err(LearningError::NoAttempts) => {}
                            Err(other) => panic!("{other:?} in {script:?}"),
                        }
                    }
                    Move::Save(one) | Move::Submit(one) => {
                        let Some(attempt) = &open else { continue };
                        let now = world.learning.attempt(&student, attempt.id).await.unwrap();
                        let end = now.deadline_at.unwrap() + Duration::seconds(10);
                        let form = AnswersForm { answers: choice(0, *one) };
                        let version = Some(now.version);
                        let taken = match step {
                            Move::Save(_) => {
                                world.learning.save_answers(&student, now.id, &form, version).await
                            }
                            _ => world.learning.submit(&student, now.id, Some(&form), version).await,
                        };
                        let may = now.state == AttemptState::InProgress && now.now <= end;
                        assert_eq!(taken.is_ok(), may, "{taken:?} in {script:?}");
                    }
                    Move::Wait(seconds) => world.clock.advance(Duration::seconds(*seconds)),
                    Move::Tick => world.drain().await,
                    Move::View => {
                        world.learning.item(&student, mine.id, item).await.unwrap();
                    }
                }
                let shown = world.learning.enrolment(&student, mine.id).await.unwrap();
                let (is_done, is_complete) =
                    (shown.items[0].done_at.is_some(), shown.state == EnrolmentState::Completed);
                assert!(is_done || !done, "progress fell in {script:?}");
                assert!(is_complete || !completed, "completion fell in {script:?}");
                (done, completed) = (is_done, is_complete);
                let taken = world.learning.item(&student, mine.id, item).await.unwrap().attempts.unwrap();
                assert!(taken.len() <= 3, "{script:?}");
                let running = taken.iter().filter(|one| one.state == AttemptState::InProgress).count();
                assert!(running <= 1, "{script:?}");
            }
        }
    });
}

#[actix_web::test]
async fn an_essay_waits_for_a_person() {
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, item, _) = world.quiz(&[single(1), essay()], json!({})).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    let mut answers = choice(0, 1);
    answers.insert(1, Answer::Text("Because.".into()));
    let waits = world.submit(&student, &open, answers).await.unwrap();
    assert_eq!((waits.state, waits.score), (AttemptState::NeedsGrading, None));
    let wrong = AnswersForm { answers: Answers::from([(0, Answer::Number(1.0)), (9, Answer::Choice(0))]) };
    let fresh = world.begin(&student, mine.id, item).await;
    match world.learning.save_answers(&student, fresh.id, &wrong, None).await {
        Err(LearningError::Invalid(fields)) => {
            assert_eq!(
                fields.iter().map(|one| one.pointer.as_str()).collect::<Vec<_>>(),
                ["/answers/0", "/answers/9"]
            );
        }
        other => panic!("{other:?}"),
    }
}

fn text(id: ItemId) -> Value {
    json!({ "id": id, "title": "Text", "body": { "type": "text", "markdown": "Hi" } })
}

/// A course of a quiz with these settings and of a text, so that the quiz alone completes nothing.
async fn quiz_and_text(world: &World, more: Value) -> (CourseId, ItemId, ItemId) {
    let (quiz, read) = (ItemId::new(), ItemId::new());
    let (bank, _) = world.bank(&[single(1)]).await;
    let mut body = json!({ "type": "quiz", "draws": [{ "bank": bank }], "shuffle": false });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let asks = json!({ "id": quiz, "title": "Quiz", "body": body });
    let content = json!({ "modules": [{ "title": "M", "items": [asks, text(read)] }] });
    (world.course(content).await, quiz, read)
}

#[actix_web::test]
async fn who_withdraws_and_comes_again_has_used_what_they_used() {
    let (world, student) = (World::new().await, person(Role::Student));
    let settings = json!({ "attempts": 2, "feedback": "last_attempt" });
    let (course, quiz, _) = quiz_and_text(&world, settings).await;
    let first = world.enrol(&student, course).await;
    let one = world.begin(&student, first.id, quiz).await;
    let done = world.submit(&student, &one, choice(0, 0)).await.unwrap();
    assert!(done.marks.unwrap()[0].solution.is_none(), "another attempt is left");
    world.begin(&student, first.id, quiz).await;
    world.learning.move_enrolment(&student, first.id, "withdraw").await.unwrap();
    let seen = world.learning.attempt(&student, one.id).await.unwrap();
    assert!(seen.marks.unwrap()[0].solution.is_some(), "nobody goes on with what they left");
    let again = world.enrol(&student, course).await;
    let none = world.learning.begin_attempt(&student, again.id, quiz, Uuid::now_v7()).await;
    assert!(matches!(none, Err(LearningError::NoAttempts)), "{none:?}");
    let shown = world.learning.item(&student, again.id, quiz).await.unwrap();
    assert_eq!((shown.attempts_left, shown.attempts.unwrap().len()), (Some(0), 0));
}

#[actix_web::test]
async fn what_was_right_is_not_shown_while_the_same_quiz_is_open_in_another_enrolment() {
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, quiz, _) = quiz_and_text(&world, json!({})).await;
    let first = world.enrol(&student, course).await;
    let one = world.begin(&student, first.id, quiz).await;
    world.submit(&student, &one, choice(0, 0)).await.unwrap();
    let shown = async || {
        let seen = world.learning.attempt(&student, one.id).await.unwrap();
        seen.marks.unwrap()[0].solution.is_some()
    };
    assert!(shown().await);
    world.learning.move_enrolment(&student, first.id, "withdraw").await.unwrap();
    let again = world.enrol(&student, course).await;
    let open = world.begin(&student, again.id, quiz).await;
    assert_eq!(open.number, 1, "numbers are the enrolment's");
    assert!(!shown().await);
    let left = world.learning.item(&student, again.id, quiz).await.unwrap().attempts_left;
    assert_eq!(left, Some(1), "of three");
    world.submit(&student, &open, choice(0, 1)).await.unwrap();
    assert!(shown().await);
}

#[actix_web::test]
async fn nobody_moves_away_from_an_open_attempt_and_marks_outlive_their_quiz() {
    use diesel_async::RunQueryDsl;
    let (world, ada, ben) = (World::new().await, person(Role::Student), person(Role::Student));
    let (course, quiz, read) = quiz_and_text(&world, json!({ "minutes": 10 })).await;
    let (mine, theirs) = (world.enrol(&ada, course).await, world.enrol(&ben, course).await);
    let open = world.begin(&ada, mine.id, quiz).await;
    let left = world.begin(&ben, theirs.id, quiz).await;
    world.publish(course, json!({ "modules": [{ "title": "M", "items": [text(read)] }] })).await;
    let early = world.learning.move_enrolment(&ada, mine.id, "move").await;
    assert!(matches!(early, Err(LearningError::Contradicts(_))), "{early:?}");
    let done = world.submit(&ada, &open, choice(0, 1)).await.unwrap();
    assert!(done.marks.unwrap()[0].solution.is_some());
    let moved = world.learning.move_enrolment(&ada, mine.id, "move").await.unwrap();
    assert_eq!((moved.number, moved.items.len()), (2, 1));
    let kept = world.learning.attempt(&ada, open.id).await.unwrap();
    assert_eq!((kept.state, kept.score), (AttemptState::Graded, Some(100)));
    assert!(kept.marks.unwrap()[0].solution.is_none(), "its version does not say when to show it");
    let seen = world.learning.attempt(&world.teacher, open.id).await.unwrap();
    assert!(seen.marks.unwrap()[0].solution.is_some());

    // One whose quiz is gone all the same is given up when its time is over.
    let mut conn = world.database.conn().await.unwrap();
    diesel::sql_query("UPDATE learning.enrolments SET number = 2").execute(&mut conn).await.unwrap();
    drop(conn);
    world.clock.advance(Duration::minutes(11));
    world.drain().await;
    let over = world.learning.attempt(&ben, left.id).await.unwrap();
    assert_eq!(over.state, AttemptState::Abandoned);
}
