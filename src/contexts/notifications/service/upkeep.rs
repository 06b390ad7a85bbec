//! What the server does for this context beside requests.

use chrono::Duration;

use crate::{
    contexts::notifications::{Notifications, NotificationsError, store},
    telemetry::log,
};

/// Notifications that were read are kept so long.
const READ_FOR: Duration = Duration::days(90);
/// Publications are kept so long for those who are away.
const LOG_FOR: Duration = Duration::days(30);

impl Notifications {
    /// Every few minutes: removes what is old.
    ///
    /// # Errors
    /// [`NotificationsError::Db`]; the next call does what this one left.
    pub async fn tidy(&self) -> Result<(), NotificationsError> {
        let now = self.now();
        let removed = store::tidy(&mut *self.conn().await?, now - READ_FOR, now - LOG_FOR).await?;
        let mails = self.mail().tidy().await?;
        self.parts().feed.sweep();
        slog::debug!(log(), "notifications tidied"; "rows_removed" => removed + mails);
        Ok(())
    }
}
