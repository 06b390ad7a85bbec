//! Paid places and cohorts.

use std::sync::atomic::Ordering;

use chrono::Duration;
use diesel_async::AsyncConnection;
use serde_json::json;
use uuid::Uuid;

use super::world::{World, person};
use crate::{
    contexts::{
        learning::{
            CohortForm, CourseId, CoursePatch, EnrolForm, EnrolmentId, EnrolmentState, EnrolmentView, ItemId,
            LearningError, PlacePaymentState, ProgressForm,
        },
        ledger::{self, PaymentSink, ResolutionKind},
    },
    money::{Currency, Money},
    ports::payments::{Notice, PaymentStatus},
    principal::{Principal, Role},
};

const PRICE: i64 = 4_900;

async fn paid_course(world: &World) -> (CourseId, ItemId) {
    let item = ItemId::new();
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [
            { "id": item, "title": "Read", "body": { "type": "text", "markdown": "Hi" }, "due": { "days": 2 } } ] }] }))
        .await;
    let price = Some(Some(Money::new(PRICE, Currency::EUR)));
    let patch = CoursePatch { price, ..CoursePatch::default() };
    world.learning.patch_course(&world.teacher, course, &patch, None).await.unwrap();
    (course, item)
}

impl World {
    /// The provider tells of the latest payment for a place.
    async fn pays(&self, id: EnrolmentId, status: PaymentStatus) {
        let mut intent = self.provider.payments_of(id.0).pop().expect("a payment waits");
        self.provider.set(&intent.id, status);
        intent.status = status;
        self.tell(&Notice::Payment(intent)).await;
    }

    async fn tell(&self, notice: &Notice) {
        let mut conn = self.database.conn().await.unwrap();
        let sink = &self.learning;
        (*conn).transaction(async |conn| PaymentSink::apply(sink, conn, notice).await).await.unwrap();
    }

    async fn place(&self, who: &Principal, id: EnrolmentId) -> EnrolmentView {
        self.learning.enrolment(who, id).await.unwrap()
    }

    async fn paid_place(&self, who: &Principal, course: CourseId) -> EnrolmentId {
        let mine = self.enrol(who, course).await;
        self.pays(mine.id, PaymentStatus::Succeeded).await;
        mine.id
    }

    async fn subjects(&self) -> Vec<String> {
        self.recorded().await.into_iter().map(|event| event.subject).collect()
    }
}

fn viewed() -> ProgressForm {
    ProgressForm { viewed: true, ..ProgressForm::default() }
}

#[actix_web::test]
async fn a_paid_place_is_had_once_the_money_is_there_and_goes_to_the_instructor_in_time() {
    let world = World::new().await;
    let (course, item) = paid_course(&world).await;
    let mut student = person(Role::Student);
    student.email_verified = false;
    let early = world.learning.enrol(&student, course, Uuid::now_v7(), &EnrolForm::default()).await;
    assert!(matches!(early, Err(LearningError::NotVerified(_))));
    student.email_verified = true;
    let mine = world.enrol(&student, course).await;
    assert_eq!(mine.state, EnrolmentState::Pending);
    let payment = mine.payment.unwrap();
    assert!(payment.client_secret.is_some() && payment.state == PlacePaymentState::Pending);
    let locked = world.learning.advance(&student, mine.id, item, &viewed()).await;
    assert!(matches!(locked, Err(LearningError::NotNow { .. })));
    assert!(world.learning.in_course(&student, course).await.is_err());
    assert!(!world.subjects().await.contains(&"enrolment.created".to_owned()));

    // A refused card, and another try.
    world.pays(mine.id, PaymentStatus::Failed).await;
    assert_eq!(world.place(&student, mine.id).await.payment.unwrap().state, PlacePaymentState::Failed);
    world.learning.move_enrolment(&student, mine.id, "pay").await.unwrap();
    let twice = world.learning.move_enrolment(&student, mine.id, "pay").await;
    assert!(matches!(twice, Err(LearningError::Contradicts(_))));
    for _ in 0..2 {
        world.pays(mine.id, PaymentStatus::Succeeded).await;
    }
    let now = world.place(&student, mine.id).await;
    assert_eq!(now.state, EnrolmentState::Active);
    assert!(now.payment.unwrap().client_secret.is_none());
    let created = world.subjects().await.iter().filter(|one| *one == "enrolment.created").count();
    assert_eq!(created, 1, "told once");

    world.learning.advance(&student, mine.id, item, &viewed()).await.unwrap();
    world.drain().await;
    assert!(world.provider.books().transfers.is_empty(), "not before the time is over");
    world.clock.advance(Duration::days(15));
    world.drain().await;
    assert_eq!(world.provider.books().transfers.len(), 1);
    let mut conn = world.database.conn().await.unwrap();
    let hold = ledger::hold(&mut conn, mine.id.0).await.unwrap();
    let end = hold.resolution.unwrap();
    assert_eq!(
        (end.kind, end.fee.amount_minor, end.released.amount_minor),
        (ResolutionKind::Release, 490, 4_410)
    );
    assert_eq!((hold.payee, hold.payer), (world.teacher.user_id, student.user_id));
}

#[actix_web::test]
async fn who_withdraws_in_time_or_pays_too_late_gets_the_money_back() {
    let world = World::new().await;
    let (course, _) = paid_course(&world).await;
    let (ada, ben, eve) = (person(Role::Student), person(Role::Student), person(Role::Student));
    let paid = world.paid_place(&ada, course).await;
    world.learning.move_enrolment(&ada, paid, "withdraw").await.unwrap();
    // Nobody paid this one: it is given up, and money that comes later goes back.
    let late = world.enrol(&ben, course).await.id;
    world.clock.advance(Duration::hours(25));
    world.drain().await;
    assert_eq!(world.place(&ben, late).await.state, EnrolmentState::Lapsed);
    world.pays(late, PaymentStatus::Succeeded).await;
    world.drain().await;
    for (who, id) in [(&ada, paid), (&ben, late)] {
        assert_eq!(world.place(who, id).await.payment.unwrap().state, PlacePaymentState::Returned);
    }
    let sent: Vec<i64> =
        world.provider.books().refunds.values().map(|(_, money)| money.amount_minor).collect();
    assert_eq!(sent, [PRICE, PRICE]);
    // After the time, withdrawing gives nothing back, and the instructor is paid.
    let kept = world.paid_place(&eve, course).await;
    world.clock.advance(Duration::days(14) + Duration::seconds(1));
    world.learning.move_enrolment(&eve, kept, "withdraw").await.unwrap();
    world.drain().await;
    assert_eq!(world.place(&eve, kept).await.payment.unwrap().state, PlacePaymentState::Released);
    assert_eq!(world.provider.books().refunds.len(), 2);
    let mut conn = world.database.conn().await.unwrap();
    let report = ledger::reconcile(&mut conn).await.unwrap();
    assert!(report.ok, "{report:?}");
}

#[actix_web::test]
async fn a_place_whose_money_the_bank_took_back_is_gone_once() {
    let world = World::new().await;
    let (course, item) = paid_course(&world).await;
    let student = person(Role::Student);
    let id = world.paid_place(&student, course).await;
    let payment = world.provider.payments_of(id.0).pop().unwrap();
    for _ in 0..2 {
        world.tell(&Notice::ChargedBack { payment: payment.clone(), dispute: "dp_1".into() }).await;
    }
    let now = world.place(&student, id).await;
    assert_eq!(now.state, EnrolmentState::Withdrawn);
    assert_eq!(now.payment.unwrap().state, PlacePaymentState::ChargedBack);
    assert!(world.learning.advance(&student, id, item, &viewed()).await.is_err());
    world.clock.advance(Duration::days(30));
    world.drain().await;
    assert!(world.provider.books().transfers.is_empty());
}

#[actix_web::test]
async fn an_instructor_without_an_account_waits_and_the_bank_may_take_the_money_back_meanwhile() {
    let world = World::new().await;
    let (course, _) = paid_course(&world).await;
    let (ada, ben) = (person(Role::Student), person(Role::Student));
    let (stays, goes) = (world.paid_place(&ada, course).await, world.paid_place(&ben, course).await);
    world.accounts.alone.store(false, Ordering::SeqCst);
    world.clock.advance(Duration::days(15));
    world.drain().await;
    let state = async |who: &Principal, id| world.place(who, id).await.payment.unwrap().state;
    assert_eq!(state(&ada, stays).await, PlacePaymentState::Held, "nothing is frozen before it can be sent");
    let payment = world.provider.payments_of(goes.0).pop().unwrap();
    world.tell(&Notice::ChargedBack { payment, dispute: "dp_1".into() }).await;
    assert_eq!(state(&ben, goes).await, PlacePaymentState::ChargedBack);
    let mut conn = world.database.conn().await.unwrap();
    let hold = ledger::hold(&mut conn, goes.0).await.unwrap();
    assert_eq!(hold.resolution.unwrap().kind, ResolutionKind::Reverse);
    drop(conn);
    assert!(world.provider.books().transfers.is_empty());

    // Once there is an account, what is still held is sent.
    world.accounts.alone.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::hours(2));
    world.drain().await;
    assert_eq!(state(&ada, stays).await, PlacePaymentState::Released);
    assert_eq!(state(&ben, goes).await, PlacePaymentState::ChargedBack);
    assert_eq!(world.provider.books().transfers.len(), 1);
    let mut conn = world.database.conn().await.unwrap();
    let report = ledger::reconcile(&mut conn).await.unwrap();
    assert!(report.ok, "{report:?}");
}

#[actix_web::test]
async fn a_cohort_begins_together_has_so_many_places_and_dates_of_its_own() {
    let world = World::new().await;
    let item = ItemId::new();
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [
            { "id": item, "title": "Read", "body": { "type": "text", "markdown": "Hi" }, "due": { "days": 2 } } ] }] }))
        .await;
    let now = world.clock.clock().now();
    let mut form = CohortForm {
        title: "Spring".into(),
        starts_at: now + Duration::days(10),
        closes_at: Some(now + Duration::days(12)),
        places: Some(1),
        extension_hours: 0,
    };
    let cohort = world.learning.open_cohort(&world.teacher, course, Uuid::now_v7(), &form).await.unwrap();
    let stranger = person(Role::Instructor);
    let not_theirs = world.learning.open_cohort(&stranger, course, Uuid::now_v7(), &form).await;
    assert!(matches!(not_theirs, Err(LearningError::NotYours(_))));
    let join = EnrolForm { cohort_id: Some(cohort.id) };
    let people = [person(Role::Student), person(Role::Student), person(Role::Student)];
    // All at once: one place is one place.
    let tries = people.iter().map(|who| world.learning.enrol(who, course, Uuid::now_v7(), &join));
    let done = futures_util::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1);
    let mine = done.iter().find_map(|one| one.as_ref().ok()).unwrap();
    let who = people.iter().find(|who| who.user_id == mine.student_id).unwrap();
    assert!(
        done.iter().filter_map(|one| one.as_ref().err()).all(|e| matches!(e, LearningError::Contradicts(_)))
    );

    let early = world.learning.advance(who, mine.id, item, &viewed()).await;
    assert!(matches!(early, Err(LearningError::NotYet(at)) if at == form.starts_at));
    assert_eq!(mine.items[0].due_at, Some(form.starts_at + Duration::days(2)), "counted from the beginning");
    form.extension_hours = 5;
    form.places = Some(2);
    let stale = world.learning.change_cohort(&world.teacher, cohort.id, &form, Some(7)).await;
    assert!(matches!(stale, Err(LearningError::Stale)));
    world.learning.change_cohort(&world.teacher, cohort.id, &form, Some(cohort.version)).await.unwrap();
    let moved = world.place(who, mine.id).await;
    assert_eq!(moved.items[0].due_at, Some(form.starts_at + Duration::hours(53)), "everybody's dates move");
    world.clock.advance(Duration::days(11));
    let done = world.learning.advance(who, mine.id, item, &viewed()).await.unwrap();
    assert_eq!(done.state, EnrolmentState::Completed);
    world.clock.advance(Duration::days(2));
    let late = world.learning.enrol(&person(Role::Student), course, Uuid::now_v7(), &join).await;
    assert!(matches!(late, Err(LearningError::Contradicts(_))), "it is closed");
    let foreign = EnrolForm { cohort_id: Some(crate::contexts::learning::CohortId::new()) };
    let none = world.learning.enrol(&person(Role::Student), course, Uuid::now_v7(), &foreign).await;
    assert!(matches!(none, Err(LearningError::Invalid(_))));
    let shown = world.learning.cohorts(who, course, 10, None).await.unwrap().0;
    assert_eq!((shown.len(), shown[0].taken), (1, 1));
}
