//! Grades: policies, rubrics, lateness, marking anew, the gradebook.

use chrono::Duration;
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use super::world::{World, choice, essay, person, single};
use crate::{
    contexts::learning::{
        EnrolmentState, GradeForm, ItemId, LearningError, QuestionForm, RegradeForm, SubmissionForm,
        SubmissionGradeForm, SubmissionState,
        grading::{Criterion, Group, LatePolicy, Policy, Rubric, WHOLE},
        marking::Answer,
    },
    principal::Role,
};

fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Weights that sum to 100, with one to five items each.
fn policies() -> impl Strategy<Value = (Policy, Vec<ItemId>)> {
    (proptest::collection::vec((1_u8..50, 1_usize..6, 0_u8..6), 1..5)).prop_map(|parts| {
        let sum: u32 = parts.iter().map(|part| u32::from(part.0)).sum();
        let mut left = 100_u32;
        let count = parts.len();
        let mut all = Vec::new();
        let groups = parts
            .into_iter()
            .enumerate()
            .map(|(n, (weight, items, drop))| {
                let later = u32::try_from(count - n - 1).unwrap();
                let fair = (u32::from(weight) * 100 / sum).clamp(1, left - later);
                let weight = if later == 0 { left } else { fair };
                left -= weight;
                let items: Vec<ItemId> = (0..items).map(|_| ItemId::new()).collect();
                all.extend(items.iter().copied());
                let drop_lowest = drop.min(u8::try_from(items.len() - 1).unwrap());
                Group { name: format!("g{n}"), weight: u8::try_from(weight).unwrap(), items, drop_lowest }
            })
            .collect();
        (Policy { groups }, all)
    })
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn the_sum_of_weights_is_a_whole((policy, all) in policies(), scores in proptest::collection::vec(0_i32..=10_000, 30)) {
        prop_assert!(policy.flaws(|_| true).is_empty());
        prop_assert_eq!(policy.grade(&all, |_| Some(10_000)), WHOLE, "all of everything is all");
        prop_assert_eq!(policy.grade(&all, |_| None), 0);
        let score = |id: ItemId| all.iter().position(|one| *one == id).map(|n| scores[n % scores.len()]);
        let grade = policy.grade(&all, score);
        prop_assert!((0..=WHOLE).contains(&grade));
        // A better score never makes a worse grade.
        for better in &all {
            let up = policy.grade(&all, |id| if id == *better { Some(10_000) } else { score(id) });
            prop_assert!(up >= grade);
        }
        let mut off = policy.clone();
        off.groups[0].weight = off.groups[0].weight.wrapping_add(1);
        prop_assert!(!off.flaws(|_| true).is_empty(), "weights that sum to 101 are refused");
    }

    #[test]
    fn dropping_the_lowest_never_costs((mut policy, all) in policies(), scores in proptest::collection::vec(0_i32..=10_000, 30)) {
        let score = |id: ItemId| all.iter().position(|one| *one == id).map(|n| scores[n % scores.len()]);
        let with = policy.grade(&all, score);
        for group in &mut policy.groups { group.drop_lowest = 0; }
        prop_assert!(with >= policy.grade(&all, score));
    }

    #[test]
    fn a_rubric_and_lateness_stay_within_the_whole(
        points in proptest::collection::vec((1_u16..=1000, 0_u16..=1000), 1..20), late in 0_i64..10_000_000,
        grace in 0_u16..600, percent in 0_u8..=100,
    ) {
        let criteria = points.iter().map(|(points, _)| Criterion { name: "c".into(), points: *points }).collect();
        let rubric = Rubric { criteria };
        let given: Vec<u16> = points.iter().map(|(most, got)| *got.min(most)).collect();
        let score = rubric.score(&given).unwrap();
        prop_assert!((0..=WHOLE).contains(&score));
        prop_assert_eq!(rubric.score(&points.iter().map(|(most, _)| *most).collect::<Vec<_>>()), Ok(WHOLE));
        let policy = LatePolicy { grace_minutes: grace, percent_per_day: percent, close_after_days: None };
        let left = policy.apply(score, late);
        prop_assert!((0..=score).contains(&left));
        prop_assert!(policy.apply(score, late + 1) <= left, "later is never better");
        prop_assert_eq!(policy.apply(score, 0), score);
    }
}

#[actix_web::test]
async fn a_regrade_keeps_every_version_and_never_revokes() {
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, item, questions) = world.quiz(&[single(0)], json!({})).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    // The key is wrong: the learner's right answer gets nothing.
    let done = world.submit(&student, &open, choice(0, 1)).await.unwrap();
    assert_eq!(done.score, Some(0));
    let mend = async |correct: usize| {
        let form: QuestionForm = serde_json::from_value(single(correct)).unwrap();
        world.learning.revise_question(&world.teacher, questions[0], &form, None).await.unwrap();
        let form = RegradeForm { item_id: item, reason: "the key was wrong".into() };
        world.learning.regrade(&world.teacher, course, &form).await.unwrap()
    };
    assert_eq!(mend(1).await, 1);
    let better = world.learning.attempt(&student, open.id).await.unwrap();
    assert_eq!(better.score, Some(100));
    let shown = world.learning.enrolment(&student, mine.id).await.unwrap();
    assert_eq!((shown.state, shown.items[0].score), (EnrolmentState::Completed, Some(10_000)));
    assert_eq!(mend(1).await, 0, "nothing changed, nothing is added");
    assert_eq!(mend(2).await, 1);
    let worse = world.learning.enrolment(&student, mine.id).await.unwrap();
    assert_eq!(
        (worse.state, worse.items[0].score),
        (EnrolmentState::Completed, Some(0)),
        "completion is sticky"
    );
    use diesel_async::RunQueryDsl;
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        score: i64,
        #[diesel(sql_type = diesel::sql_types::Text)]
        reason: String,
    }
    let mut conn = world.database.conn().await.unwrap();
    let history: Vec<Row> = diesel::sql_query("SELECT score, reason FROM learning.grades ORDER BY number")
        .load(&mut conn)
        .await
        .unwrap();
    assert_eq!(history.iter().map(|row| row.score).collect::<Vec<_>>(), [0, 100, 0]);
    assert_eq!(history[1].reason, "the key was wrong");
    assert!(
        diesel::sql_query("DELETE FROM learning.grades").execute(&mut conn).await.is_err(),
        "history stays"
    );
}

#[actix_web::test]
async fn the_instructors_queue_holds_what_a_person_must_look_at() {
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, item, _) = world.quiz(&[single(1), essay()], json!({ "penalty": 50 })).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    let mut answers = choice(0, 0);
    answers.insert(1, Answer::Text("Because.".into()));
    let waits = world.submit(&student, &open, answers).await.unwrap();
    let (queue, _) = world.learning.queue(&world.teacher, course, 10, None).await.unwrap();
    assert_eq!((queue.len(), queue[0].id), (1, open.id.0));
    assert!(matches!(
        world.learning.queue(&student, course, 10, None).await,
        Err(LearningError::NotYours(_))
    ));
    let marks = |score: i64| GradeForm { marks: [(1, score)].into(), note: "Good".into() };
    for (form, wrong) in [(marks(301), true), (GradeForm { marks: [].into(), note: String::new() }, true)] {
        let refused = world.learning.grade_attempt(&world.teacher, open.id, &form, None).await;
        assert_eq!(matches!(refused, Err(LearningError::Invalid(_))), wrong);
    }
    let own = world.learning.grade_attempt(&student, open.id, &marks(300), None).await;
    assert!(matches!(own, Err(LearningError::No(_))), "nobody grades themselves");
    let seen = Some(waits.version);
    let graded = world.learning.grade_attempt(&world.teacher, open.id, &marks(300), seen).await.unwrap();
    assert_eq!((graded.score, graded.max_score), (Some(250), 400), "a wrong choice costs half a point");
    assert!(world.learning.queue(&world.teacher, course, 10, None).await.unwrap().0.is_empty());
    let statistics = world.learning.statistics(&world.teacher, bank_of(&world).await).await.unwrap();
    assert_eq!((statistics[0].answers, statistics[0].difficulty), (1, 0.0));
    assert_eq!(statistics[1].difficulty, 1.0);
}

#[actix_web::test]
async fn statistics_are_over_more_attempts_than_are_read_at_once() {
    use diesel_async::RunQueryDsl;
    let (world, student) = (World::new().await, person(Role::Student));
    let (course, item, _) = world.quiz(&[single(1), single(2)], json!({})).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    world.submit(&student, &open, choice(0, 1)).await.unwrap();
    let mut conn = world.database.conn().await.unwrap();
    diesel::sql_query(
        "WITH more AS (
            INSERT INTO learning.attempts (id, enrolment_id, item_id, number, seed, paper, answers, state, score,
                max_score, grade, created_at, updated_at, submitted_at)
            SELECT gen_random_uuid(), enrolment_id, item_id, number + n, seed, paper, answers, state, score,
                max_score, grade, created_at, updated_at, submitted_at
            FROM learning.attempts, generate_series(1, 450) AS n RETURNING id)
         INSERT INTO learning.grades (attempt_id, number, score, max_score, marks, reason, at)
         SELECT more.id, g.number, g.score, g.max_score, g.marks, g.reason, g.at FROM more, learning.grades g",
    )
    .execute(&mut conn)
    .await
    .unwrap();
    drop(conn);
    let found = world.learning.statistics(&world.teacher, bank_of(&world).await).await.unwrap();
    let told: Vec<(usize, f64)> = found.iter().map(|one| (one.answers, one.difficulty)).collect();
    assert_eq!(told, [(451, 1.0), (451, 0.0)], "each once, the questions in their order");
}

async fn bank_of(world: &World) -> crate::contexts::learning::BankId {
    world.learning.banks(&world.teacher, 1, None).await.unwrap().0[0].id
}

#[actix_web::test]
async fn an_assignment_is_graded_by_its_rubric_late_ones_less() {
    let (world, student) = (World::new().await, person(Role::Student));
    let item = ItemId::new();
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [{ "id": item, "title": "Essay", "due": { "days": 1 },
            "rule": { "scored": 50 }, "body": { "type": "assignment", "markdown": "Write.",
            "rubric": { "criteria": [{ "name": "A", "points": 6 }, { "name": "B", "points": 4 }] },
            "late": { "grace_minutes": 60, "percent_per_day": 10, "close_after_days": 3 } } }] }] }))
        .await;
    let mine = world.enrol(&student, course).await;
    let form = SubmissionForm { body: "My text".into(), files: Vec::new() };
    world.clock.advance(Duration::hours(24 + 26));
    let foreign = SubmissionForm { body: String::new(), files: vec![Uuid::now_v7()] };
    let refused = world.learning.hand_in(&student, mine.id, item, Uuid::now_v7(), &foreign).await;
    assert!(matches!(refused, Err(LearningError::Invalid(_))));
    let first = world.learning.hand_in(&student, mine.id, item, Uuid::now_v7(), &form).await.unwrap();
    assert_eq!(first.late_seconds, 26 * 3600);
    let twice = world.learning.hand_in(&student, mine.id, item, Uuid::now_v7(), &form).await;
    assert!(matches!(twice, Err(LearningError::Contradicts(_))));
    let back = SubmissionGradeForm { points: None, note: "Once more".into() };
    let returned = world.learning.grade_submission(&world.teacher, first.id, &back, None).await.unwrap();
    assert_eq!(returned.state, SubmissionState::Returned);
    let second = world.learning.hand_in(&student, mine.id, item, Uuid::now_v7(), &form).await.unwrap();
    let grade = |points: Vec<u16>| SubmissionGradeForm { points: Some(points), note: String::new() };
    for wrong in [vec![7, 4], vec![6], vec![6, 4, 0]] {
        let refused = world.learning.grade_submission(&world.teacher, second.id, &grade(wrong), None).await;
        assert!(matches!(refused, Err(LearningError::Invalid(_))));
    }
    let graded = world
        .learning
        .grade_submission(&world.teacher, second.id, &grade(vec![6, 3]), Some(1))
        .await
        .unwrap();
    assert_eq!(graded.score, Some(7_200), "90 %, less 20 % for two days that have begun");
    let shown = world.learning.enrolment(&student, mine.id).await.unwrap();
    assert_eq!((shown.state, shown.grade), (EnrolmentState::Completed, 7_200));
    let late = person(Role::Student);
    let mine = world.enrol(&late, course).await;
    world.clock.advance(Duration::days(5));
    let closed = world.learning.hand_in(&late, mine.id, item, Uuid::now_v7(), &form).await;
    assert!(matches!(closed, Err(LearningError::TooLate)));
}

#[actix_web::test]
async fn the_gradebook_runs_no_formula() {
    let world = World::named("=HYPERLINK(\"http://evil\",\"x\"), Eve", "http://localhost").await;
    let student = person(Role::Student);
    let (course, item, _) = world.quiz(&[single(1)], json!({})).await;
    let mine = world.enrol(&student, course).await;
    let open = world.begin(&student, mine.id, item).await;
    world.submit(&student, &open, choice(0, 1)).await.unwrap();
    let csv = world.learning.gradebook(&world.teacher, course).await.unwrap();
    let lines: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(lines[0], "name,student_id,state,grade_percent,Quiz");
    let line = format!(
        "\"'=HYPERLINK(\"\"http://evil\"\",\"\"x\"\"), Eve\",{},completed,100.00,100.00",
        student.user_id
    );
    assert_eq!(lines[1], line);
    assert!(matches!(world.learning.gradebook(&student, course).await, Err(LearningError::NotYours(_))));
}
