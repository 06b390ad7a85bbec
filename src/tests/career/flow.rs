//! A booking's way with all that follows: answers, waiting lists, money, reminders, rooms, mails, and
//! being forgotten.

use chrono::Duration;
use serde_json::json;

use super::world::{OVERLAPS, WRONG_SEATS, World, at, news, person};
use crate::{
    contexts::{
        career::{
            AvailabilityForm, BookingId, BookingState, CareerError, ItemForm, ItemId, ItemKind, ItemPatch,
            MentorQuery, NoteForm, NoteId, RatingForm, StepForm, WaitForm, WaitId, WaitState,
        },
        chat::{Chat, HistoryForm, RoomId},
        ledger,
    },
    error::Fault,
    ports::payments::{Notice, PaymentStatus},
    principal::{Principal, Role},
    tests::chat::support::Node,
};

const START: &str = "2027-03-24T08:00:00Z";

async fn refused(world: &World, who: &Principal, id: BookingId, step: &str) -> u16 {
    world.step(who, id, step).await.unwrap_err().kind().status()
}

#[tokio::test]
async fn nobody_mentors_before_somebody_has_looked() {
    let world = World::new().await;
    let (who, judge) = (person(Role::Student), person(Role::Moderator));
    let form = json!({ "headline": "I help", "languages": ["en"], "zone": "Europe/Paris" });
    let form = serde_json::from_value(form).unwrap();
    let unverified = Principal { email_verified: false, ..who.clone() };
    assert_eq!(world.career.apply_to_mentor(&unverified, &form).await.unwrap_err().kind().status(), 403);
    world.career.apply_to_mentor(&who, &form).await.unwrap();
    assert_eq!(world.career.apply_to_mentor(&who, &form).await.unwrap_err().kind().status(), 409);
    assert!(matches!(
        world.career.mentor(&person(Role::Student), who.user_id).await,
        Err(CareerError::No(_))
    ));
    let none = StepForm::default();
    let own = world.career.move_mentor(&who, who.user_id, "approve", &none).await.unwrap_err();
    assert_eq!(own.kind().status(), 403);
    let said = StepForm { note: Some("Say more about yourself".into()), ..StepForm::default() };
    world.career.move_mentor(&judge, who.user_id, "reject", &said).await.unwrap();
    assert_eq!(world.career.own_mentor(&who).await.unwrap().review_note.unwrap(), "Say more about yourself");
    world.career.move_mentor(&who, who.user_id, "apply", &none).await.unwrap();
    world.career.move_mentor(&judge, who.user_id, "approve", &none).await.unwrap();
    let found =
        world.career.mentors(&person(Role::Student), MentorQuery::default(), 10, None).await.unwrap().0;
    assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>(), [who.user_id]);
    let seen = world.career.own_mentor(&who).await.unwrap().mentor.version;
    let hours = AvailabilityForm::default();
    world.career.change_availability(&who, &hours, seen).await.unwrap();
    let stale = world.career.change_availability(&who, &hours, seen).await.unwrap_err();
    assert_eq!(stale.kind().status(), 412);
}

#[tokio::test]
async fn a_session_is_asked_for_agreed_moved_held_and_reviewed() {
    let world = World::new().await;
    let (mentor, seeker) = (world.mentor(json!({})).await, person(Role::Student));
    let id = world.book(&seeker, &mentor, at(START)).await.unwrap().id;
    assert_eq!(refused(&world, &mentor, id, "confirm").await, 409);
    assert_eq!(refused(&world, &person(Role::Student), id, "request").await, 404);
    assert_eq!(refused(&world, &mentor, id, "request").await, 403);
    assert_eq!(refused(&world, &seeker, id, "fly").await, 404);
    world.step(&seeker, id, "request").await.unwrap();
    let agreed = world.step(&mentor, id, "confirm").await.unwrap();
    assert_eq!((agreed.sequence, agreed.allowed_transitions), (0, vec!["cancel", "reschedule"]));

    // Who booked moves it: the mentor has to agree again. The old time is free.
    let moved = world.move_to(&seeker, id, at(START) + Duration::hours(2)).await.unwrap();
    assert_eq!((moved.state, moved.sequence), (BookingState::Requested, 1));
    world.agreed(&person(Role::Student), &mentor, at(START)).await;
    world.step(&mentor, id, "confirm").await.unwrap();
    // The mentor moves it: who booked has to agree. Nobody can move it to where somebody is.
    let taken = world.move_to(&mentor, id, at(START)).await.unwrap_err();
    assert!(matches!(taken, CareerError::Taken));
    let proposed = world.move_to(&mentor, id, at(START) + Duration::hours(3)).await.unwrap();
    assert_eq!((proposed.state, proposed.sequence), (BookingState::Proposed, 3));
    let again = world.step(&seeker, id, "accept").await.unwrap();
    assert_eq!((again.state, again.sequence), (BookingState::Confirmed, 4));
    assert_eq!(world.count(OVERLAPS).await + world.count(WRONG_SEATS).await, 0);

    assert_eq!(refused(&world, &mentor, id, "complete").await, 409, "it has not begun");
    let mentorship = again.mentorship_id.unwrap();
    let item = ItemForm { kind: ItemKind::Goal, title: "A job by May".into(), due_on: None };
    let item = world.career.add_item(&seeker, mentorship, ItemId::new(), &item).await.unwrap();
    let done = ItemPatch { done: Some(true), ..ItemPatch::default() };
    let changed = world.career.change_item(&mentor, mentorship, item.id, &done, Some(1)).await.unwrap();
    assert!(changed.done_at.is_some() && changed.version == 2);
    assert!(matches!(
        world.career.change_item(&mentor, mentorship, item.id, &done, Some(1)).await.unwrap_err(),
        CareerError::Stale
    ));
    assert!(world.career.items(&person(Role::Operator), mentorship).await.is_err());
    for (who, shared) in [(&mentor, false), (&mentor, true), (&seeker, false)] {
        let note = NoteForm { body: "Good questions".into(), shared };
        world.career.write_note(who, id, NoteId::new(), &note).await.unwrap();
    }
    assert_eq!(world.career.notes(&seeker, id).await.unwrap().len(), 2);
    assert_eq!(world.career.notes(&mentor, id).await.unwrap().len(), 2);

    let rating = RatingForm { rating: 5, body: "Clear".into() };
    assert_eq!(world.career.review_mentor(&seeker, id, &rating).await.unwrap_err().kind().status(), 409);
    world.clock.advance(at(START) + Duration::minutes(210) - world.clock.clock().now());
    assert_eq!(refused(&world, &seeker, id, "cancel").await, 409, "it has begun");
    for step in ["complete", "no_show"] {
        assert_eq!(refused(&world, &mentor, id, step).await, 409, "it is not over: {step}");
    }
    world.clock.advance(Duration::minutes(30));
    world.step(&mentor, id, "complete").await.unwrap();
    world.career.review_mentor(&seeker, id, &rating).await.unwrap();
    assert_eq!(world.career.review_mentor(&seeker, id, &rating).await.unwrap_err().kind().status(), 409);
    let shown = world.career.mentor(&seeker, mentor.user_id).await.unwrap();
    assert_eq!((shown.rating, shown.ratings), (Some(5.0), 1));
}

#[tokio::test]
async fn time_ends_what_nobody_answers_and_settles_what_took_place() {
    let world = World::new().await;
    let mentor = world.mentor(json!({})).await;
    let (ann, ben, eve) = (person(Role::Student), person(Role::Student), person(Role::Student));
    let held = world.book(&ann, &mentor, at(START)).await.unwrap().id;
    let asked = world.book(&ben, &mentor, at(START) + Duration::hours(1)).await.unwrap().id;
    world.step(&ben, asked, "request").await.unwrap();
    let agreed = world.agreed(&eve, &mentor, at(START) + Duration::hours(2)).await;
    world.clock.advance(Duration::minutes(11));
    world.drain().await;
    assert_eq!(world.career.booking(&ann, held).await.unwrap().state, BookingState::Expired);
    // Not past the start, though 48 hours are not over.
    world.clock.advance(at(START) + Duration::hours(1) - world.clock.clock().now());
    world.drain().await;
    assert_eq!(world.career.booking(&ben, asked).await.unwrap().state, BookingState::Expired);
    world.clock.advance(Duration::hours(27));
    world.drain().await;
    assert_eq!(world.career.booking(&eve, agreed).await.unwrap().state, BookingState::Completed);
    assert_eq!(world.count("SELECT count(*) AS n FROM career.timers").await, 0);
}

#[tokio::test]
async fn a_freed_time_is_held_for_who_waited_longest() {
    let world = World::new().await;
    let mentor = world.mentor(json!({})).await;
    let holder = person(Role::Student);
    let id = world.agreed(&holder, &mentor, at(START)).await;
    let (busy, first, second) = (person(Role::Student), person(Role::Student), person(Role::Student));
    // The first in line is elsewhere at that time, so the next one is asked.
    let other = world.mentor(json!({})).await;
    world.agreed(&busy, &other, at(START)).await;
    let form = WaitForm { from: at("2027-03-24T00:00:00Z"), to: at("2027-03-25T00:00:00Z"), zone: None };
    for who in [&busy, &first, &second] {
        world.career.wait_for(who, WaitId::new(), mentor.user_id, &form).await.unwrap();
    }
    let twice = world.career.wait_for(&first, WaitId::new(), mentor.user_id, &form).await.unwrap_err();
    assert_eq!(twice.kind().status(), 409);
    world.step(&holder, id, "cancel").await.unwrap();
    world.drain().await;
    let place = async |who: &Principal| world.career.waiting(who, 10, None).await.unwrap().0.remove(0);
    assert_eq!(place(&busy).await.state, WaitState::Waiting);
    let offered = place(&first).await;
    assert_eq!(offered.state, WaitState::Offered);
    assert!(matches!(world.book(&second, &mentor, at(START)).await, Err(CareerError::Taken)), "it is held");
    // Half an hour later it is the next one's.
    world.clock.advance(Duration::minutes(31));
    world.drain().await;
    assert_eq!(place(&first).await.state, WaitState::Lapsed);
    let theirs = place(&second).await;
    let booking = theirs.booking_id.unwrap();
    world.step(&second, booking, "request").await.unwrap();
    assert_eq!(place(&second).await.state, WaitState::Taken);
    assert_eq!(world.count(OVERLAPS).await + world.count(WRONG_SEATS).await, 0);
    let offers = world.subjects().await.into_iter().filter(|subject| subject == "booking.offered").count();
    assert_eq!(offers, 2);
}

#[tokio::test]
async fn money_is_held_and_goes_where_the_session_went() {
    let world = World::new().await;
    let paid = json!({ "price": { "amount_minor": 5_000, "currency": "EUR" }, "cancel_hours": 24 });
    let (mentor, seeker) = (world.mentor(paid).await, person(Role::Student));
    let free_step = async |hour: i64| {
        let id = world.book(&seeker, &mentor, at(START) + Duration::hours(hour)).await.unwrap().id;
        assert_eq!(refused(&world, &seeker, id, "request").await, 409, "it is paid for first");
        world.step(&seeker, id, "pay").await.unwrap();
        id
    };
    // Paid, confirmed, held: the mentor gets it less the fee.
    let whole = free_step(0).await;
    world.pay(whole, PaymentStatus::Succeeded).await;
    world.pay(whole, PaymentStatus::Succeeded).await;
    world.step(&mentor, whole, "confirm").await.unwrap();
    // Declined: all of it goes back.
    let declined = free_step(1).await;
    world.pay(declined, PaymentStatus::Succeeded).await;
    world.step(&mentor, declined, "decline").await.unwrap();
    // Failed, then paid anew; cancelled in time: back.
    let early = free_step(2).await;
    world.pay(early, PaymentStatus::Failed).await;
    assert_eq!(world.career.booking(&seeker, early).await.unwrap().state, BookingState::Held);
    world.step(&seeker, early, "pay").await.unwrap();
    world.pay(early, PaymentStatus::Succeeded).await;
    world.step(&mentor, early, "confirm").await.unwrap();
    world.step(&seeker, early, "cancel").await.unwrap();
    // Cancelled too late by who booked: the mentor's. Too late by the mentor: back.
    let (late, theirs) = (free_step(3).await, free_step(4).await);
    for id in [late, theirs] {
        world.pay(id, PaymentStatus::Succeeded).await;
        world.step(&mentor, id, "confirm").await.unwrap();
    }
    // Paid after it was given up: back by itself.
    let gone = free_step(5).await;
    world.step(&seeker, gone, "cancel").await.unwrap();
    world.pay(gone, PaymentStatus::Succeeded).await;
    // The mentor did not come, says who booked; an operator agrees: back.
    let missed = free_step(6).await;
    world.pay(missed, PaymentStatus::Succeeded).await;
    world.step(&mentor, missed, "confirm").await.unwrap();
    world.clock.advance(at(START) - Duration::hours(2) - world.clock.clock().now());
    // Moving it first is no way around that.
    let moved = world.move_to(&seeker, late, at(START) + Duration::hours(26)).await.unwrap_err();
    assert_eq!(moved.kind().status(), 409);
    let shown = world.career.booking(&seeker, late).await.unwrap();
    assert!(!shown.allowed_transitions.contains(&"reschedule"), "{:?}", shown.allowed_transitions);
    world.step(&seeker, late, "cancel").await.unwrap();
    world.step(&mentor, theirs, "cancel").await.unwrap();
    world.clock.advance(Duration::hours(12));
    world.step(&seeker, missed, "contest").await.unwrap();
    assert_eq!(refused(&world, &mentor, missed, "complete").await, 409);
    world.step(&person(Role::Operator), missed, "uphold").await.unwrap();
    // The bank takes one back that was released long ago.
    world.clock.advance(Duration::hours(30));
    world.drain().await;
    assert_eq!(world.career.booking(&seeker, whole).await.unwrap().state, BookingState::Completed);

    let books = |id: BookingId| {
        let books = world.provider.books();
        books
            .transfers
            .values()
            .filter(|(of, _)| *of == id.0)
            .map(|(_, money)| money.amount_minor)
            .sum::<i64>()
    };
    for (id, to_mentor) in
        [(whole, 4_500), (declined, 0), (early, 0), (late, 4_500), (theirs, 0), (gone, 0), (missed, 0)]
    {
        assert_eq!(books(id), to_mentor, "{id}");
    }
    assert_eq!(world.provider.books().refunds.len(), 5);
    let mut conn = world.database.conn().await.unwrap();
    let report = ledger::reconcile(&mut conn).await.unwrap();
    let money = &report.currencies[0];
    assert!(report.ok, "{report:?}");
    assert_eq!(
        (money.funded, money.released, money.fee, money.refunded, money.held),
        (35_000, 9_000, 1_000, 25_000, 0)
    );
    drop(conn);
    let payment = world.provider.payments_of(whole.0).pop().unwrap();
    let notice = Notice::ChargedBack { payment, dispute: "dp_1".into() };
    world.tell(&notice).await.unwrap();
    world.tell(&notice).await.unwrap();
    let report = ledger::reconcile(&mut world.database.conn().await.unwrap()).await.unwrap();
    assert!(report.ok && report.currencies[0].losses == 5_000, "{report:?}");
}

#[tokio::test]
async fn a_charge_back_calls_off_what_is_ahead() {
    let world = World::new().await;
    let paid = json!({ "price": { "amount_minor": 5_000, "currency": "EUR" } });
    let (mentor, seeker) = (world.mentor(paid).await, person(Role::Student));
    let id = world.book(&seeker, &mentor, at(START)).await.unwrap().id;
    world.step(&seeker, id, "pay").await.unwrap();
    world.pay(id, PaymentStatus::Succeeded).await;
    world.step(&mentor, id, "confirm").await.unwrap();
    let payment = world.provider.payments_of(id.0).pop().unwrap();
    let notice = Notice::ChargedBack { payment, dispute: "dp_1".into() };
    world.tell(&notice).await.unwrap();
    world.tell(&notice).await.unwrap();
    assert_eq!(world.career.booking(&seeker, id).await.unwrap().state, BookingState::Cancelled);
    world.book(&person(Role::Student), &mentor, at(START)).await.unwrap();
    let report = ledger::reconcile(&mut world.database.conn().await.unwrap()).await.unwrap();
    assert!(report.ok && report.currencies[0].reversed == 5_000, "{report:?}");
}

#[tokio::test]
async fn each_is_reminded_by_the_clock_of_their_own_zone_and_only_of_what_is_on() {
    let world = World::new().await;
    let mentor = world.mentor(json!({})).await;
    let (seeker, other) = (person(Role::Student), person(Role::Student));
    // Monday after the clocks went forward in Europe, three weeks after New York.
    let start = at("2027-03-29T13:00:00Z");
    let id = world.agreed(&seeker, &mentor, start).await;
    let off = world.agreed(&other, &mentor, start - Duration::hours(2)).await;
    world.step(&other, off, "cancel").await.unwrap();
    let moved = world.agreed(&other, &mentor, start + Duration::hours(1)).await;
    world.move_to(&mentor, moved, start - Duration::hours(1)).await.unwrap();
    world.step(&other, moved, "accept").await.unwrap();
    for ahead in [Duration::hours(24), Duration::minutes(59)] {
        world.clock.advance(start - ahead - world.clock.clock().now());
        world.drain().await;
    }
    let told: Vec<_> = world
        .recorded()
        .await
        .into_iter()
        .filter(|event| event.subject == "booking.reminded")
        .map(|event| {
            let text = |name: &str| event.data[name].as_str().unwrap().to_owned();
            (text("booking_id"), text("user_id"), text("reminder"), text("when"))
        })
        .collect();
    let of = |booking: BookingId, who: &Principal| -> Vec<(String, String)> {
        let mine =
            told.iter().filter(|(b, u, ..)| *b == booking.to_string() && *u == who.user_id.to_string());
        mine.map(|(_, _, which, when)| (which.clone(), when.clone())).collect()
    };
    let here = |which: &str, time: &str| (which.to_owned(), time.to_owned());
    let mine = of(id, &seeker);
    assert_eq!(
        mine,
        [
            here("remind_day", "Mon 29 Mar 2027, 09:00 (America/New_York)"),
            here("remind_hour", "Mon 29 Mar 2027, 09:00 (America/New_York)"),
        ]
    );
    assert_eq!(of(id, &mentor)[0].1, "Mon 29 Mar 2027, 15:00 (Europe/Stockholm)");
    // Once a day before and not at its old hour; what has begun needs no word.
    assert_eq!(of(moved, &other).len(), 1, "{told:?}");
    assert!(of(off, &other).is_empty());
}

#[actix_web::test]
async fn a_mentorship_has_one_room_and_both_get_invitations_that_grow() {
    let world = World::new().await;
    let node = Node::on(&world.test).await;
    let live = news();
    let (mentor, seeker) =
        (world.mentor(json!({ "meeting_url": "https://meet.example.org/a" })).await, person(Role::Student));
    let id = world.agreed(&seeker, &mentor, at(START)).await;
    world.move_to(&seeker, id, at(START) + Duration::hours(1)).await.unwrap();
    world.step(&mentor, id, "confirm").await.unwrap();
    world.step(&mentor, id, "cancel").await.unwrap();
    world.agreed(&seeker, &mentor, at(START)).await;
    // One that was never agreed says nothing to calendars.
    let never = world.book(&seeker, &mentor, at(START) + Duration::hours(3)).await.unwrap().id;
    world.step(&seeker, never, "cancel").await.unwrap();
    world.deliver(&node, &live).await;

    let room = RoomId(world.career.mentorships(&seeker, 5, None).await.unwrap().0[0].id.0);
    let form = HistoryForm { room, limit: None, before: None, after: None };
    let history = node.chat.history(seeker.user_id, &form).await.unwrap();
    let said: Vec<_> = history
        .items
        .iter()
        .filter(|item| item.sender_id == Chat::SYSTEM)
        .map(|item| item.body.clone())
        .collect();
    assert_eq!(said.len(), 5, "{said:?}");
    assert!(
        said.iter().any(|text| text
            .contains("04:00 (America/New_York), which is Wed 24 Mar 2027, 09:00 (Europe/Stockholm)")),
        "{said:?}"
    );

    let of_first = format!("SELECT count(*) AS n FROM platform.mails WHERE calendar_part LIKE '%UID:{id}@%'");
    assert_eq!(world.count(&of_first).await, 8, "four changes, two people");
    for (method, sequence, status) in [
        ("REQUEST", 0, "CONFIRMED"),
        ("REQUEST", 1, "TENTATIVE"),
        ("REQUEST", 2, "CONFIRMED"),
        ("CANCEL", 3, "CANCELLED"),
    ] {
        let query = format!(
            "{of_first} AND calendar_part LIKE '%METHOD:{method}%SEQUENCE:{sequence}%STATUS:{status}%'
             AND user_id = '{}'",
            seeker.user_id
        );
        assert_eq!(world.count(&query).await, 1, "{method} {sequence}");
    }
    let of_never = format!("SELECT count(*) AS n FROM platform.mails WHERE calendar_part LIKE '%{never}%'");
    assert_eq!(world.count(&of_never).await, 0);
}

#[actix_web::test]
async fn who_asks_to_be_forgotten_leaves_no_word_behind() {
    let world = World::new().await;
    let mentor = world.mentor(json!({ "headline": "SECRET headline", "bio": "SECRET bio" })).await;
    let seeker = person(Role::Student);
    let id = world.agreed(&seeker, &mentor, at(START)).await;
    let ahead = world.agreed(&seeker, &mentor, at(START) + Duration::hours(1)).await;
    let note = NoteForm { body: "SECRET note".into(), shared: true };
    world.career.write_note(&seeker, id, NoteId::new(), &note).await.unwrap();
    world.career.write_note(&mentor, id, NoteId::new(), &note).await.unwrap();
    let mentorship = world.career.booking(&seeker, id).await.unwrap().mentorship_id.unwrap();
    let item = ItemForm { kind: ItemKind::Action, title: "SECRET action".into(), due_on: None };
    world.career.add_item(&seeker, mentorship, ItemId::new(), &item).await.unwrap();
    let said = StepForm { note: Some("SECRET reason".into()), ..StepForm::default() };
    world.career.move_booking(&mentor, ahead, "cancel", &said).await.unwrap();
    world.career.make_feed(&seeker).await.unwrap();

    let mut event = world.recorded().await.remove(0);
    event.subject = "user.erasure_requested".into();
    for who in [&seeker, &mentor] {
        event.data = json!({ "user_id": who.user_id });
        let eraser = crate::custody::eraser(std::sync::Arc::new(world.career.clone()), None);
        world.hand(&*eraser, &event).await;
        world.hand(&*eraser, &event).await;
    }
    assert_eq!(world.count("SELECT count(*) AS n FROM career.bookings WHERE state = 'cancelled'").await, 2);
    assert_eq!(world.count(WRONG_SEATS).await, 0);
    for table in [
        "mentors", "bookings", "notes", "items", "reviews", "waitlist", "history", "sessions", "payments",
        "feeds",
    ] {
        let query = format!(
            "SELECT count(*) AS n FROM career.{table} t WHERE t::text LIKE '%SECRET%' OR t::text LIKE '%first job%'
             OR t::text LIKE '%New_York%' OR t::text LIKE '%Stockholm%'"
        );
        assert_eq!(world.count(&query).await, 0, "{table}");
    }
    assert_eq!(world.count("SELECT count(*) AS n FROM career.feeds").await, 0);
}
