//! The use cases.

use serde_json::Value;
use uuid::Uuid;

use super::{Activity, ActivityError, Entry, xapi};
use crate::{error::FieldError, principal::UserId};

impl Activity {
    /// A page of what a person did, the newest first: all of it, or what everybody may see.
    ///
    /// # Errors
    /// [`ActivityError::Invalid`] for a foreign cursor; the stream's.
    pub async fn of(
        &self,
        person: UserId,
        public_only: bool,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<Entry>, Option<String>), ActivityError> {
        let list = format!("activity.{}.{person}", if public_only { "public" } else { "own" });
        let before = cursor.map(|cursor| self.position(&list, cursor)).transpose()?;
        let mut found = self.stream.of(&[person], public_only, before, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|entry| self.signer.sign(&list, entry.id.as_bytes(), None));
        Ok((found, next))
    }

    /// A page of what one did oneself as statements of xAPI 1.0.3, the newest first.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn statements(
        &self,
        person: UserId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<Value>, Option<String>), ActivityError> {
        let (found, next) = self.of(person, false, limit, cursor).await?;
        Ok((found.iter().map(|entry| xapi::statement(entry, &self.base)).collect(), next))
    }

    fn position(&self, list: &str, cursor: &str) -> Result<Uuid, ActivityError> {
        let foreign = || ActivityError::Invalid(FieldError::new("?cursor", "is not a cursor of this list"));
        let bytes = self.signer.verify(list, cursor, self.clock.now()).map_err(|_| foreign())?;
        Uuid::from_slice(&bytes).map_err(|_| foreign())
    }

    /// Forgets what is older than the configuration keeps. Answers how much that was.
    ///
    /// # Errors
    /// The stream's.
    pub async fn tidy(&self) -> Result<u64, ActivityError> {
        self.stream.expire(self.clock.now() - self.keep).await
    }
}
