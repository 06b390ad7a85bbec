//! However much is searched and whatever for: the work is bounded, and others keep their connections.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_util::future::join_all;

use super::world::{World, person, thing};
use crate::{
    contexts::discovery::{DiscoveryError, Goal, Kind, SearchForm},
    error::{ErrorKind, Fault},
    principal::{Principal, UserId},
};

fn asked(q: &str) -> SearchForm {
    SearchForm { q: q.into(), ..SearchForm::default() }
}

async fn filled() -> World {
    let world = World::new().await;
    for n in 0..12 {
        let title = format!("Translate help centre number {n}");
        world.publish(thing(Kind::Gig, UserId::new(), &title, "Articles about web services", &["sql"])).await;
    }
    world.settle().await;
    world
}

/// Sixteen unknown words, each nearly a known one.
fn mistaken() -> String {
    (0..16).map(|n| format!("tranzlat{n} ")).collect()
}

#[actix_web::test]
async fn searches_hold_half_of_the_connections_at_most() {
    let world = filled().await;
    // The test worlds' pools are of six.
    let most = world.database.most_connections();
    assert_eq!(most, 6);
    let stop = Rc::new(Cell::new(false));
    let watch = {
        let (database, stop) = (world.database.clone(), stop.clone());
        actix_web::rt::spawn(async move {
            let (mut peak, mut looks) = (0, 0_u32);
            while !stop.get() {
                let (all, idle) = database.connections();
                peak = peak.max(all - idle);
                looks += 1;
                tokio::task::yield_now().await;
            }
            (peak, looks)
        })
    };
    let q = mistaken();
    let people: Vec<Principal> = (0..12).map(|_| person()).collect();
    let (world, q) = (&world, &q);
    let searches = people.iter().flat_map(|me| (0..4).map(move |n| (me, n))).map(|(me, n)| async move {
        let goal = Goal { text: q.clone(), skills: Vec::new() };
        let done = match n {
            0 => world.discovery.suggest(me, q, None, 5).await.map(drop),
            1 => world.discovery.mentors_for(me, &goal, 5).await.map(drop),
            _ => world.discovery.search(me, &asked(q), 10, None).await.map(drop),
        };
        match done {
            Ok(()) => true,
            // On a slow machine the line is too long for some.
            Err(DiscoveryError::Crowded) => false,
            Err(error) => panic!("{error}"),
        }
    });
    // Somebody else's work, all the time.
    let others = async {
        for _ in 0..50 {
            let conn = world.database.conn().await.expect("a connection for somebody else");
            tokio::task::yield_now().await;
            drop(conn);
        }
    };
    let (answered, ()) = futures_util::future::join(join_all(searches), others).await;
    assert!(answered.contains(&true), "whoever waits for their turn has it");
    stop.set(true);
    let (peak, looks) = watch.await.unwrap();
    assert!(looks > 20, "it was looked often enough: {looks}");
    // One seat, one question; and the other one's.
    assert!(peak <= 3, "{peak} of {most} connections at once");
}

#[actix_web::test]
async fn nobody_has_more_than_a_few_searches_under_way() {
    let world = filled().await;
    let (mallory, ada) = (person(), person());
    let flood = (0..40).map(|n| {
        let (world, mallory) = (&world, &mallory);
        async move { world.discovery.search(mallory, &asked(&format!("translate {n}")), 5, None).await }
    });
    let (answers, ordinary) = futures_util::future::join(
        join_all(flood),
        world.discovery.search(&ada, &asked("translate"), 5, None),
    )
    .await;
    assert!(!ordinary.expect("who asks one thing is answered").items.is_empty());
    let fine = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused: Vec<&DiscoveryError> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!((fine, refused.len()), (8, 32));
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
        assert!(error.retry_after().is_some());
    }
    // What ended, and what was given up in the middle, counts no more.
    for n in 0..20 {
        let form = asked("translate");
        let search = world.discovery.search(&mallory, &form, 5, None);
        let _ = tokio::time::timeout(Duration::from_micros(n * 250), search).await;
    }
    assert!(world.discovery.search(&mallory, &asked("translate"), 5, None).await.is_ok());
}
