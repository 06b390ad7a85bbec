use std::time::{Duration as StdDuration, Instant};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, phc::PasswordHash},
};
use chrono::Duration;
use diesel_async::RunQueryDsl;
use futures_util::future::join_all;

use super::world::{AWAY, HOME, PASSWORD, World, world};
use crate::{
    contexts::identity::{IdentityError, SignInForm},
    error::Fault,
};

async fn refused_for(w: &World, email: &str, password: &str, from: &str) -> u64 {
    match w.try_sign_in(email, password, from).await {
        Ok(_) => panic!("let in"),
        Err(IdentityError::TooManyAttempts { retry_after }) => retry_after.as_secs().max(1),
        Err(IdentityError::WrongCredentials) => 0,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_right_password_opens_a_session() {
    let w = world().await;
    let user = w.register("lina@example.org").await;
    let opened = w.try_sign_in("LINA@example.org", PASSWORD, HOME).await.unwrap();
    assert!(opened.token.reveal().starts_with("gs_"));
    let who = w.identity.by_session_token(opened.token.reveal()).await.unwrap();
    assert_eq!((who.user_id, who.session_id), (user.id, opened.session.id));
    assert_eq!(who.display_name, "Lina Okafor");
}

#[tokio::test]
async fn the_answer_is_the_same_whether_the_account_exists() {
    let w = world().await;
    w.identity.warm_up().await.unwrap();
    w.register("lina@example.org").await;
    let mut said = Vec::new();
    for email in ["lina@example.org", "nobody@example.org", "no address"] {
        // Past the free failures too: a lock tells as little as a refusal.
        let mut answers = Vec::new();
        for _ in 0..7 {
            let error = w.try_sign_in(email, "wrong horse", HOME).await.unwrap_err();
            answers.push((error.to_string(), error.slug(), error.retry_after()));
        }
        said.push(answers);
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
    assert_eq!(said[0][6].1, "too-many-attempts");
}

#[tokio::test]
async fn the_time_is_the_same_whether_the_account_exists() {
    let w = world().await;
    w.identity.warm_up().await.unwrap();
    w.register("lina@example.org").await;
    let mut best = [StdDuration::MAX; 2];
    // In turn, so that what else the machine does falls on both.
    for attempt in 0..8 {
        let from = format!("192.0.2.{attempt}");
        for (best, email) in best.iter_mut().zip(["lina@example.org", "nobody@example.org"]) {
            let started = Instant::now();
            w.try_sign_in(email, "wrong horse", &from).await.unwrap_err();
            *best = (*best).min(started.elapsed());
        }
    }
    // Without the dummy hash the second would take a tenth of the first.
    assert!(best[1] * 2 > best[0] && best[0] * 2 > best[1], "{best:?}");
}

#[tokio::test]
async fn a_guesser_waits_ever_longer_and_the_owner_elsewhere_does_not() {
    let w = world().await;
    w.person("lina@example.org").await;
    let mut waits = Vec::new();
    for _ in 0..10 {
        let mut wait = refused_for(&w, "lina@example.org", "wrong horse", AWAY).await;
        waits.push(wait);
        while wait > 0 {
            w.clock.advance(Duration::seconds(i64::try_from(wait).unwrap()));
            wait = refused_for(&w, "lina@example.org", "wrong horse", AWAY).await;
        }
    }
    assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16]);
    assert_eq!(refused_for(&w, "lina@example.org", PASSWORD, AWAY).await, 32, "even with the right one");
    // The owner, where they were before, notices nothing.
    w.try_sign_in("lina@example.org", PASSWORD, HOME).await.unwrap();
}

#[tokio::test]
async fn many_addresses_together_are_slowed_but_never_the_owner_at_home() {
    let w = world().await;
    w.person("lina@example.org").await;
    for n in 0..20 {
        let from = format!("203.0.113.{n}");
        assert_eq!(refused_for(&w, "lina@example.org", "wrong horse", &from).await, 0);
    }
    assert_eq!(refused_for(&w, "lina@example.org", "wrong horse", "203.0.113.200").await, 1);
    w.try_sign_in("lina@example.org", PASSWORD, HOME).await.unwrap();
    // From a new place the owner waits a minute at most, however long the siege.
    for n in 0..50 {
        w.clock.advance(Duration::minutes(1));
        let from = format!("198.18.0.{n}");
        assert_eq!(refused_for(&w, "lina@example.org", "wrong horse", &from).await, 0);
    }
    let wait = refused_for(&w, "lina@example.org", PASSWORD, AWAY).await;
    assert!((1..=60).contains(&wait), "{wait}");
}

#[tokio::test]
async fn guesses_sent_all_at_once_gain_nothing() {
    let w = world().await;
    w.register("lina@example.org").await;
    let guess = |n: usize| {
        let w = &w;
        async move {
            let password = if n == 29 { PASSWORD.to_owned() } else { format!("guess number {n}") };
            w.try_sign_in("lina@example.org", &password, AWAY).await
        }
    };
    let answers = join_all((0..30).map(guess)).await;
    assert!(answers.iter().all(Result::is_err), "the thirtieth guess was let in");
}

#[tokio::test]
async fn success_forgets_the_failures_of_that_place() {
    let w = world().await;
    w.register("lina@example.org").await;
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(refused_for(&w, "lina@example.org", "wrong horse", HOME).await, 0);
        }
        w.try_sign_in("lina@example.org", PASSWORD, HOME).await.unwrap();
    }
}

#[tokio::test]
async fn one_person_may_sign_in_many_times_at_once() {
    let w = world().await;
    w.register("lina@example.org").await;
    let opened = join_all((0..20).map(|_| w.try_sign_in("lina@example.org", PASSWORD, HOME))).await;
    assert!(opened.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_weak_hash_is_made_strong_by_signing_in() {
    let w = world().await;
    w.register("lina@example.org").await;
    let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap());
    let hash: PasswordHash = weak.hash_password(PASSWORD.as_bytes()).unwrap();
    let mut conn = w.database.conn().await.unwrap();
    diesel::sql_query(format!("update identity.users set password_hash = '{hash}'"))
        .execute(&mut conn)
        .await
        .unwrap();
    w.try_sign_in("lina@example.org", PASSWORD, HOME).await.unwrap();
    let strong = diesel::sql_query(
        "update identity.users set version = version where password_hash like '$argon2id$v=19$m=19456,t=2,p=1$%'",
    );
    assert_eq!(strong.execute(&mut conn).await.unwrap(), 1);
    w.try_sign_in("lina@example.org", PASSWORD, HOME).await.unwrap();
}

#[tokio::test]
async fn all_wrong_fields_are_named() {
    let w = world().await;
    let form = SignInForm { email: " ".into(), password: String::new(), device: Some("a\nb".into()) };
    let wrong = w.identity.sign_in(&form, HOME.parse().unwrap()).await.unwrap_err();
    let at: Vec<_> = wrong.fields().into_iter().map(|field| field.pointer).collect();
    assert_eq!(at, ["/email", "/password", "/device"]);
}
