//! Invariant 7: counters and slots under concurrency.

use futures_util::future::join_all;
use proptest::prelude::*;

use super::world::{World, person};
use crate::{
    contexts::gigs::{ApplicationState, ApplyForm, GigState, GigsError, OfferForm},
    error::Fault,
    principal::Role,
};

#[tokio::test]
async fn one_application_a_person_however_fast_they_click() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let gig = world.open_gig(&client, 1).await;
    let form = ApplyForm { proposal: "I draw".into(), answers: Vec::new() };
    let tries = join_all((0..6).map(|_| world.gigs.apply(&student, gig, &form))).await;
    assert_eq!(tries.iter().filter(|try_| try_.is_ok()).count(), 1);
    for error in tries.into_iter().filter_map(Result::err) {
        assert!(matches!(error, GigsError::AppliedAlready), "{error}");
    }
    assert_eq!(world.gigs.gig(&student, gig).await.unwrap().applications_count, 1);
    assert_eq!(world.gigs.apply(&client, gig, &form).await.unwrap_err().kind().status(), 403);
    assert_eq!(world.gigs.apply(&person(Role::Mentor), gig, &form).await.unwrap_err().kind().status(), 403);
}

#[tokio::test]
async fn who_sees_which_applications() {
    let world = World::new().await;
    let (client, ann, ben) = (person(Role::Client), person(Role::Student), person(Role::Student));
    let gig = world.open_gig(&client, 1).await;
    let (of_ann, of_ben) = (world.apply(&ann, gig).await.id, world.apply(&ben, gig).await.id);
    let ids = |(items, _): (Vec<crate::contexts::gigs::ApplicationView>, _)| {
        items.iter().map(|item| item.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(world.gigs.applications(&client, gig, 10, None).await.unwrap()), [of_ben, of_ann]);
    assert_eq!(ids(world.gigs.applications(&ann, gig, 10, None).await.unwrap()), [of_ann]);
    assert_eq!(ids(world.gigs.my_applications(&ben, 10, None).await.unwrap()), [of_ben]);
    assert!(matches!(world.gigs.application(&ben, of_ann).await.unwrap_err(), GigsError::No(_)));
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Everybody applies, some withdraw, all who are left are offered and accept at once.
    #[test]
    fn accepted_never_exceeds_slots_and_the_counter_is_the_rows(
        applicants in 2usize..9, slots in 1i32..5, withdrawing in proptest::collection::vec(any::<bool>(), 9),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let client = person(Role::Client);
            let gig = world.open_gig(&client, slots).await;
            let students: Vec<_> = (0..applicants).map(|_| person(Role::Student)).collect();
            let applied = join_all(students.iter().map(|who| world.apply(who, gig))).await;
            let none = OfferForm::default();
            let steps = join_all(applied.iter().enumerate().map(|(n, application)| {
                let (world, none, client, who) = (&world, &none, &client, &students[n]);
                let leaves = withdrawing[n];
                async move {
                    if leaves {
                        world.gigs.move_application(who, application.id, "withdraw", none).await.map(|_| ())
                    } else {
                        world.gigs.move_application(client, application.id, "shortlist", none).await?;
                        world.gigs.move_application(client, application.id, "offer", none).await.map(|_| ())
                    }
                }
            })).await;
            for step in steps { step.unwrap(); }
            let stay: Vec<_> = (0..applicants).filter(|n| !withdrawing[*n]).collect();
            let accepted = join_all(stay.iter().map(|n| {
                world.gigs.move_application(&students[*n], applied[*n].id, "accept", &none)
            })).await;
            let won = accepted.iter().filter(|answer| answer.is_ok()).count();
            for error in accepted.into_iter().filter_map(Result::err) {
                assert_eq!(error.kind().status(), 409, "{error}");
            }
            let slots = usize::try_from(slots).unwrap();
            prop_assert_eq!(won, stay.len().min(slots));
            world.drain().await;

            let shown = world.gigs.gig(&client, gig).await.unwrap();
            let all = world.gigs.applications(&client, gig, 100, None).await.unwrap().0;
            let live = all.iter().filter(|one| one.state != ApplicationState::Withdrawn).count();
            prop_assert_eq!(usize::try_from(shown.applications_count).unwrap(), live);
            prop_assert_eq!(usize::try_from(shown.accepted).unwrap(), won);
            prop_assert_eq!(shown.state == GigState::Filled, won == slots);
            let contracts = all.iter().filter(|one| one.contract_id.is_some()).count();
            prop_assert_eq!(contracts, won);
            if shown.state == GigState::Filled {
                prop_assert!(all.iter().all(|one| one.state != ApplicationState::Offered), "lapsed");
            }
            Ok(())
        })?;
    }
}
