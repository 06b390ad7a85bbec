//! Random mentors, zones, hours, people and steps, all at once: no two times of one person overlap, seats
//! are what the bookings say, money is somewhere, and every session lies within the mentor's hours.

use chrono::Duration;
use futures_util::future::join_all;
use proptest::prelude::*;
use serde_json::json;

use super::world::{OVERLAPS, WRONG_SEATS, World, at, person};
use crate::{
    contexts::{
        career::{BookingId, SlotQuery},
        ledger,
    },
    error::Fault,
    ports::payments::PaymentStatus,
    principal::Role,
};

const ZONES: &[&str] = &[
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "America/St_Johns",
];
const STEPS: &[&str] = &[
    "request",
    "pay",
    "confirm",
    "decline",
    "cancel",
    "accept",
    "reschedule",
    "complete",
    "no_show",
    "contest",
];

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    ProptestConfig { cases, max_shrink_iters: 40, failure_persistence: None, ..ProptestConfig::default() }
}

#[derive(Clone, Debug)]
enum Deed {
    Book { who: usize, mentor: usize, slot: prop::sample::Index },
    Step { who: usize, booking: prop::sample::Index, step: usize, slot: prop::sample::Index },
    Pay { booking: prop::sample::Index, well: bool },
}

fn deed() -> impl Strategy<Value = Deed> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        4 => (0..6usize, 0..3usize, index()).prop_map(|(who, mentor, slot)| Deed::Book { who, mentor, slot }),
        6 => (0..6usize, index(), 0..STEPS.len(), index())
            .prop_map(|(who, booking, step, slot)| Deed::Step { who, booking, step, slot }),
        1 => (index(), any::<bool>()).prop_map(|(booking, well)| Deed::Pay { booking, well }),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nobody_is_ever_booked_twice(
        zones in proptest::collection::vec(0..ZONES.len(), 3),
        lengths in proptest::collection::vec(prop::sample::select(vec![30, 45, 60, 90]), 3),
        rounds in proptest::collection::vec((proptest::collection::vec(deed(), 6..14), 0..90i64), 3..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::with_pool(12).await;
            // Just before most clocks change.
            world.clock.advance(at("2027-03-27T10:00:00Z") - world.clock.clock().now());
            let mut mentors = Vec::new();
            for (n, zone) in zones.iter().enumerate() {
                let days: Vec<_> = (1..=7).map(|day| json!({ "weekday": day, "from": "00:30", "to": "12:00" })).collect();
                mentors.push(world.mentor(json!({
                    "zone": ZONES[*zone], "minutes": lengths[n], "every": 30, "buffer_after": 15 * n, "seats": 1 + n,
                    "rules": days, "price": { "amount_minor": 1_000 * n as i64, "currency": "EUR" },
                })).await);
            }
            // Two of those who book mentor too.
            let mut people: Vec<_> = (0..4).map(|_| person(Role::Student)).collect();
            people.extend(mentors[..2].iter().cloned());
            let mut bookings: Vec<BookingId> = Vec::new();
            for (deeds, hours) in &rounds {
                let mut slots = Vec::new();
                for mentor in &mentors {
                    let query = SlotQuery { from: None, to: None, zone: Some("UTC".into()) };
                    let mut shown = world.career.slots(&people[0], mentor.user_id, &query).await.unwrap().items;
                    // Few, so that they meet.
                    shown.truncate(12);
                    slots.push(shown.into_iter().map(|slot| slot.start).collect::<Vec<_>>());
                }
                let known = &bookings;
                let (world_, people_, mentors_, slots_) = (&world, &people, &mentors, &slots);
                let done = join_all(deeds.iter().map(|deed| async move {
                    match deed {
                        Deed::Book { who, mentor, slot } => {
                            if slots_[*mentor].is_empty() { return Ok(None) }
                            let start = *slot.get(&slots_[*mentor]);
                            world_.book(&people_[*who], &mentors_[*mentor], start).await.map(|made| Some(made.id))
                        }
                        Deed::Step { who, booking, step, slot } if !known.is_empty() => {
                            let id = *booking.get(known);
                            let all: Vec<_> = slots_.iter().flatten().copied().collect();
                            let who = &people_[*who];
                            // Whoever it is of the two.
                            let mentor = mentors_.iter().find(|_| step % 2 == 0);
                            let who = mentor.unwrap_or(who);
                            match STEPS[*step] {
                                "reschedule" if !all.is_empty() => world_.move_to(who, id, *slot.get(&all)).await,
                                name => world_.step(who, id, name).await,
                            }.map(|_| None)
                        }
                        Deed::Pay { booking, well } if !known.is_empty() => {
                            let id = *booking.get(known);
                            if !world_.provider.payments_of(id.0).is_empty() {
                                let status = if *well { PaymentStatus::Succeeded } else { PaymentStatus::Failed };
                                world_.pay(id, status).await;
                            }
                            Ok(None)
                        }
                        _ => Ok(None),
                    }
                })).await;
                for outcome in done {
                    match outcome {
                        Ok(made) => bookings.extend(made),
                        Err(error) => {
                            let status = error.kind().status();
                            prop_assert!([403, 404, 409, 422].contains(&status), "{status}: {error}");
                        }
                    }
                }
                prop_assert_eq!(world.count(OVERLAPS).await, 0);
                prop_assert_eq!(world.count(WRONG_SEATS).await, 0);
                world.clock.advance(Duration::hours(*hours));
                world.drain().await;
            }
            prop_assert_eq!(world.count(OVERLAPS).await, 0);
            prop_assert_eq!(world.count(WRONG_SEATS).await, 0);
            let mut conn = world.database.conn().await.unwrap();
            let report = ledger::reconcile(&mut conn).await.unwrap();
            prop_assert!(report.ok, "{:?}", report);
            Ok(())
        })?;
    }
}
