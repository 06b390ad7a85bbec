use chrono::Duration;

use super::world::{form, world};
use crate::{
    contexts::identity::{IdentityError, LinkForm},
    error::Fault,
    principal::Role,
};

#[tokio::test]
async fn a_registered_person_verifies_by_the_mailed_link_once() {
    let w = world().await;
    let user = w.register(" Lina@Example.org ").await;
    assert_eq!((user.email.as_str(), user.email_verified), ("lina@example.org", false));
    assert_eq!(user.roles, [Role::Student]);
    let token = w.mail.token("lina@example.org", "verify-email").unwrap();
    let link = LinkForm { token };
    assert!(w.identity.verify_email(&link).await.unwrap().email_verified());
    assert!(matches!(w.identity.verify_email(&link).await, Err(IdentityError::LinkDead)));
    let (_, who) = w.sign_in("lina@example.org").await;
    assert!(who.email_verified);
}

#[tokio::test]
async fn a_link_dies_of_age_and_another_can_be_had() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    assert!(!who.email_verified, "signing in needs no verified address");
    let old = w.mail.token("lina@example.org", "verify-email").unwrap();
    w.clock.advance(Duration::days(2));
    let dead = w.identity.verify_email(&LinkForm { token: old.clone() }).await;
    assert!(matches!(dead, Err(IdentityError::LinkDead)));
    w.identity.resend_verification(&who).await.unwrap();
    let fresh = w.mail.token("lina@example.org", "verify-email").unwrap();
    assert_ne!(old, fresh);
    w.identity.verify_email(&LinkForm { token: fresh }).await.unwrap();
    let mails = w.mail.letters().len();
    w.identity.resend_verification(&who).await.unwrap();
    assert_eq!(w.mail.letters().len(), mails, "a verified person needs no link");
}

#[tokio::test]
async fn nobody_is_flooded_with_mail() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    for _ in 1..5 {
        w.identity.resend_verification(&who).await.unwrap();
    }
    let refused = w.identity.resend_verification(&who).await;
    assert!(matches!(refused, Err(IdentityError::TooManyMails { .. })));
    w.clock.advance(Duration::hours(1));
    w.identity.resend_verification(&who).await.unwrap();
}

#[tokio::test]
async fn an_address_registers_once_whatever_its_case() {
    let w = world().await;
    w.register("lina@example.org").await;
    let taken = w.identity.register(&form("LINA@example.ORG")).await.unwrap_err();
    assert_eq!(taken.kind().status(), 409);
    assert_eq!(taken.fields()[0].pointer, "/email");
}

#[tokio::test]
async fn what_is_no_token_is_a_wrong_field() {
    let w = world().await;
    for token in ["", "gl_", "gs_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "' or 1=1 --", "\u{0}"] {
        let wrong = w.identity.verify_email(&LinkForm { token: token.into() }).await.unwrap_err();
        assert_eq!(wrong.fields()[0].pointer, "/token", "{token:?}");
    }
}
