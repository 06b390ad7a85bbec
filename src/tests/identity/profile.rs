use super::world::world;
use crate::{
    contexts::identity::{DEMO_ACCOUNTS, DEMO_PASSWORD, IdentityError, Patch, ProfilePatch},
    error::Fault,
    principal::{Role, UserId},
};

#[tokio::test]
async fn a_profile_changes_at_its_version_only() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let me = w.identity.me(who.user_id).await.unwrap();
    let patch = ProfilePatch {
        display_name: Patch::Set(" Lina O. ".into()),
        bio: Patch::Set("Hello".into()),
        ..ProfilePatch::default()
    };
    let changed = w.identity.change_profile(who.user_id, me.version, &patch).await.unwrap();
    assert_eq!((changed.display_name.as_str(), changed.version), ("Lina O.", me.version + 1));
    let stale = w.identity.change_profile(who.user_id, me.version, &patch).await.unwrap_err();
    assert_eq!(stale.kind().status(), 412);
    let cleared = ProfilePatch { bio: Patch::Clear, ..ProfilePatch::default() };
    let cleared = w.identity.change_profile(who.user_id, changed.version, &cleared).await.unwrap();
    assert_eq!((cleared.bio, cleared.display_name.as_str()), (None, "Lina O."));
}

#[tokio::test]
async fn a_granted_role_shows_at_the_next_request() {
    let w = world().await;
    let (opened, who) = w.person("lina@example.org").await;
    assert!(!who.is(Role::Operator));
    w.identity.grant_role("LINA@example.org", Role::Operator).await.unwrap();
    let who = w.identity.by_session_token(opened.token.reveal()).await.unwrap();
    assert_eq!(who.roles, [Role::Student, Role::Operator]);
    w.identity.revoke_role("lina@example.org", Role::Operator).await.unwrap();
    let who = w.identity.by_session_token(opened.token.reveal()).await.unwrap();
    assert_eq!(who.roles, [Role::Student]);
    let nobody = w.identity.grant_role("nobody@example.org", Role::Operator).await;
    assert!(matches!(nobody, Err(IdentityError::NotFound(_))));
}

#[tokio::test]
async fn the_directory_tells_names_and_nothing_more() {
    let w = world().await;
    let user = w.register("lina@example.org").await;
    let directory = w.identity.directory();
    let people = directory.people(&[user.id, UserId::new()]).await.unwrap();
    assert_eq!(people.len(), 1);
    assert!(!serde_json::to_string(&people).unwrap().contains("example.org"));
    assert_eq!(directory.by_email("Lina@Example.org").await.unwrap().unwrap().id, user.id);
    assert_eq!(directory.by_email("not an address").await.unwrap(), None);
    assert!(matches!(directory.person(UserId::new()).await, Err(IdentityError::NotFound(_))));
}

#[tokio::test]
async fn the_demo_people_are_there_once_and_can_sign_in() {
    let w = world().await;
    let people = w.identity.seed_demo().await.unwrap();
    let again = w.identity.seed_demo().await.unwrap();
    assert_eq!((people.others.len(), &people.others), (21, &again.others));
    assert_eq!(people.student, again.student);
    for account in DEMO_ACCOUNTS {
        let opened = w.try_sign_in(account.email, DEMO_PASSWORD, super::world::HOME).await.unwrap();
        assert!(opened.account.email_verified() && opened.account.roles.contains(&account.role));
        assert!(account.email.starts_with(account.role.as_str()));
    }
    let others = w.identity.directory().people(&people.others).await.unwrap();
    assert_eq!(others.len(), 21);
    let shut = w.try_sign_in("ben.okoye@demo.gigsy.test", DEMO_PASSWORD, super::world::HOME).await;
    assert!(matches!(shut, Err(IdentityError::WrongCredentials)));
}
