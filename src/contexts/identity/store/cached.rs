//! Sessions in front of the rows: who is behind a token is kept in the shared cache for a while.
//!
//! The truth stays PostgreSQL: a flushed or absent Redis signs nobody out. An entry hangs on the tag of
//! its person, whose value changes with every change of theirs, so an ended session is known to have
//! ended by every node once the call that ended it has returned (see `ports::cache` on late fills).
//! Only where that call could not reach Redis may *other* nodes admit it until the entry ends by
//! itself, [`FRESH`] later; this node does not, and pays what it owes before it reads Redis again.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Duration, Utc};
use moka::sync::Cache as Moka;
use serde::{Deserialize, Serialize};

use super::{Changed, Credentials, InsertAccount, InsertLink, Store, Stored};
use crate::{
    contexts::identity::{
        lockout::Failures,
        model::{Account, Email, OneTimePurpose, Person, ProfileChange, Session, TOUCH_EVERY},
        tokens::TokenHash,
    },
    ports::cache::{CacheStore, Life, Stamp},
    principal::{Role, SessionId, UserId},
};

/// How long an entry counts.
const FRESH: std::time::Duration = std::time::Duration::from_secs(30);
/// Tokens whose person this node remembers; that never changes.
const OWNERS: u64 = 100_000;

/// A store whose sessions are cached. Everything else goes straight through.
pub struct CachedSessions<S> {
    rows: S,
    cache: Arc<dyn CacheStore>,
    owners: Moka<[u8; 32], UserId>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    session: Session,
    account: Account,
}

fn tag(user: UserId) -> String {
    format!("user-{user}")
}

fn key(token: &TokenHash) -> String {
    let hex: String = token.0.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("session:{hex}")
}

struct Forgetting {
    cache: Arc<dyn CacheStore>,
    tags: Vec<String>,
}

impl Forgetting {
    async fn now(mut self) {
        if !self.tags.is_empty() {
            self.cache.forget(&self.tags).await;
            self.tags.clear();
        }
    }
}

impl Drop for Forgetting {
    /// The request was given up in the middle: the change may have happened.
    fn drop(&mut self) {
        let tags = std::mem::take(&mut self.tags);
        if let (false, Ok(runtime)) = (tags.is_empty(), tokio::runtime::Handle::try_current()) {
            let cache = self.cache.clone();
            runtime.spawn(async move { cache.forget(&tags).await });
        }
    }
}

impl<S: Store> CachedSessions<S> {
    /// Sessions of `rows`, kept in `cache`, which all nodes must share.
    pub fn new(rows: S, cache: Arc<dyn CacheStore>) -> Self {
        Self { rows, cache, owners: Moka::new(OWNERS) }
    }

    /// Taken before a change, kept after it: whether the change succeeded, failed, or nobody waited for
    /// its end, what was kept of these people is forgotten.
    fn forgetting(&self, users: impl IntoIterator<Item = UserId>) -> Forgetting {
        Forgetting { cache: self.cache.clone(), tags: users.into_iter().map(tag).collect() }
    }

    /// What is kept of a token whose person is known, and the stamp to keep something by.
    async fn kept(
        &self,
        token: &TokenHash,
        owner: UserId,
        now: DateTime<Utc>,
    ) -> (Option<(Session, Account)>, Option<Stamp>) {
        let Ok(looked) = self.cache.look(&key(token), &[tag(owner)]).await else { return (None, None) };
        let kept = looked.found.and_then(|found| serde_json::from_slice::<Kept>(&found.body).ok());
        // One that is due to be touched is read from its row, or every request would touch it.
        let kept = kept
            .filter(|kept| kept.session.expires_at > now && now - kept.session.last_seen_at < TOUCH_EVERY);
        (kept.map(|kept| (kept.session, kept.account)), Some(looked.stamp))
    }
}

#[async_trait]
impl<S: Store> Store for CachedSessions<S> {
    async fn session_by_token(
        &self,
        token: &TokenHash,
        now: DateTime<Utc>,
    ) -> Stored<Option<(Session, Account)>> {
        let Some(owner) = self.owners.get(&token.0) else {
            // Whose it is must be known before the row is read, or a fill could not be told from a late
            // one. So the first use of a token on a node is read and not kept.
            let found = self.rows.session_by_token(token, now).await?;
            if let Some((session, _)) = &found {
                self.owners.insert(token.0, session.user_id);
            }
            return Ok(found);
        };
        let (kept, stamp) = self.kept(token, owner, now).await;
        if kept.is_some() {
            return Ok(kept);
        }
        let found = self.rows.session_by_token(token, now).await?;
        match (&found, stamp) {
            (Some((session, account)), Some(stamp)) => {
                let kept = Kept { session: session.clone(), account: account.clone() };
                if let Ok(body) = serde_json::to_vec(&kept) {
                    let life = Life { fresh: FRESH, stale: std::time::Duration::ZERO };
                    // A cache that is away keeps nothing; the row has answered.
                    let _ = self.cache.put(&key(token), &[tag(owner)], &stamp, Bytes::from(body), life).await;
                }
            }
            (None, _) => self.owners.invalidate(&token.0),
            (Some(_), None) => {}
        }
        Ok(found)
    }

    async fn insert_account(&self, new: &InsertAccount) -> Stored<()> {
        self.rows.insert_account(new).await
    }

    async fn account(&self, id: UserId) -> Stored<Option<Account>> {
        self.rows.account(id).await
    }

    async fn credentials(&self, email: &Email) -> Stored<Option<Credentials>> {
        self.rows.credentials(email).await
    }

    async fn credentials_of(&self, id: UserId) -> Stored<Option<Credentials>> {
        self.rows.credentials_of(id).await
    }

    async fn people(&self, ids: &[UserId]) -> Stored<Vec<Person>> {
        self.rows.people(ids).await
    }

    async fn people_named(&self, text: &str, limit: i64) -> Stored<Vec<Person>> {
        self.rows.people_named(text, limit).await
    }

    async fn change_profile(
        &self,
        id: UserId,
        version: i64,
        change: &ProfileChange,
    ) -> Stored<Changed<Account>> {
        let forgetting = self.forgetting([id]);
        let done = self.rows.change_profile(id, version, change).await;
        forgetting.now().await;
        done
    }

    async fn grant_role(&self, id: UserId, role: Role) -> Stored<Option<Account>> {
        let forgetting = self.forgetting([id]);
        let done = self.rows.grant_role(id, role).await;
        forgetting.now().await;
        done
    }

    async fn revoke_role(&self, id: UserId, role: Role) -> Stored<Option<Account>> {
        let forgetting = self.forgetting([id]);
        let done = self.rows.revoke_role(id, role).await;
        forgetting.now().await;
        done
    }

    async fn rehash(&self, id: UserId, old: &str, new: &str) -> Stored<()> {
        self.rows.rehash(id, old, new).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &str,
        new: &str,
        keep: SessionId,
    ) -> Stored<Option<Vec<SessionId>>> {
        let forgetting = self.forgetting([id]);
        let done = self.rows.change_password(id, old, new, keep).await;
        forgetting.now().await;
        done
    }

    async fn insert_link(&self, link: &InsertLink, most: i64, since: DateTime<Utc>) -> Stored<bool> {
        self.rows.insert_link(link, most, since).await
    }

    async fn link_owner(
        &self,
        token: &TokenHash,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> Stored<Option<UserId>> {
        self.rows.link_owner(token, purpose, now).await
    }

    async fn verify_email(&self, token: &TokenHash, now: DateTime<Utc>) -> Stored<Option<Account>> {
        let owner = self.rows.link_owner(token, OneTimePurpose::VerifyEmail, now).await?;
        let forgetting = self.forgetting(owner);
        let done = self.rows.verify_email(token, now).await;
        forgetting.now().await;
        done
    }

    async fn reset_password(
        &self,
        token: &TokenHash,
        hash: &str,
        now: DateTime<Utc>,
    ) -> Stored<Option<(Account, Vec<SessionId>)>> {
        let owner = self.rows.link_owner(token, OneTimePurpose::ResetPassword, now).await?;
        let forgetting = self.forgetting(owner);
        let done = self.rows.reset_password(token, hash, now).await;
        forgetting.now().await;
        done
    }

    async fn insert_session(&self, session: &Session, token: &TokenHash, proven: &str) -> Stored<bool> {
        let added = self.rows.insert_session(session, token, proven).await?;
        if added {
            self.owners.insert(token.0, session.user_id);
        }
        Ok(added)
    }

    async fn session(&self, id: SessionId, now: DateTime<Utc>) -> Stored<Option<(Session, Account)>> {
        self.rows.session(id, now).await
    }

    async fn touch_session(
        &self,
        id: SessionId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Stored<()> {
        self.rows.touch_session(id, now, expires_at).await
    }

    async fn sessions(
        &self,
        user_id: UserId,
        now: DateTime<Utc>,
        before: Option<SessionId>,
        limit: i64,
    ) -> Stored<Vec<Session>> {
        self.rows.sessions(user_id, now, before, limit).await
    }

    async fn sessions_left(&self, ids: &[SessionId]) -> Stored<Vec<SessionId>> {
        self.rows.sessions_left(ids).await
    }

    async fn end_session(&self, user_id: UserId, id: SessionId) -> Stored<bool> {
        let forgetting = self.forgetting([user_id]);
        let done = self.rows.end_session(user_id, id).await;
        forgetting.now().await;
        done
    }

    async fn end_sessions(&self, user_id: UserId, keep: Option<SessionId>) -> Stored<Vec<SessionId>> {
        let forgetting = self.forgetting([user_id]);
        let done = self.rows.end_sessions(user_id, keep).await;
        forgetting.now().await;
        done
    }

    async fn failures(&self, key: &[u8], network: &str) -> Stored<Failures> {
        self.rows.failures(key, network).await
    }

    async fn count_failure(
        &self,
        key: &[u8],
        network: &str,
        now: DateTime<Utc>,
        window: Duration,
    ) -> Stored<()> {
        self.rows.count_failure(key, network, now, window).await
    }

    async fn note_success(&self, key: &[u8], network: &str, now: DateTime<Utc>) -> Stored<()> {
        self.rows.note_success(key, network, now).await
    }

    async fn schedule_deletion(
        &self,
        id: UserId,
        due_at: DateTime<Utc>,
        keep: SessionId,
    ) -> Stored<Option<(Account, Vec<SessionId>)>> {
        let forgetting = self.forgetting([id]);
        let done = self.rows.schedule_deletion(id, due_at, keep).await;
        forgetting.now().await;
        done
    }

    async fn cancel_deletion(&self, id: UserId) -> Stored<Option<Account>> {
        let forgetting = self.forgetting([id]);
        let done = self.rows.cancel_deletion(id).await;
        forgetting.now().await;
        done
    }

    async fn erase_due(&self, now: DateTime<Utc>) -> Stored<Vec<(UserId, Vec<SessionId>)>> {
        let done = self.rows.erase_due(now).await?;
        self.forgetting(done.iter().map(|(user, _)| *user)).now().await;
        Ok(done)
    }

    async fn sweep(&self, now: DateTime<Utc>, forget_before: DateTime<Utc>) -> Stored<(u64, Vec<SessionId>)> {
        self.rows.sweep(now, forget_before).await
    }
}
