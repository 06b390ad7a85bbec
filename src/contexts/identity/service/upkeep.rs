//! What the server does for this context beside requests.

use chrono::Duration;

use crate::{
    contexts::identity::{Identity, IdentityError},
    principal::UserId,
    telemetry::log,
};

/// Failed sign-ins, and networks a person came from, are forgotten after this long.
const FORGET: Duration = Duration::days(90);

impl Identity {
    /// Once at start: readies what the first stranger would otherwise wait for.
    ///
    /// # Errors
    /// [`IdentityError::Internal`].
    pub async fn warm_up(&self) -> Result<(), IdentityError> {
        self.inner.passwords.warm_up().await
    }

    /// Erases accounts whose time has come. Their connections are closed; whoever comes back within the hour
    /// is nobody, who may look on how everybody else forgets them.
    pub(super) async fn erase_due(&self) -> Result<(), IdentityError> {
        for (user_id, ended) in self.inner.store.erase_due(self.inner.clock.now()).await? {
            self.tell_ended(&ended);
            self.profiles_changed([user_id]).await;
            slog::info!(log(), "account erased"; "user_id" => %user_id);
        }
        Ok(())
    }

    /// Ends what sessions an erased person still has: everybody has forgotten them.
    ///
    /// # Errors
    /// [`IdentityError::Store`].
    pub async fn farewell(&self, user_id: UserId) -> Result<(), IdentityError> {
        let ended = self.inner.store.end_sessions(user_id, None).await?;
        self.tell_ended(&ended);
        Ok(())
    }

    /// Every few minutes: removes what has ended, and erases accounts whose time has come.
    ///
    /// # Errors
    /// [`IdentityError::Store`]; the next call does what this one left.
    pub async fn tidy(&self) -> Result<(), IdentityError> {
        self.erase_due().await?;
        let now = self.inner.clock.now();
        let (removed, ended) = self.inner.store.sweep(now, now - FORGET).await?;
        // Whoever came by cookie and only listens would look on for ever.
        self.tell_ended(&ended);
        slog::debug!(log(), "identity tidied"; "rows_removed" => removed);
        Ok(())
    }
}
