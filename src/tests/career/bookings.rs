//! Invariant 9: nobody is booked twice, however many ask at once.

use chrono::Duration;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::world::{OVERLAPS, WRONG_SEATS, World, at, person};
use crate::{
    contexts::career::{BookingState, CareerError, SlotQuery},
    error::Fault,
    principal::{Role, UserId},
};

#[tokio::test]
async fn of_three_hundred_who_ask_at_once_one_gets_the_time() {
    let world = World::with_pool(24).await;
    let mentor = world.mentor(json!({})).await;
    let start = at("2027-03-23T08:00:00Z");
    let people: Vec<_> = (0..300).map(|_| person(Role::Student)).collect();
    let tries = join_all(people.iter().map(|who| world.book(who, &mentor, start))).await;
    assert_eq!(tries.iter().filter(|try_| try_.is_ok()).count(), 1);
    for error in tries.into_iter().filter_map(Result::err) {
        assert!(matches!(error, CareerError::Taken), "{error}");
    }
    assert_eq!(world.count("SELECT count(*) AS n FROM career.bookings").await, 1);
    assert_eq!(world.count("SELECT count(*) AS n FROM career.busy").await, 2);
}

#[tokio::test]
async fn the_constraint_holds_without_any_lock_of_ours() {
    let world = World::with_pool(24).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let mut conn = world.database.conn().await.unwrap();
    for who in [ann, ben] {
        diesel::sql_query("INSERT INTO career.calendars (person_id) VALUES ($1)")
            .bind::<SqlUuid, _>(who)
            .execute(&mut conn)
            .await
            .unwrap();
    }
    drop(conn);
    let put = async |who: UserId, from: i64, to: i64| {
        let mut conn = world.database.conn().await.unwrap();
        diesel::sql_query(
            "INSERT INTO career.busy (source_id, person_id, no, from_s, to_s)
             SELECT $1, person_id, no, $3, $4 FROM career.calendars WHERE person_id = $2",
        )
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<SqlUuid, _>(who)
        .bind::<BigInt, _>(from)
        .bind::<BigInt, _>(to)
        .execute(&mut conn)
        .await
    };
    // A hundred different times that all have one minute in common.
    let tries = join_all((0..100_i64).map(|n| put(ann, 1_000_000 - n * 60, 1_000_060 + n * 7))).await;
    assert_eq!(tries.iter().filter(|try_| try_.is_ok()).count(), 1);
    // The same time of somebody else is another matter; so are times that only touch.
    assert!(put(ben, 1_000_000, 1_000_060).await.is_ok());
    assert!(put(ben, 1_000_060, 1_000_120).await.is_ok());
    assert!(put(ben, 999_940, 1_000_000).await.is_ok());
    assert!(put(ben, 1_000_119, 1_000_121).await.is_err());
    // The ends of the line: nobody reaches into the next person's.
    assert!(put(ben, 4_294_967_295, 4_294_967_296).await.is_ok());
    assert!(put(ben, 4_294_967_295, 4_294_967_297).await.is_err());
    assert!(put(ben, -1, 1).await.is_err());
}

#[tokio::test]
async fn who_books_is_not_in_two_places_either() {
    let world = World::new().await;
    let (one, two) = (world.mentor(json!({})).await, world.mentor(json!({ "minutes": 30 })).await);
    let seeker = person(Role::Student);
    let start = at("2027-03-23T08:00:00Z");
    world.book(&seeker, &one, start).await.unwrap();
    let busy = world.book(&seeker, &two, start + Duration::minutes(30)).await.unwrap_err();
    assert!(matches!(busy, CareerError::Busy), "{busy}");
    // Nothing was left of the attempt: somebody else gets that time.
    world.book(&person(Role::Student), &two, start + Duration::minutes(30)).await.unwrap();
    // A mentor who books somebody is not free meanwhile.
    let theirs = at("2027-03-24T08:00:00Z");
    world.book(&one, &two, theirs).await.unwrap();
    let taken = world.book(&seeker, &one, theirs).await.unwrap_err();
    assert!(matches!(taken, CareerError::Taken), "{taken}");
    assert_eq!(world.count(OVERLAPS).await, 0);
}

#[tokio::test]
async fn what_is_shown_can_be_booked_and_what_is_booked_is_not_shown() {
    let world = World::new().await;
    let mentor = world
        .mentor(json!({ "buffer_before": 10, "buffer_after": 20, "notice_minutes": 90, "horizon_days": 10 }))
        .await;
    let seeker = person(Role::Student);
    let query = SlotQuery {
        from: Some("2027-03-22".into()),
        to: Some("2027-04-20".into()),
        zone: Some("America/New_York".into()),
    };
    let shown = world.career.slots(&seeker, mentor.user_id, &query).await.unwrap();
    // It is Monday 13:00 in Stockholm: from 15:00 on; ten days ahead; weekdays.
    assert_eq!(shown.items[0].start, at("2027-03-22T14:00:00Z"));
    assert_eq!(shown.items[0].local_start, "2027-03-22T10:00:00-04:00");
    assert_eq!(shown.items.len(), 2 + 4 * 8 + 3 * 8 + 6, "{:?}", shown.items.last());
    // The clocks go forward on 28 March: still 09:00 in Stockholm.
    let monday = shown.items.iter().find(|slot| slot.start > at("2027-03-28T00:00:00Z")).unwrap();
    assert_eq!(monday.start, at("2027-03-29T07:00:00Z"));

    let start = at("2027-03-23T10:00:00Z");
    world.book(&seeker, &mentor, start).await.unwrap();
    let left = world.career.slots(&seeker, mentor.user_id, &query).await.unwrap();
    let gone: Vec<_> =
        shown.items.iter().filter(|slot| !left.items.contains(slot)).map(|slot| slot.start).collect();
    // Its own time, and the neighbours whose buffers it is in.
    assert_eq!(gone, [start - Duration::hours(1), start, start + Duration::hours(1)]);
    for slot in left.items.iter().step_by(9) {
        let made = world.book(&person(Role::Student), &mentor, slot.start).await;
        made.unwrap_or_else(|error| panic!("{slot:?}: {error}"));
    }
    for wrong in
        ["2027-03-23T10:30:00Z", "2027-03-27T10:00:00Z", "2027-03-22T13:00:00Z", "2027-06-01T08:00:00Z"]
    {
        let refused = world.book(&person(Role::Student), &mentor, at(wrong)).await.unwrap_err();
        assert_eq!(refused.kind().status(), 422, "{wrong}");
    }
}

#[tokio::test]
async fn a_group_session_takes_as_many_as_it_has_seats() {
    let world = World::with_pool(24).await;
    let mentor = world.mentor(json!({ "seats": 5 })).await;
    let start = at("2027-03-23T08:00:00Z");
    let people: Vec<_> = (0..40).map(|_| person(Role::Student)).collect();
    let tries = join_all(people.iter().map(|who| world.book(who, &mentor, start))).await;
    let made: Vec<_> = tries.into_iter().filter_map(Result::ok).collect();
    assert_eq!(made.len(), 5);
    assert_eq!(world.count(WRONG_SEATS).await, 0);
    let query = SlotQuery { from: Some("2027-03-23".into()), to: Some("2027-03-24".into()), zone: None };
    let seats = async || {
        let shown = world.career.slots(&people[0], mentor.user_id, &query).await.unwrap();
        shown.items.iter().find(|slot| slot.start == start).map(|slot| slot.seats_left)
    };
    assert_eq!(seats().await, None);
    let leaver = people.iter().find(|who| who.user_id == made[0].seeker_id).unwrap();
    assert_eq!(world.step(leaver, made[0].id, "cancel").await.unwrap().state, BookingState::Cancelled);
    assert_eq!(seats().await, Some(1));
    world.book(&person(Role::Student), &mentor, start).await.unwrap();
    assert_eq!((seats().await, world.count(WRONG_SEATS).await), (None, 0));
}
