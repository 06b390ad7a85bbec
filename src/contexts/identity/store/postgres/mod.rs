//! Accounts and sessions in PostgreSQL, schema `identity`.

mod accounts;
mod erasure;
mod links;
mod lockout;
mod rows;
mod sessions;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use diesel::result::Error as DieselError;

use super::{Changed, Credentials, InsertAccount, InsertLink, Store, StoreError, Stored};
use crate::{
    contexts::identity::{
        lockout::Failures,
        model::{Account, Email, OneTimePurpose, Person, ProfileChange, Session},
        tokens::TokenHash,
    },
    postgres::{Conn, Database, DbError},
    principal::{Role, SessionId, UserId},
};

/// The store over a [`Database`].
#[derive(Clone)]
pub struct PostgresStore {
    database: Database,
}

impl PostgresStore {
    /// The store in that database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    async fn conn(&self) -> Stored<Conn> {
        Ok(self.database.conn().await?)
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        if error.is_unique("users_email_key") {
            Self::EmailTaken
        } else if error.is_unavailable() {
            Self::Unavailable(error.into())
        } else {
            Self::Failed(error.into())
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        DbError::from(error).into()
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn insert_account(&self, new: &InsertAccount) -> Stored<()> {
        accounts::insert(&mut *self.conn().await?, new).await
    }

    async fn account(&self, id: UserId) -> Stored<Option<Account>> {
        Ok(accounts::of_id(&mut *self.conn().await?, id).await?.map(|found| found.account))
    }

    async fn credentials(&self, email: &Email) -> Stored<Option<Credentials>> {
        accounts::of_email(&mut *self.conn().await?, email).await
    }

    async fn credentials_of(&self, id: UserId) -> Stored<Option<Credentials>> {
        accounts::of_id(&mut *self.conn().await?, id).await
    }

    async fn people(&self, ids: &[UserId]) -> Stored<Vec<Person>> {
        accounts::people(&mut *self.conn().await?, ids).await
    }

    async fn people_named(&self, text: &str, limit: i64) -> Stored<Vec<Person>> {
        accounts::people_named(&mut *self.conn().await?, text, limit).await
    }

    async fn change_profile(
        &self,
        id: UserId,
        version: i64,
        change: &ProfileChange,
    ) -> Stored<Changed<Account>> {
        accounts::change_profile(&mut *self.conn().await?, id, version, change).await
    }

    async fn grant_role(&self, id: UserId, role: Role) -> Stored<Option<Account>> {
        accounts::change_role(&mut *self.conn().await?, id, role, true).await
    }

    async fn revoke_role(&self, id: UserId, role: Role) -> Stored<Option<Account>> {
        accounts::change_role(&mut *self.conn().await?, id, role, false).await
    }

    async fn rehash(&self, id: UserId, old: &str, new: &str) -> Stored<()> {
        accounts::rehash(&mut *self.conn().await?, id, old, new).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &str,
        new: &str,
        keep: SessionId,
    ) -> Stored<Option<Vec<SessionId>>> {
        accounts::change_password(&mut *self.conn().await?, id, old, new, keep).await
    }

    async fn insert_link(&self, link: &InsertLink, most: i64, since: DateTime<Utc>) -> Stored<bool> {
        links::insert(&mut *self.conn().await?, link, most, since).await
    }

    async fn link_owner(
        &self,
        token: &TokenHash,
        purpose: OneTimePurpose,
        now: DateTime<Utc>,
    ) -> Stored<Option<UserId>> {
        links::owner(&mut *self.conn().await?, token, purpose, now).await
    }

    async fn verify_email(&self, token: &TokenHash, now: DateTime<Utc>) -> Stored<Option<Account>> {
        links::verify_email(&mut *self.conn().await?, token, now).await
    }

    async fn reset_password(
        &self,
        token: &TokenHash,
        hash: &str,
        now: DateTime<Utc>,
    ) -> Stored<Option<(Account, Vec<SessionId>)>> {
        links::reset_password(&mut *self.conn().await?, token, hash, now).await
    }

    async fn insert_session(&self, session: &Session, token: &TokenHash, proven: &str) -> Stored<bool> {
        sessions::insert(&mut *self.conn().await?, session, token, proven).await
    }

    async fn session_by_token(
        &self,
        token: &TokenHash,
        now: DateTime<Utc>,
    ) -> Stored<Option<(Session, Account)>> {
        sessions::of_token(&mut *self.conn().await?, token, now).await
    }

    async fn session(&self, id: SessionId, now: DateTime<Utc>) -> Stored<Option<(Session, Account)>> {
        sessions::of_id(&mut *self.conn().await?, id, now).await
    }

    async fn touch_session(
        &self,
        id: SessionId,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Stored<()> {
        sessions::touch(&mut *self.conn().await?, id, now, expires_at).await
    }

    async fn sessions(
        &self,
        user_id: UserId,
        now: DateTime<Utc>,
        before: Option<SessionId>,
        limit: i64,
    ) -> Stored<Vec<Session>> {
        sessions::of_user(&mut *self.conn().await?, user_id, now, before, limit).await
    }

    async fn end_session(&self, user_id: UserId, id: SessionId) -> Stored<bool> {
        sessions::end(&mut *self.conn().await?, user_id, id).await
    }

    async fn sessions_left(&self, ids: &[SessionId]) -> Stored<Vec<SessionId>> {
        sessions::left(&mut *self.conn().await?, ids).await
    }

    async fn end_sessions(&self, user_id: UserId, keep: Option<SessionId>) -> Stored<Vec<SessionId>> {
        Ok(sessions::end_all(&mut *self.conn().await?, user_id, keep).await?)
    }

    async fn failures(&self, key: &[u8], network: &str) -> Stored<Failures> {
        lockout::failures(&mut *self.conn().await?, key, network).await
    }

    async fn count_failure(
        &self,
        key: &[u8],
        network: &str,
        now: DateTime<Utc>,
        window: Duration,
    ) -> Stored<()> {
        lockout::count(&mut *self.conn().await?, key, network, now, window).await
    }

    async fn note_success(&self, key: &[u8], network: &str, now: DateTime<Utc>) -> Stored<()> {
        lockout::note_success(&mut *self.conn().await?, key, network, now).await
    }

    async fn schedule_deletion(
        &self,
        id: UserId,
        due_at: DateTime<Utc>,
        keep: SessionId,
    ) -> Stored<Option<(Account, Vec<SessionId>)>> {
        erasure::schedule(&mut *self.conn().await?, id, due_at, keep).await
    }

    async fn cancel_deletion(&self, id: UserId) -> Stored<Option<Account>> {
        erasure::cancel(&mut *self.conn().await?, id).await
    }

    async fn erase_due(&self, now: DateTime<Utc>) -> Stored<Vec<(UserId, Vec<SessionId>)>> {
        erasure::erase_due(&mut *self.conn().await?, now).await
    }

    async fn sweep(&self, now: DateTime<Utc>, forget_before: DateTime<Utc>) -> Stored<(u64, Vec<SessionId>)> {
        erasure::sweep(&mut *self.conn().await?, now, forget_before).await
    }
}
