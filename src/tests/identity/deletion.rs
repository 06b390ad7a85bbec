use chrono::Duration;

use super::world::{HOME, PASSWORD, World, home, world};
use crate::{
    contexts::identity::{DeletionForm, DeletionView, IdentityError},
    principal::Principal,
};

async fn ask(w: &World, who: &Principal, password: &str) -> Result<DeletionView, IdentityError> {
    w.identity
        .request_deletion(who, &DeletionForm { password: password.into(), at_once: false }, home())
        .await
}

#[tokio::test]
async fn a_request_needs_the_password_and_ends_the_other_sessions() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let (_, other) = w.sign_in("lina@example.org").await;
    assert!(matches!(ask(&w, &who, "wrong horse").await, Err(IdentityError::WrongPassword { .. })));
    let first = ask(&w, &who, PASSWORD).await.unwrap();
    assert_eq!(first.due_at, w.clock.clock().now() + Duration::days(14));
    assert_eq!(w.ended.ids(), [other.session_id]);
    w.clock.advance(Duration::days(1));
    assert_eq!(ask(&w, &who, PASSWORD).await.unwrap(), first, "asking again does not put it off");
}

#[tokio::test]
async fn it_can_be_taken_back_also_after_signing_in_anew() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    ask(&w, &who, PASSWORD).await.unwrap();
    w.identity.end_session(&who, who.session_id).await.unwrap();
    let (_, who) = w.sign_in("lina@example.org").await;
    assert!(w.identity.me(who.user_id).await.unwrap().deletion_due_at.is_some());
    w.identity.cancel_deletion(&who).await.unwrap();
    assert!(matches!(w.identity.cancel_deletion(&who).await, Err(IdentityError::NotFound(_))));
    w.clock.advance(Duration::days(15));
    w.identity.tidy().await.unwrap();
    w.try_sign_in("lina@example.org", PASSWORD, HOME).await.unwrap();
}

#[tokio::test]
async fn when_its_time_has_come_the_person_is_gone() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    w.register("bob@example.org").await;
    ask(&w, &who, PASSWORD).await.unwrap();
    w.clock.advance(Duration::days(14));
    w.identity.tidy().await.unwrap();
    assert_eq!(w.ended.ids(), [who.session_id]);
    let gone = w.try_sign_in("lina@example.org", PASSWORD, HOME).await;
    assert!(matches!(gone, Err(IdentityError::WrongCredentials)));
    assert!(w.identity.directory().person(who.user_id).await.is_err());
    w.sign_in("bob@example.org").await;
    w.register("lina@example.org").await;
}
