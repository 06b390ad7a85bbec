//! What every store of identity must do; run over each one in `src/tests/identity/contract.rs`.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use futures_util::future::join_all;

use super::{Changed, InsertAccount, InsertLink, Store, StoreError};
use crate::{
    clock::Clock,
    contexts::identity::{
        lockout,
        model::{Account, Email, OneTimePurpose, ProfileChange, Session},
        tokens::{Token, TokenHash, TokenKind},
    },
    principal::{Role, SessionId, UserId},
};

/// The whole contract, over a store that nobody else uses meanwhile.
pub async fn run(store: Arc<dyn Store>) {
    let case = Case { store, now: Clock::system().now() };
    case.an_address_has_one_account().await;
    case.what_is_stored_comes_back().await;
    case.a_profile_changes_only_at_its_version().await;
    case.roles_are_a_set().await;
    case.a_link_works_once_and_not_past_its_end().await;
    case.links_are_limited().await;
    case.a_session_ends_by_time_or_by_order().await;
    case.a_password_changes_only_from_the_present_one().await;
    case.a_reset_ends_everything().await;
    case.failures_count_and_are_forgotten().await;
    case.an_erased_account_leaves_nothing().await;
    case.what_has_ended_is_swept().await;
}

struct Case {
    store: Arc<dyn Store>,
    now: DateTime<Utc>,
}

impl Case {
    fn account(&self) -> Account {
        let id = UserId::new();
        Account {
            id,
            email: Email::parse(&format!("{id}@example.org")).unwrap(),
            email_verified_at: None,
            display_name: "Lina Okafor".into(),
            headline: Some("Builds things".into()),
            bio: None,
            time_zone: Some("Africa/Lagos".into()),
            roles: vec![Role::Student],
            version: 1,
            created_at: self.now,
            deletion_due_at: None,
        }
    }

    async fn person(&self) -> Account {
        let account = self.account();
        let insert = InsertAccount { account, password_hash: Some("old".into()) };
        self.store.insert_account(&insert).await.unwrap();
        insert.account
    }

    async fn session(&self, user_id: UserId, life: Duration) -> (SessionId, TokenHash) {
        let token = Token::fresh(TokenKind::Session).unwrap().hash();
        let session = Session {
            id: SessionId::new(),
            user_id,
            device: Some("Firefox".into()),
            address: Some("192.0.2.1".into()),
            created_at: self.now,
            last_seen_at: self.now,
            expires_at: self.now + life,
        };
        assert!(self.store.insert_session(&session, &token, "old").await.unwrap());
        (session.id, token)
    }

    async fn link(&self, user_id: UserId, purpose: OneTimePurpose) -> TokenHash {
        let link = self.new_link(user_id, purpose);
        assert!(self.store.insert_link(&link, 100, self.now - Duration::hours(1)).await.unwrap());
        link.token
    }

    fn new_link(&self, user_id: UserId, purpose: OneTimePurpose) -> InsertLink {
        let token = Token::fresh(TokenKind::Link).unwrap().hash();
        InsertLink { token, user_id, purpose, now: self.now, expires_at: self.now + Duration::hours(1) }
    }

    async fn an_address_has_one_account(&self) {
        let email = Email::parse("same@example.org").unwrap();
        let tries = (0..8).map(|_| async {
            let account = Account { email: email.clone(), ..self.account() };
            self.store.insert_account(&InsertAccount { account, password_hash: None }).await
        });
        let made = join_all(tries).await;
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
        assert!(made.iter().all(|made| matches!(made, Ok(()) | Err(StoreError::EmailTaken))));
    }

    async fn what_is_stored_comes_back(&self) {
        let account = self.person().await;
        assert_eq!(self.store.account(account.id).await.unwrap().as_ref(), Some(&account));
        let found = self.store.credentials(&account.email).await.unwrap().unwrap();
        assert_eq!((&found.account, found.password_hash.as_deref()), (&account, Some("old")));
        let stranger = UserId::new();
        let people = self.store.people(&[account.id, stranger, account.id]).await.unwrap();
        assert_eq!(people, [account.person()]);
        assert_eq!(self.store.account(stranger).await.unwrap(), None);
        assert!(self.store.credentials_of(stranger).await.unwrap().is_none());
    }

    async fn a_profile_changes_only_at_its_version(&self) {
        let account = self.person().await;
        let change = ProfileChange {
            display_name: Some("L. Okafor".into()),
            headline: Some(None),
            bio: Some(Some("Two\nlines".into())),
            time_zone: None,
        };
        let tries = (0..4).map(|_| self.store.change_profile(account.id, 1, &change));
        let results: Vec<_> = join_all(tries).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(results.iter().filter(|r| matches!(r, Changed::Done(_))).count(), 1);
        assert_eq!(results.iter().filter(|r| matches!(r, Changed::Stale)).count(), 3);
        let now = self.store.account(account.id).await.unwrap().unwrap();
        assert_eq!((now.version, now.display_name.as_str(), now.headline), (2, "L. Okafor", None));
        assert_eq!((now.bio.as_deref(), now.time_zone), (Some("Two\nlines"), account.time_zone));
        let missing = self.store.change_profile(UserId::new(), 1, &change).await.unwrap();
        assert_eq!(missing, Changed::Missing);
        let nothing = self.store.change_profile(account.id, 2, &ProfileChange::default()).await.unwrap();
        assert!(matches!(nothing, Changed::Done(same) if same.version == 2));
    }

    async fn roles_are_a_set(&self) {
        let id = self.person().await.id;
        join_all(Role::ALL.map(|role| async move { self.store.grant_role(id, role).await.unwrap() })).await;
        self.store.grant_role(id, Role::Mentor).await.unwrap();
        assert_eq!(self.store.account(id).await.unwrap().unwrap().roles, Role::ALL);
        let left = self.store.revoke_role(id, Role::Operator).await.unwrap().unwrap();
        assert_eq!(left.roles, Role::ALL[..5]);
        assert_eq!(self.store.grant_role(UserId::new(), Role::Mentor).await.unwrap(), None);
    }

    async fn a_link_works_once_and_not_past_its_end(&self) {
        let account = self.person().await;
        let (store, now) = (&self.store, self.now);
        let token = self.link(account.id, OneTimePurpose::VerifyEmail).await;
        let other = self.link(account.id, OneTimePurpose::VerifyEmail).await;
        let late = now + Duration::hours(1);
        assert_eq!(store.verify_email(&token, late).await.unwrap(), None, "it has ended");
        assert_eq!(store.reset_password(&token, "x", now).await.unwrap(), None, "it is for something else");
        assert_eq!(store.link_owner(&token, OneTimePurpose::ResetPassword, now).await.unwrap(), None);
        let owner = store.link_owner(&token, OneTimePurpose::VerifyEmail, now).await.unwrap();
        assert_eq!(owner, Some(account.id));
        let uses = join_all((0..4).map(|_| store.verify_email(&token, now))).await;
        let done: Vec<_> = uses.into_iter().filter_map(Result::unwrap).collect();
        let [verified] = done.as_slice() else { panic!("used {} times", done.len()) };
        assert_eq!((verified.email_verified_at, verified.version), (Some(now), 2));
        assert_eq!(store.verify_email(&other, now).await.unwrap(), None, "one is enough");
    }

    async fn links_are_limited(&self) {
        let id = self.person().await.id;
        let since = self.now - Duration::hours(1);
        let links: Vec<_> = (0..6).map(|_| self.new_link(id, OneTimePurpose::ResetPassword)).collect();
        let sent = join_all(links.iter().map(|link| self.store.insert_link(link, 3, since))).await;
        assert_eq!(sent.into_iter().filter(|sent| *sent.as_ref().unwrap()).count(), 3);
        let later = self.new_link(id, OneTimePurpose::ResetPassword);
        assert!(self.store.insert_link(&later, 3, self.now).await.unwrap(), "the window has moved on");
    }

    async fn a_session_ends_by_time_or_by_order(&self) {
        let (account, stranger) = (self.person().await, self.person().await);
        let (store, now) = (&self.store, self.now);
        let (id, token) = self.session(account.id, Duration::days(1)).await;
        let (session, owner) = store.session_by_token(&token, now).await.unwrap().unwrap();
        assert_eq!((session.id, owner.id), (id, account.id));
        assert_eq!(store.session(id, now).await.unwrap().unwrap(), (session, owner));
        let end = now + Duration::days(1);
        assert!(store.session_by_token(&token, end).await.unwrap().is_none());
        assert!(store.session(id, end).await.unwrap().is_none());
        store.touch_session(id, now + Duration::hours(2), end + Duration::hours(2)).await.unwrap();
        assert!(store.session_by_token(&token, end).await.unwrap().is_some());

        assert!(!store.end_session(stranger.id, id).await.unwrap(), "it is another's");
        let mut all = vec![id];
        for _ in 0..3 {
            all.push(self.session(account.id, Duration::days(1)).await.0);
        }
        let ids = |sessions: Vec<Session>| sessions.into_iter().map(|s| s.id).collect::<Vec<_>>();
        let first = ids(store.sessions(account.id, now, None, 3).await.unwrap());
        let rest = ids(store.sessions(account.id, now, first.last().copied(), 3).await.unwrap());
        assert_eq!([first, rest].concat(), all.iter().rev().copied().collect::<Vec<_>>());
        assert!(store.end_session(account.id, all[1]).await.unwrap());
        assert!(!store.end_session(account.id, all[1]).await.unwrap());
        let mut left = store.sessions_left(&[all[0], all[1], SessionId::new()]).await.unwrap();
        assert_eq!(left, [id]);
        left = store.sessions_left(&all).await.unwrap();
        left.sort_unstable();
        assert_eq!(left, [all[0], all[2], all[3]]);
        assert_eq!(store.sessions_left(&[]).await.unwrap(), []);
        let mut ended = store.end_sessions(account.id, Some(id)).await.unwrap();
        ended.sort_unstable();
        assert_eq!(ended, all[2..]);
        assert_eq!(store.end_sessions(account.id, None).await.unwrap(), [id]);
        assert!(store.session(id, now).await.unwrap().is_none());
    }

    async fn a_password_changes_only_from_the_present_one(&self) {
        let account = self.person().await;
        let (store, now) = (&self.store, self.now);
        let (keep, _) = self.session(account.id, Duration::days(1)).await;
        let (other, _) = self.session(account.id, Duration::days(1)).await;
        let link = self.link(account.id, OneTimePurpose::ResetPassword).await;
        store.rehash(account.id, "stale", "x").await.unwrap();
        assert_eq!(store.change_password(account.id, "stale", "new", keep).await.unwrap(), None);
        assert_eq!(store.change_password(account.id, "old", "new", keep).await.unwrap(), Some(vec![other]));
        assert_eq!(store.reset_password(&link, "x", now).await.unwrap(), None, "the link is void");
        store.rehash(account.id, "new", "newer").await.unwrap();
        let found = store.credentials_of(account.id).await.unwrap().unwrap();
        assert_eq!(found.password_hash.as_deref(), Some("newer"));
        assert!(store.session(keep, now).await.unwrap().is_some());
    }

    async fn a_reset_ends_everything(&self) {
        let account = self.person().await;
        let (store, now) = (&self.store, self.now);
        let key = lockout::key(&account.email);
        store.count_failure(&key, "192.0.2.1", now, lockout::WINDOW).await.unwrap();
        let (session, _) = self.session(account.id, Duration::days(1)).await;
        let token = self.link(account.id, OneTimePurpose::ResetPassword).await;
        let done = store.reset_password(&token, "reset", now).await.unwrap();
        let (changed, ended) = done.unwrap();
        assert_eq!((ended, changed.email_verified_at), (vec![session], Some(now)));
        let found = store.credentials_of(account.id).await.unwrap().unwrap();
        assert_eq!(found.password_hash.as_deref(), Some("reset"));
        assert_eq!(store.failures(&key, "192.0.2.1").await.unwrap(), lockout::Failures::default());
        assert_eq!(store.reset_password(&token, "again", now).await.unwrap(), None);
        // Somebody proved the old one just before.
        let token = Token::fresh(TokenKind::Session).unwrap().hash();
        let late = Session {
            id: SessionId::new(),
            user_id: account.id,
            device: None,
            address: None,
            created_at: now,
            last_seen_at: now,
            expires_at: now + Duration::days(1),
        };
        assert!(!store.insert_session(&late, &token, "old").await.unwrap());
        assert!(store.session(late.id, now).await.unwrap().is_none());
        assert!(store.insert_session(&late, &token, "reset").await.unwrap());
    }

    async fn failures_count_and_are_forgotten(&self) {
        let (store, now) = (&self.store, self.now);
        let key = [7; 32];
        let count = async |network: &'static str, at| {
            store.count_failure(&key, network, at, lockout::WINDOW).await.unwrap();
        };
        let seen = async |network: &'static str| {
            let found = store.failures(&key, network).await.unwrap();
            let number = |count: Option<lockout::Count>| count.map_or(0, |count| count.failures);
            (number(found.here), number(found.anywhere), found.known_network)
        };
        assert_eq!(seen("a").await, (0, 0, false));
        join_all((0..4).map(|_| count("a", now))).await;
        count("b", now).await;
        assert_eq!(seen("a").await, (4, 5, false));
        store.note_success(&key, "a", now).await.unwrap();
        store.note_success(&key, "a", now).await.unwrap();
        assert_eq!((seen("a").await, seen("b").await), ((0, 5, true), (1, 5, false)));
        count("b", now + lockout::WINDOW).await;
        assert_eq!(seen("b").await, (1, 1, false), "an old count starts anew");
        assert_eq!(store.failures(&[8; 32], "b").await.unwrap(), lockout::Failures::default());
    }

    async fn an_erased_account_leaves_nothing(&self) {
        let (account, other) = (self.person().await, self.person().await);
        let (store, now) = (&self.store, self.now);
        let (keep, token) = self.session(account.id, Duration::days(90)).await;
        let (gone, _) = self.session(account.id, Duration::days(90)).await;
        let due = now + Duration::days(14);
        let (changed, ended) = store.schedule_deletion(account.id, due, keep).await.unwrap().unwrap();
        assert_eq!((changed.deletion_due_at, ended), (Some(due), vec![gone]));
        let again = store.schedule_deletion(account.id, due + Duration::days(9), keep).await.unwrap();
        assert_eq!(again.unwrap().0.deletion_due_at, Some(due), "the first date stays");
        assert_eq!(store.cancel_deletion(account.id).await.unwrap().unwrap().deletion_due_at, None);
        assert_eq!(store.cancel_deletion(account.id).await.unwrap(), None);
        store.schedule_deletion(account.id, due, keep).await.unwrap();

        assert_eq!(store.erase_due(due - Duration::seconds(1)).await.unwrap(), []);
        assert_eq!(store.erase_due(due).await.unwrap(), [(account.id, vec![keep])]);
        assert_eq!(store.erase_due(due).await.unwrap(), [], "once");
        assert_eq!(store.account(account.id).await.unwrap(), None);
        assert!(store.credentials(&account.email).await.unwrap().is_none());
        assert_eq!(store.people(&[account.id]).await.unwrap(), []);
        let (session, nobody) = store.session_by_token(&token, due).await.unwrap().unwrap();
        assert_eq!((session.device, session.address), (None, None), "it may look on, as nobody");
        assert_eq!((nobody.roles, nobody.email.as_str()), (vec![], ""));
        assert!(store.session_by_token(&token, due + Duration::hours(2)).await.unwrap().is_none());
        let (_, ended) = store.sweep(due + Duration::hours(2), now).await.unwrap();
        assert!(ended.contains(&keep), "its connections are to be told");
        assert!(store.session_by_token(&token, due).await.unwrap().is_none());
        assert!(store.account(other.id).await.unwrap().is_some());
        let anew = Account { email: account.email.clone(), ..self.account() };
        store.insert_account(&InsertAccount { account: anew, password_hash: None }).await.unwrap();
    }

    async fn what_has_ended_is_swept(&self) {
        let account = self.person().await;
        let (store, now) = (&self.store, self.now);
        let (ends, _) = self.session(account.id, Duration::hours(1)).await;
        let (lives, _) = self.session(account.id, Duration::days(365)).await;
        self.link(account.id, OneTimePurpose::VerifyEmail).await;
        store.count_failure(&[9; 32], "a", now, lockout::WINDOW).await.unwrap();
        let later = now + Duration::days(200);
        let (rows, ended) = store.sweep(later, now).await.unwrap();
        assert!(rows >= 4 && ended.contains(&ends) && !ended.contains(&lives), "{rows} {ended:?}");
        assert_eq!(store.sweep(later, now).await.unwrap(), (0, Vec::new()));
        assert_eq!(store.sessions(account.id, now, None, 9).await.unwrap().len(), 1);
        assert!(store.session(lives, later).await.unwrap().is_some());
    }
}
