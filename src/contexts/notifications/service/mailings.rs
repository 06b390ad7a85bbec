//! The worker behind `notifications.mailings`: when a mail is due, what is still unread becomes one.

use std::{collections::HashMap, time::Duration};

use diesel_async::AsyncConnection;

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError, due,
        kinds::kind,
        letters::{self, Line},
        model::Preferences,
        store::{self, items::Row, mailings::Mailing},
    },
    ports::mail::Letter,
    principal::UserId,
    telemetry::log,
};

/// Mails that are taken up at once.
const BATCH: i64 = 20;
/// To the next look when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks whether somebody still is not to be disturbed.
const CALM: chrono::Duration = chrono::Duration::seconds(60);
/// The longest pause between two attempts, in seconds.
const MOST: i64 = 3600;

impl Notifications {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_mailings(self) {
        loop {
            match self.mail_due().await {
                Ok(0) => {
                    // Whichever comes first; both lead to another look.
                    let _ = tokio::time::timeout(LOOK, self.inner.due.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::debug!(log(), "mails that are due cannot be read"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Does what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When the rows cannot be read. What fails is put off, and told in the log.
    pub async fn mail_due(&self) -> Result<usize, NotificationsError> {
        let due = store::mailings::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        for mailing in &due {
            let outcome = match self.mail_one(mailing).await {
                Ok(outcome) => outcome,
                Err(error) => {
                    let pause = (5_i64 << mailing.attempts.clamp(0, 12)).min(MOST);
                    let until = self.now() + chrono::Duration::seconds(pause);
                    slog::warn!(log(), "a mail that is due is put off"; "mailing" => %mailing.id, "error" => %error);
                    let said = error.to_string();
                    store::mailings::put_off(&mut *self.conn().await?, mailing.id, until, Some(&said))
                        .await?;
                    "failed"
                }
            };
            self.parts().metrics.mailings.with_label_values(&[outcome]).inc();
        }
        if !due.is_empty() {
            self.mail().wake();
        }
        Ok(due.len())
    }

    /// Takes what is due and does nothing with it, as a worker that dies.
    #[cfg(test)]
    pub(crate) async fn lease_mailings_and_die(&self) -> usize {
        store::mailings::lease(&mut self.conn().await.unwrap(), self.now(), BATCH).await.unwrap().len()
    }

    async fn mail_one(&self, mailing: &Mailing) -> Result<&'static str, NotificationsError> {
        let (user, now) = (mailing.user_id, self.now());
        // Before the transaction: other contexts have connections of their own.
        let calm = self.is_undisturbed(user).await?;
        let contact = self.parts().people.contact(user).await?;
        let names = self.parts().people.names(self.actors(mailing).await?).await?;
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                // In the order of those who tell: the person, then their mailing.
                if store::lock(conn, user).await?.is_none() {
                    return Ok("forgotten");
                }
                let preferences = store::preferences::load(conn, user).await?.preferences;
                let later = due::after_quiet(&preferences, now);
                if later > now {
                    store::mailings::put_off(conn, mailing.id, later, None).await?;
                    return Ok("quiet");
                }
                if calm {
                    store::mailings::put_off(conn, mailing.id, now + CALM, None).await?;
                    return Ok("undisturbed");
                }
                let Some(rows) = store::mailings::take(conn, mailing.id).await? else { return Ok("taken") };
                let hidden: Vec<_> = rows.iter().filter(|row| !row.in_app).map(|row| row.id.0).collect();
                let rows: Vec<Row> = rows.into_iter().filter(|row| wanted(&preferences, row)).collect();
                let address = contact.as_ref().and_then(|contact| contact.address.as_deref());
                let (false, Some(address)) = (rows.is_empty(), address) else {
                    // What was here for its mail alone is done with.
                    store::mailings::mailed(conn, &hidden, now).await?;
                    return Ok(if rows.is_empty() { "read" } else { "no_address" });
                };
                let letter = self.letter(mailing, address, &rows, &preferences, &names);
                self.mail().write(conn, Some(user), &letter).await?;
                let ids: Vec<_> = rows.iter().map(|row| row.id.0).collect();
                store::mailings::mailed(conn, &ids, now).await?;
                Ok("mailed")
            })
            .await
    }

    async fn actors(&self, mailing: &Mailing) -> Result<Vec<UserId>, NotificationsError> {
        Ok(store::mailings::actors(&mut *self.conn().await?, mailing.id).await?)
    }

    fn letter(
        &self,
        mailing: &Mailing,
        address: &str,
        rows: &[Row],
        preferences: &Preferences,
        names: &HashMap<UserId, String>,
    ) -> Letter {
        let home = &self.parts().public_url;
        let lines: Vec<Line> = rows
            .iter()
            .map(|row| Line {
                title: row.title.clone(),
                body: row.body.clone(),
                actor: row.actor_id.and_then(|id| names.get(&id).cloned()),
                url: format!("{home}{}", row.link),
            })
            .collect();
        let first = rows.first().map(|row| row.kind.as_str());
        let of_one_kind = first.filter(|first| rows.iter().all(|row| row.kind == *first));
        let unsubscribe = self.unsubscribe_link(mailing.user_id, of_one_kind);
        letters::letter(mailing.id, address, &lines, preferences.digest, home, &unsubscribe)
    }
}

/// Whether the person still wants mails of that kind.
fn wanted(preferences: &Preferences, row: &Row) -> bool {
    kind(&row.kind).is_some_and(|kind| preferences.channels(kind).email)
}
