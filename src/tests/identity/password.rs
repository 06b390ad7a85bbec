use std::time::{Duration as StdDuration, Instant};

use chrono::Duration;

use super::world::{AWAY, HOME, PASSWORD, World, home, world};
use crate::{
    contexts::identity::{ChangePasswordForm, IdentityError, ResetForm, ResetRequestForm},
    error::Fault,
    principal::Principal,
};

const NEXT: &str = "battery staple";

async fn change(w: &World, who: &Principal, current: &str, new: &str) -> Result<(), IdentityError> {
    let form = ChangePasswordForm { current_password: current.into(), new_password: new.into() };
    w.identity.change_password(who, &form, home()).await
}

async fn ask(w: &World, email: &str) {
    w.identity.request_password_reset(&ResetRequestForm { email: email.into() }).await.unwrap();
}

async fn reset(w: &World, token: &str, password: &str) -> Result<(), IdentityError> {
    let form = ResetForm { token: token.into(), password: password.into() };
    w.identity.reset_password(&form, home()).await.map(drop)
}

#[tokio::test]
async fn a_change_needs_the_present_password_and_ends_the_other_sessions() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let (_, other) = w.sign_in("lina@example.org").await;
    let refused = change(&w, &who, "wrong horse", NEXT).await.unwrap_err();
    assert_eq!(
        (refused.slug(), refused.fields()[0].pointer.as_str()),
        ("wrong-password", "/current_password")
    );
    assert_eq!(w.ended.ids(), []);
    change(&w, &who, PASSWORD, NEXT).await.unwrap();
    assert_eq!(w.ended.ids(), [other.session_id]);
    w.identity.by_session_id(who.session_id).await.unwrap();
    let old = w.try_sign_in("lina@example.org", PASSWORD, HOME).await;
    assert!(matches!(old, Err(IdentityError::WrongCredentials)));
    w.try_sign_in("lina@example.org", NEXT, HOME).await.unwrap();
}

#[tokio::test]
async fn a_stolen_session_is_no_way_to_guess_faster() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    for _ in 0..5 {
        change(&w, &who, "wrong horse", NEXT).await.unwrap_err();
    }
    let locked = change(&w, &who, PASSWORD, NEXT).await;
    assert!(matches!(locked, Err(IdentityError::TooManyAttempts { .. })));
}

#[tokio::test]
async fn every_wrong_field_of_a_change_is_named() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let wrong = change(&w, &who, "", "password").await.unwrap_err().fields();
    let at: Vec<_> = wrong.into_iter().map(|field| field.pointer).collect();
    assert_eq!(at, ["/current_password", "/new_password"]);
}

#[tokio::test]
async fn a_reset_works_once_ends_every_session_and_verifies_the_address() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    ask(&w, "Lina@example.org").await;
    let token = w.mail.awaited_token("lina@example.org", "reset-password").await;
    let weak = reset(&w, &token, "password").await.unwrap_err();
    assert_eq!(weak.fields()[0].pointer, "/password", "a refused password does not use the link up");
    reset(&w, &token, NEXT).await.unwrap();
    assert_eq!(w.ended.ids(), [who.session_id]);
    assert!(matches!(reset(&w, &token, "another one").await, Err(IdentityError::LinkDead)));
    let opened = w.try_sign_in("lina@example.org", NEXT, HOME).await.unwrap();
    assert!(opened.account.email_verified());
}

#[tokio::test]
async fn a_reset_link_lasts_an_hour_and_a_change_of_password_voids_it() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    ask(&w, "lina@example.org").await;
    let first = w.mail.awaited_token("lina@example.org", "reset-password").await;
    change(&w, &who, PASSWORD, NEXT).await.unwrap();
    assert!(matches!(reset(&w, &first, "another one").await, Err(IdentityError::LinkDead)));
    ask(&w, "lina@example.org").await;
    let second = loop {
        let token = w.mail.awaited_token("lina@example.org", "reset-password").await;
        if token != first {
            break token;
        }
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    };
    w.clock.advance(Duration::hours(1));
    assert!(matches!(reset(&w, &second, "another one").await, Err(IdentityError::LinkDead)));
}

#[tokio::test]
async fn asking_for_a_reset_answers_alike_for_a_stranger() {
    let w = world().await;
    w.register("lina@example.org").await;
    let mails = w.mail.letters().len();
    let mut took = Vec::new();
    for email in ["nobody@example.org", "lina@example.org"] {
        let started = Instant::now();
        ask(&w, email).await;
        took.push(started.elapsed());
    }
    let apart = took[0].abs_diff(took[1]);
    assert!(apart < StdDuration::from_millis(200), "{took:?}");
    w.mail.awaited_token("lina@example.org", "reset-password").await;
    assert_eq!(w.mail.letters().len(), mails + 1, "nothing goes to an address without an account");
}

#[tokio::test]
async fn the_owner_gets_in_through_a_siege_by_resetting() {
    let w = world().await;
    w.register("lina@example.org").await;
    for n in 0..40 {
        let from = format!("203.0.113.{n}");
        w.try_sign_in("lina@example.org", "wrong horse", &from).await.unwrap_err();
    }
    let locked = w.try_sign_in("lina@example.org", PASSWORD, HOME).await;
    assert!(matches!(locked, Err(IdentityError::TooManyAttempts { .. })), "a place never seen before");
    ask(&w, "lina@example.org").await;
    let token = w.mail.awaited_token("lina@example.org", "reset-password").await;
    reset(&w, &token, NEXT).await.unwrap();
    for n in 0..40 {
        let from = format!("203.0.113.{n}");
        w.try_sign_in("lina@example.org", "wrong horse", &from).await.unwrap_err();
    }
    w.try_sign_in("lina@example.org", NEXT, HOME).await.unwrap();
    assert!(w.try_sign_in("lina@example.org", NEXT, AWAY).await.is_err());
}
