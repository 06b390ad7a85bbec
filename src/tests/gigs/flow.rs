//! One walk through a whole contract, and the ways off the path.

use diesel_async::RunQueryDsl;

use super::world::{World, person};
use crate::{
    contexts::{
        gigs::{ContractState, GigState, GigsError, MilestoneState, PaymentState, ReviewForm, RulingForm},
        ledger,
    },
    error::Fault,
    money::{Currency, Money},
    ports::payments::{Notice, PaymentStatus},
    principal::Role,
};

#[tokio::test]
async fn from_the_gig_to_the_reviews() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[10_001, 500]).await;
    assert_eq!(contract.state, ContractState::PendingFunding);
    let gig = world.gigs.gig(&client, contract.gig_id).await.unwrap();
    assert_eq!((gig.state, gig.accepted), (GigState::Filled, 1));

    for milestone in &contract.milestones {
        let id = milestone.id;
        let funding = world.step(&client, id, "fund").await.unwrap();
        assert_eq!(funding.state, MilestoneState::Funding);
        assert!(funding.payment.unwrap().client_secret.is_some());
        assert!(world.gigs.milestone(&student, id).await.unwrap().payment.is_none(), "a secret of the payer");
        world.pay(id, PaymentStatus::Succeeded).await;
        world.pay(id, PaymentStatus::Succeeded).await;
        assert_eq!(world.state(&client, id).await, MilestoneState::Funded);
        world.step(&student, id, "submit").await.unwrap();
        world.step(&client, id, "request_changes").await.unwrap();
        world.step(&student, id, "submit").await.unwrap();
        world.step(&client, id, "approve").await.unwrap();
        world.check_money(&client, contract.id).await.unwrap();
        world.drain().await;
        assert_eq!(world.state(&client, id).await, MilestoneState::Released);
    }
    let money = world.gigs.contract_money(&student, contract.id).await.unwrap();
    // 10 % of 100.01 and of 5.00, rounded down; the rest is the student's.
    assert_eq!((money.totals.fee.amount_minor, money.totals.released.amount_minor), (1_050, 9_451));
    assert!(money.timeline.iter().any(|step| step.transition == "released"));
    assert_eq!(world.provider.books().transfers.len(), 2);
    world.drain().await;
    assert_eq!(world.gigs.contract(&client, contract.id).await.unwrap().state, ContractState::Completed);
    assert_eq!(world.gigs.gig(&client, contract.gig_id).await.unwrap().state, GigState::Completed);

    let review = |rating| ReviewForm { rating, body: "Good".into() };
    world.gigs.review(&client, contract.id, &review(5)).await.unwrap();
    assert!(world.gigs.contract_reviews(&student, contract.id).await.unwrap().is_empty(), "blind");
    let again = world.gigs.review(&client, contract.id, &review(1)).await.unwrap_err();
    assert!(matches!(again, GigsError::ReviewedAlready));
    world.gigs.review(&student, contract.id, &review(4)).await.unwrap();
    assert_eq!(world.gigs.contract_reviews(&student, contract.id).await.unwrap().len(), 2);
    let (items, _, rating) = world.gigs.reviews_about(student.user_id, 10, None).await.unwrap();
    assert_eq!((items.len(), rating.average, rating.count), (1, Some(5.0), 1));

    let report = ledger::reconcile(&mut world.database.conn().await.unwrap()).await.unwrap();
    assert!(report.ok, "{report:?}");

    #[derive(diesel::QueryableByName)]
    struct Told {
        #[diesel(sql_type = diesel::sql_types::Text)]
        subject: String,
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        version: i64,
    }
    let told: Vec<Told> = diesel::sql_query(
        "SELECT subject, version FROM platform.outbox WHERE aggregate = $1 ORDER BY version",
    )
    .bind::<diesel::sql_types::Text, _>(contract.milestones[0].id.to_string())
    .load(&mut world.database.conn().await.unwrap())
    .await
    .unwrap();
    let subjects: Vec<_> = told.iter().map(|event| event.subject.as_str()).collect();
    assert_eq!(
        subjects,
        [
            "milestone.funding",
            "milestone.funded",
            "milestone.submitted",
            "milestone.changes_requested",
            "milestone.submitted",
            "milestone.approved",
            "milestone.releasing",
            "milestone.released",
        ]
    );
    assert!(told.windows(2).all(|pair| pair[1].version == pair[0].version + 1));
}

#[tokio::test]
async fn an_illegal_step_says_what_is_legal() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[700]).await;
    let id = contract.milestones[0].id;
    let error = world.step(&client, id, "approve").await.unwrap_err();
    assert_eq!(error.kind().status(), 409);
    assert_eq!(error.extensions()["allowed_transitions"], serde_json::json!(["fund"]));
    assert_eq!(world.step(&student, id, "fund").await.unwrap_err().kind().status(), 403);
    assert_eq!(world.step(&person(Role::Client), id, "fund").await.unwrap_err().kind().status(), 404);
    assert_eq!(world.step(&client, id, "payment_succeeded").await.unwrap_err().kind().status(), 403);
    assert_eq!(world.step(&client, id, "steal").await.unwrap_err().kind().status(), 404);
}

#[tokio::test]
async fn a_payment_after_cancellation_goes_back_by_itself() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[700]).await;
    let id = contract.milestones[0].id;
    world.step(&client, id, "fund").await.unwrap();
    let ended = world.gigs.move_contract(&student, contract.id, "cancel").await.unwrap();
    assert_eq!(ended.state, ContractState::Cancelled);
    world.pay(id, PaymentStatus::Succeeded).await;
    world.pay(id, PaymentStatus::Succeeded).await;
    world.drain().await;
    let milestone = world.gigs.milestone(&client, id).await.unwrap();
    assert_eq!(milestone.state, MilestoneState::Cancelled);
    assert_eq!(milestone.payment.unwrap().state, PaymentState::Returned);
    assert_eq!(world.provider.books().refunds.len(), 1);
    let money = world.gigs.contract_money(&client, contract.id).await.unwrap();
    assert_eq!((money.totals.funded, money.totals.held.amount_minor), (money.totals.refunded, 0));
}

#[tokio::test]
async fn a_failed_payment_can_be_tried_again_and_a_late_success_of_the_first_counts_once() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[700]).await;
    let id = contract.milestones[0].id;
    world.step(&client, id, "fund").await.unwrap();
    let first = world.provider.payments_of(id.0).pop().unwrap();
    world.pay(id, PaymentStatus::Failed).await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Planned);
    world.fund(&client, id).await;
    let late = crate::ports::payments::PaymentIntent { status: PaymentStatus::Succeeded, ..first };
    world.tell(&Notice::Payment(late.clone())).await.unwrap();
    world.tell(&Notice::Payment(late)).await.unwrap();
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Funded);
    assert_eq!(world.provider.books().refunds.len(), 1);
    world.check_money(&client, contract.id).await.unwrap();
}

#[tokio::test]
async fn an_operator_divides_what_is_disputed() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let operator = person(Role::Operator);
    let contract = world.contract(&client, &student, &[1_000]).await;
    let id = contract.milestones[0].id;
    world.fund(&client, id).await;
    world.step(&student, id, "dispute").await.unwrap();
    let dispute = world.gigs.contract(&operator, contract.id).await.unwrap().disputes[0].id;
    let euro = |amount| Money::new(amount, Currency::EUR);
    let ruling = |release, refund: Option<i64>| RulingForm {
        release: euro(release),
        refund: refund.map(euro),
        note: None,
    };
    let foreign = RulingForm { release: Money::new(605, Currency::USD), refund: None, note: None };
    assert_eq!(world.gigs.rule(&operator, dispute, &foreign).await.unwrap_err().kind().status(), 422);
    for bad in [ruling(1_001, None), ruling(-1, None), ruling(500, Some(501))] {
        assert_eq!(world.gigs.rule(&operator, dispute, &bad).await.unwrap_err().kind().status(), 422);
    }
    world.gigs.rule(&operator, dispute, &ruling(605, Some(395))).await.unwrap();
    let again = world.gigs.rule(&operator, dispute, &ruling(605, Some(395))).await.unwrap_err();
    assert_eq!(again.kind().status(), 409);
    world.drain().await;
    let totals = world.gigs.contract_money(&client, contract.id).await.unwrap().totals;
    assert_eq!(
        (totals.released.amount_minor, totals.fee.amount_minor, totals.refunded.amount_minor),
        (545, 60, 395)
    );
    {
        let books = world.provider.books();
        assert_eq!(books.transfers.values().next().unwrap().1.amount_minor, 545);
        assert_eq!(books.refunds.values().next().unwrap().1.amount_minor, 395);
    }
    assert_eq!(world.gigs.contract(&client, contract.id).await.unwrap().state, ContractState::Ended);
}

#[tokio::test]
async fn a_charge_back_freezes_what_is_held_and_costs_the_platform_what_is_not() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[1_000, 2_000]).await;
    let (held, gone) = (contract.milestones[0].id, contract.milestones[1].id);
    for id in [held, gone] {
        world.fund(&client, id).await;
        world.step(&student, id, "submit").await.unwrap();
    }
    world.step(&client, gone, "approve").await.unwrap();
    world.drain().await;
    for id in [held, gone] {
        let payment = world.provider.payments_of(id.0).pop().unwrap();
        let notice = Notice::ChargedBack { payment, dispute: format!("dp_{id}") };
        world.tell(&notice).await.unwrap();
        world.tell(&notice).await.unwrap();
    }
    assert_eq!(world.state(&client, held).await, MilestoneState::ChargedBack);
    assert_eq!(world.state(&client, gone).await, MilestoneState::Released);
    world.check_money(&client, contract.id).await.unwrap();
    let report = ledger::reconcile(&mut world.database.conn().await.unwrap()).await.unwrap();
    assert!(report.ok && report.currencies[0].losses == 2_000, "{report:?}");
}
