//! Where accounts and sessions are kept. Each method is atomic.

mod cached;
#[cfg(test)]
pub(crate) mod contract;
mod postgres;
mod schema;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};

pub use cached::CachedSessions;
pub use postgres::PostgresStore;

use super::{
    lockout::Failures,
    model::{Account, Email, OneTimePurpose, Person, ProfileChange, Session},
    tokens::TokenHash,
};
use crate::{
    error::ErrorKind,
    principal::{Role, SessionId, UserId},
};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another account has the address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// It cannot be reached; later it may be.
    #[error("the store cannot be reached")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else.
    #[error("the store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::EmailTaken => ErrorKind::Conflict,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Failed(_) => ErrorKind::Internal,
        }
    }
}

/// What a store call answers.
pub type Stored<T> = Result<T, StoreError>;

/// An account to insert.
#[derive(Clone, Debug)]
pub struct InsertAccount {
    /// The account; `version` is 1 whatever it says.
    pub account: Account,
    /// The password's hash (PHC string); without one nobody signs in.
    pub password_hash: Option<String>,
}

/// An account with its password's hash.
#[derive(Clone)]
pub struct Credentials {
    /// The account.
    pub account: Account,
    /// The hash, if the account has a password.
    pub password_hash: Option<String>,
}

/// A link to insert.
#[derive(Clone, Debug)]
pub struct InsertLink {
    /// The hash of its token.
    pub token: TokenHash,
    /// Whose.
    pub user_id: UserId,
    /// What for.
    pub purpose: OneTimePurpose,
    /// Now.
    pub now: DateTime<Utc>,
    /// Its end.
    pub expires_at: DateTime<Utc>,
}

/// What came of a conditional change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed<T> {
    /// Done.
    Done(T),
    /// Another version is there.
    Stale,
    /// There is no such row.
    Missing,
}

/// The store.
#[async_trait]
pub trait Store: Send + Sync {
    // Accounts

    /// Adds an account; [`StoreError::EmailTaken`] if there is one with the address.
    async fn insert_account(&self, new: &InsertAccount) -> Stored<()>;
    /// The account of that id.
    async fn account(&self, id: UserId) -> Stored<Option<Account>>;
    /// The account of that address, with its password's hash.
    async fn credentials(&self, email: &Email) -> Stored<Option<Credentials>>;
    /// The account of that id, with its password's hash.
    async fn credentials_of(&self, id: UserId) -> Stored<Option<Credentials>>;
    /// Those of `ids` that exist, in no order.
    async fn people(&self, ids: &[UserId]) -> Stored<Vec<Person>>;
    /// People with `text` in their name, those whose name begins with it first; at most `limit`.
    async fn people_named(&self, text: &str, limit: i64) -> Stored<Vec<Person>>;
    /// Changes the profile if its version is `version`, and raises it.
    async fn change_profile(
        &self,
        id: UserId,
        version: i64,
        change: &ProfileChange,
    ) -> Stored<Changed<Account>>;
    /// Gives a role; giving it twice changes nothing.
    async fn grant_role(&self, id: UserId, role: Role) -> Stored<Option<Account>>;
    /// Takes a role.
    async fn revoke_role(&self, id: UserId, role: Role) -> Stored<Option<Account>>;

    // Passwords

    /// Replaces a hash by a stronger one of the same password, unless it changed meanwhile.
    async fn rehash(&self, id: UserId, old: &str, new: &str) -> Stored<()>;
    /// Sets a password if `old` is still the present hash, voids links to reset it, and ends every
    /// session but `keep`; the ended ones, or `None` if the hash had changed.
    async fn change_password(
        &self,
        id: UserId,
        old: &str,
        new: &str,
        keep: SessionId,
    ) -> Stored<Option<Vec<SessionId>>>;

    // Links in mails

    /// Adds a link, unless `most` of the same sort were added since `since`: then `false`.
    async fn insert_link(&self, link: &InsertLink, most: i64, since: DateTime<Utc>) -> Stored<bool>;
    /// Whose live link that is; does not use it up.
    async fn link_owner(
        &self,
        token: &TokenHash,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> Stored<Option<UserId>>;
    /// Uses a link up and marks the owner's address verified; `None` if the link is dead.
    async fn verify_email(&self, token: &TokenHash, now: DateTime<Utc>) -> Stored<Option<Account>>;
    /// Uses a link up, sets the password, marks the address verified (the link went there), forgets
    /// failed sign-ins and ends every session; the ended ones, or `None` if the link is dead.
    async fn reset_password(
        &self,
        token: &TokenHash,
        hash: &str,
        now: DateTime<Utc>,
    ) -> Stored<Option<(Account, Vec<SessionId>)>>;

    // Sessions

    /// Adds a session, if its owner's password is still the one whose hash was `proven`: a reset that came meanwhile
    /// ended all sessions, this one too. Whether it was added.
    async fn insert_session(&self, session: &Session, token: &TokenHash, proven: &str) -> Stored<bool>;
    /// The live session that the token proves, and its owner.
    async fn session_by_token(
        &self,
        token: &TokenHash,
        now: DateTime<Utc>,
    ) -> Stored<Option<(Session, Account)>>;
    /// A live session by its id, and its owner.
    async fn session(&self, id: SessionId, now: DateTime<Utc>) -> Stored<Option<(Session, Account)>>;
    /// Notes that a session was used, and moves its end.
    async fn touch_session(&self, id: SessionId, now: DateTime<Utc>, expires_at: DateTime<Utc>)
    -> Stored<()>;
    /// A person's live sessions, the newest first, older than `before`, at most `limit`.
    async fn sessions(
        &self,
        user_id: UserId,
        now: DateTime<Utc>,
        before: Option<SessionId>,
        limit: i64,
    ) -> Stored<Vec<Session>>;
    /// Which of these sessions there are still, of people who are still here.
    async fn sessions_left(&self, ids: &[SessionId]) -> Stored<Vec<SessionId>>;
    /// Ends a person's session; whether there was one.
    async fn end_session(&self, user_id: UserId, id: SessionId) -> Stored<bool>;
    /// Ends a person's sessions except `keep`; the ended ones.
    async fn end_sessions(&self, user_id: UserId, keep: Option<SessionId>) -> Stored<Vec<SessionId>>;

    // Failed sign-ins

    /// What is known of failures for the account (`key`), and for it from `network`.
    async fn failures(&self, key: &[u8], network: &str) -> Stored<Failures>;
    /// Counts a failure on both; a count whose last failure is older than `window` starts anew.
    async fn count_failure(
        &self,
        key: &[u8],
        network: &str,
        now: DateTime<Utc>,
        window: Duration,
    ) -> Stored<()>;
    /// A sign-in succeeded: forgets the network's failures and remembers the network as known.
    async fn note_success(&self, key: &[u8], network: &str, now: DateTime<Utc>) -> Stored<()>;

    // The end of an account

    /// Sets when the account is to be erased, unless that is set already, and ends every session but
    /// `keep`.
    async fn schedule_deletion(
        &self,
        id: UserId,
        due_at: DateTime<Utc>,
        keep: SessionId,
    ) -> Stored<Option<(Account, Vec<SessionId>)>>;
    /// Takes a deletion back; `None` if none was scheduled.
    async fn cancel_deletion(&self, id: UserId) -> Stored<Option<Account>>;
    /// Erases what this context knows of accounts whose time has come: the row stays as a
    /// pseudonym, since other contexts point at it. The erased, with the sessions that ended.
    async fn erase_due(&self, now: DateTime<Utc>) -> Stored<Vec<(UserId, Vec<SessionId>)>>;
    /// Removes what has ended: sessions, links, and failures older than `forget_before`. How many rows, and which
    /// sessions: their connections may still be open.
    async fn sweep(&self, now: DateTime<Utc>, forget_before: DateTime<Utc>) -> Stored<(u64, Vec<SessionId>)>;
}
