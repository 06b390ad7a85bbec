//! Where the entries are.

pub mod mongo;
pub mod postgres;

#[cfg(test)]
pub mod contract;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{ActivityError, Entry};
use crate::principal::UserId;

/// A stream's answer.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ActivityError>>;

/// The activity stream.
pub trait ActivityStream: Send + Sync + 'static {
    /// Adds entries; those whose ids are there already stay as they are. `conn` is the transaction of
    /// whoever tells: a stream in that database writes there, another does not need it.
    fn append<'a>(&'a self, conn: &'a mut AsyncPgConnection, entries: &'a [Entry]) -> Answer<'a, ()>;

    /// Up to `limit` entries of these people, the newest first, older than `before`.
    fn of<'a>(
        &'a self,
        people: &'a [UserId],
        public_only: bool,
        before: Option<Uuid>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>>;

    /// Up to `limit` public entries that are of these people or about one of these skills, and of nobody in
    /// `not`, the newest first, older than `before`.
    fn followed<'a>(
        &'a self,
        people: &'a [UserId],
        skills: &'a [String],
        not: &'a [UserId],
        before: Option<Uuid>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>>;

    /// Forgets everything about a person: what they did, and what was done to them. Answers how
    /// much that was.
    fn erase<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, u64>;

    /// Forgets what is older. Answers how much that was.
    fn expire(&self, before: DateTime<Utc>) -> Answer<'_, u64>;
}

#[cfg(test)]
pub mod nowhere {
    //! A stream that keeps nothing.

    use super::*;

    pub struct Nowhere;

    impl ActivityStream for Nowhere {
        fn append<'a>(&'a self, _: &'a mut AsyncPgConnection, _: &'a [Entry]) -> Answer<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn of<'a>(&'a self, _: &'a [UserId], _: bool, _: Option<Uuid>, _: usize) -> Answer<'a, Vec<Entry>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn followed<'a>(
            &'a self,
            _: &'a [UserId],
            _: &'a [String],
            _: &'a [UserId],
            _: Option<Uuid>,
            _: usize,
        ) -> Answer<'a, Vec<Entry>> {
            Box::pin(async { Ok(Vec::new()) })
        }

        fn erase<'a>(&'a self, _: &'a mut AsyncPgConnection, _: UserId) -> Answer<'a, u64> {
            Box::pin(async { Ok(0) })
        }

        fn expire(&self, _: DateTime<Utc>) -> Answer<'_, u64> {
            Box::pin(async { Ok(0) })
        }
    }
}
