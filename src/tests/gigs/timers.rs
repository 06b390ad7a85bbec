//! What time does: once, across restarts and nodes.

use diesel_async::RunQueryDsl;
use futures_util::future::join_all;

use super::world::{World, person};
use crate::{
    contexts::gigs::{ApplicationState, GigPatch, GigState, Gigs, MilestoneState, Parts},
    principal::Role,
    signing::Signer,
    telemetry::correlation::{self, CorrelationId},
};

fn another_node(world: &World) -> Gigs {
    Gigs::new(Parts {
        database: world.database.clone(),
        ledger: world.ledger.clone(),
        signer: Signer::random().unwrap(),
        clock: world.clock.clock(),
    })
}

async fn count(world: &World, sql: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let mut conn = world.database.conn().await.unwrap();
    let found: Count = diesel::sql_query(sql).get_result(&mut conn).await.unwrap();
    found.n
}

#[tokio::test]
async fn silence_approves_after_14_days_once_whoever_looks() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[900]).await;
    let id = contract.milestones[0].id;
    world.fund(&client, id).await;
    world.step(&student, id, "submit").await.unwrap();
    world.clock.advance(chrono::Duration::days(13));
    world.drain().await;
    // Asked for changes and delivered again: the 14 days begin anew.
    world.step(&client, id, "request_changes").await.unwrap();
    world.step(&student, id, "submit").await.unwrap();
    world.clock.advance(chrono::Duration::days(13));
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Submitted);
    world.clock.advance(chrono::Duration::days(1));
    let nodes: Vec<Gigs> = (0..3).map(|_| another_node(&world)).collect();
    join_all(nodes.iter().flat_map(|node| [node.tick(), node.tick()])).await;
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Released);
    let approvals = "SELECT count(*) AS n FROM gigs.history WHERE transition = 'approve'";
    assert_eq!(count(&world, approvals).await, 1);
    assert_eq!(world.provider.books().transfers.len(), 1);
    assert_eq!(count(&world, "SELECT count(*) AS n FROM gigs.timers").await, 0);
}

#[tokio::test]
async fn what_a_job_does_belongs_to_the_request_that_set_it() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[900]).await;
    let id = contract.milestones[0].id;
    world.fund(&client, id).await;
    world.step(&student, id, "submit").await.unwrap();
    let trace = CorrelationId::parse("approve-this-one").unwrap();
    correlation::scope(trace, world.step(&client, id, "approve")).await.unwrap();
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Released);
    let told = "SELECT count(*) AS n FROM platform.outbox WHERE correlation_id = 'approve-this-one'
        AND subject IN ('milestone.approved', 'milestone.releasing', 'milestone.released', 'contract.completed')";
    assert_eq!(count(&world, told).await, 4);
}

#[tokio::test]
async fn a_refund_is_agreed_to_by_silence_after_7_days() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[900]).await;
    let id = contract.milestones[0].id;
    world.fund(&client, id).await;
    world.step(&client, id, "request_refund").await.unwrap();
    world.clock.advance(chrono::Duration::days(6));
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::RefundPending);
    world.clock.advance(chrono::Duration::days(1));
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Refunded);
    assert_eq!(world.provider.books().refunds.len(), 1);
    world.check_money(&client, contract.id).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_died_with_a_timer_in_hand_is_replaced() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[900]).await;
    let id = contract.milestones[0].id;
    world.fund(&client, id).await;
    world.drain().await;
    world.step(&student, id, "submit").await.unwrap();
    world.clock.advance(chrono::Duration::days(14));
    {
        // It leases the timer and is gone before it does anything.
        let mut conn = world.database.conn().await.unwrap();
        let taken = world.gigs.lease_for_test(&mut conn).await;
        assert_eq!(taken, 1);
    }
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Submitted);
    world.clock.advance(chrono::Duration::minutes(2));
    world.drain().await;
    assert_eq!(world.state(&client, id).await, MilestoneState::Released);
}

#[tokio::test]
async fn a_provider_that_is_away_is_asked_again_until_it_answers() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[900]).await;
    let id = contract.milestones[0].id;
    world.provider.away.store(2, std::sync::atomic::Ordering::SeqCst);
    let funding = world.step(&client, id, "fund").await.unwrap();
    assert!(funding.payment.unwrap().provider_ref.is_none());
    for _ in 0..4 {
        world.clock.advance(chrono::Duration::minutes(1));
        world.drain().await;
    }
    assert_eq!(world.provider.payments_of(id.0).len(), 1, "the key made one payment of all attempts");
    world.pay(id, crate::ports::payments::PaymentStatus::Succeeded).await;
    world.step(&student, id, "submit").await.unwrap();
    world.step(&client, id, "approve").await.unwrap();
    world.provider.away.store(3, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..6 {
        world.clock.advance(chrono::Duration::minutes(1));
        world.drain().await;
    }
    assert_eq!(world.state(&client, id).await, MilestoneState::Released);
    assert_eq!(world.provider.books().transfers.len(), 1);
}

#[tokio::test]
async fn a_gig_expires_at_its_deadline_wherever_that_moved() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let mut form = World::form(1);
    form.deadline = Some(world.clock.clock().now() + chrono::Duration::days(3));
    let gig = world.gigs.draft(&client, &form).await.unwrap().id;
    let posted = world.gigs.move_gig(&client, gig, "post").await.unwrap();
    world.apply(&student, gig).await;
    let later =
        GigPatch { deadline: form.deadline.map(|at| at + chrono::Duration::days(2)), ..GigPatch::default() };
    world.gigs.patch_gig(&client, gig, &later, Some(posted.version)).await.unwrap();
    world.clock.advance(chrono::Duration::days(4));
    world.drain().await;
    assert_eq!(world.gigs.gig(&client, gig).await.unwrap().state, GigState::Open);
    world.clock.advance(chrono::Duration::days(1));
    world.drain().await;
    assert_eq!(world.gigs.gig(&client, gig).await.unwrap().state, GigState::Expired);
    let applications = world.gigs.applications(&client, gig, 10, None).await.unwrap().0;
    assert_eq!(applications[0].state, ApplicationState::Lapsed);
}
