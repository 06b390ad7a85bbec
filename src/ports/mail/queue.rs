//! Mails as rows, from their cause's transaction to the mail server.
//!
//! A worker claims a row (the claim is a lease), hands the mail over, and marks the row. Killed after
//! the claim and before the mail server's answer was noted, the row is claimed again when the lease
//! ends: files know the mail by its name and keep one; a mail server may get it twice, under one
//! Message-ID. That window, from the server's `250` to our commit, is all that is left.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Letter, Mail, MailError, MailMetrics};
use crate::{
    clock::Clock,
    postgres::{Database, DbError},
    principal::UserId,
    telemetry::log,
};

/// Mails claimed at once, and handed over side by side.
const BATCH: i64 = 4;
/// To the next look when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(1);
/// The first pause after a failure; each is twice the one before.
const FIRST_PAUSE: i64 = 15;
/// The longest.
const LONGEST_PAUSE: i64 = 6 * 3600;
/// How long ended mails are kept for operators to see; their bodies are gone at once.
const KEPT_DAYS: i64 = 30;

/// How mails are handed over.
#[derive(Clone, Copy, Debug)]
pub struct QueueSettings {
    /// How long one attempt may take; a claim lasts a little longer.
    pub timeout: Duration,
    /// After so many attempts a mail is dead.
    pub attempts: u32,
}

/// The durable queue. Cheap to clone.
#[derive(Clone)]
pub struct MailQueue {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    clock: Clock,
    via: Arc<dyn Mail>,
    settings: QueueSettings,
    metrics: MailMetrics,
    written: Notify,
}

#[derive(QueryableByName)]
struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    recipient: String,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Nullable<Text>)]
    text_part: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    html_part: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    unsubscribe: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    calendar_part: Option<String>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

/// A mail that was given up.
#[derive(Clone, Debug, QueryableByName, Serialize, utoipa::ToSchema)]
pub struct DeadMail {
    /// Its id, and Message-ID.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// What it was about.
    #[diesel(sql_type = Text)]
    pub subject: String,
    /// For whom, where that is a person of ours.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub user_id: Option<Uuid>,
    /// How often it was tried.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// What the last attempt failed with.
    #[diesel(sql_type = Nullable<Text>)]
    pub error: Option<String>,
    /// When it was given up.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// The queue at this moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct MailReport {
    /// Mails that wait, those in hand included.
    pub waiting: i64,
    /// Of these, that failed before.
    pub retrying: i64,
    /// When the oldest of them was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_at: Option<DateTime<Utc>>,
    /// The last failure of one that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Handed over in the last 30 days.
    pub sent: i64,
    /// The latest 100 that were given up.
    pub dead: Vec<DeadMail>,
}

#[derive(QueryableByName)]
struct Counts {
    #[diesel(sql_type = BigInt)]
    waiting: i64,
    #[diesel(sql_type = BigInt)]
    retrying: i64,
    #[diesel(sql_type = BigInt)]
    sent: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    oldest_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    last_error: Option<String>,
}

#[derive(QueryableByName)]
struct StateCount {
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// Forgets what was or is to be mailed to an address.
///
/// # Errors
/// The database's.
pub async fn forget_address(conn: &mut AsyncPgConnection, address: &str) -> Result<(), DbError> {
    diesel::sql_query("DELETE FROM platform.mails WHERE recipient = $1")
        .bind::<Text, _>(address)
        .execute(conn)
        .await?;
    Ok(())
}

impl MailQueue {
    /// A queue whose mails leave by `via`.
    pub fn new(
        database: Database,
        via: Arc<dyn Mail>,
        clock: Clock,
        settings: QueueSettings,
        metrics: MailMetrics,
    ) -> Self {
        let inner = Inner { database, clock, via, settings, metrics, written: Notify::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Writes a mail in the caller's transaction; one with the same id changes nothing. Call
    /// [`wake`](Self::wake) after the commit.
    ///
    /// # Errors
    /// The database's.
    pub async fn write(
        &self,
        conn: &mut AsyncPgConnection,
        user: Option<UserId>,
        letter: &Letter,
    ) -> Result<(), DbError> {
        let now = self.inner.clock.now();
        diesel::sql_query(
            "INSERT INTO platform.mails (id, user_id, recipient, subject, text_part, html_part, unsubscribe,
                                         state, next_at, created_at, calendar_part)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8, $8, $9) ON CONFLICT (id) DO NOTHING",
        )
        .bind::<SqlUuid, _>(letter.id)
        .bind::<Nullable<SqlUuid>, _>(user)
        .bind::<Text, _>(&letter.to)
        .bind::<Text, _>(&letter.subject)
        .bind::<Text, _>(&letter.text)
        .bind::<Text, _>(&letter.html)
        .bind::<Nullable<Text>, _>(&letter.unsubscribe)
        .bind::<Timestamptz, _>(now)
        .bind::<Nullable<Text>, _>(&letter.calendar)
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Says that there is something to hand over.
    pub fn wake(&self) {
        self.inner.written.notify_one();
    }

    /// Hands mails over until the task is dropped; several may run, here and on other nodes.
    pub async fn run(self) {
        loop {
            match self.tick().await {
                Ok(0) => {
                    // Whichever comes first; both lead to another look.
                    let _ = tokio::time::timeout(LOOK, self.inner.written.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::debug!(log(), "mails wait for the database"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Tries what is due now, once; how many there were.
    ///
    /// # Errors
    /// When the rows cannot be read. A mail that fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, DbError> {
        let claimed = self.claim().await?;
        let count = claimed.len();
        let mut work =
            stream::iter(claimed).map(|mail| self.hand_over(mail)).buffer_unordered(BATCH as usize);
        while let Some(done) = work.next().await {
            if let Err(error) = done {
                // The lease ends by itself, and another attempt finds out how things stand.
                slog::warn!(log(), "a mail's outcome could not be noted"; "error" => %error);
            }
        }
        Ok(count)
    }

    /// Takes what is due and does nothing with it, as a worker that dies.
    #[cfg(test)]
    pub(crate) async fn claim_and_die(&self) -> usize {
        self.claim().await.unwrap().len()
    }

    async fn claim(&self) -> Result<Vec<Claimed>, DbError> {
        let now = self.inner.clock.now();
        let lease = self.inner.settings.timeout + Duration::from_secs(5);
        let until = now + chrono::Duration::from_std(lease).unwrap_or(chrono::Duration::minutes(5));
        let mut conn = self.inner.database.conn().await?;
        Ok(diesel::sql_query(
            "UPDATE platform.mails SET next_at = $2, attempts = attempts + 1 WHERE id IN (
                SELECT id FROM platform.mails WHERE state = 'waiting' AND next_at <= $1
                ORDER BY next_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
             ) RETURNING id, recipient, subject, text_part, html_part, unsubscribe, calendar_part,
                         attempts",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(until)
        .bind::<BigInt, _>(BATCH)
        .get_results(&mut conn)
        .await?)
    }

    async fn hand_over(&self, mail: Claimed) -> Result<(), DbError> {
        let Claimed { id, recipient, subject, text_part, html_part, unsubscribe, calendar_part, attempts } =
            mail;
        let letter = Letter {
            id,
            to: recipient,
            subject,
            text: text_part.unwrap_or_default(),
            html: html_part.unwrap_or_default(),
            unsubscribe,
            calendar: calendar_part,
        };
        let settings = &self.inner.settings;
        let sent = match tokio::time::timeout(settings.timeout, self.inner.via.send(letter)).await {
            Ok(sent) => sent,
            Err(_) => Err(MailError::Unavailable(std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
        };
        let outcomes = &self.inner.metrics.attempts;
        let Err(error) = sent else {
            outcomes.with_label_values(&["sent"]).inc();
            return self.end(id, attempts, "sent", None).await;
        };
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let said = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        let said: String = said.chars().filter(|c| *c != '\0').take(500).collect();
        let spent = attempts.unsigned_abs() >= settings.attempts;
        if spent || !error.temporary() {
            outcomes.with_label_values(&["dead"]).inc();
            slog::error!(log(), "a mail is given up"; "mail" => %id, "attempts" => attempts, "error" => &said);
            return self.end(id, attempts, "dead", Some(&said)).await;
        }
        outcomes.with_label_values(&["retry"]).inc();
        slog::warn!(log(), "a mail was not taken and is tried again";
            "mail" => %id, "attempts" => attempts, "error" => &said);
        self.put_off(id, attempts, &said).await
    }

    /// Marks a mail, unless somebody else has claimed it since.
    async fn end(&self, id: Uuid, attempts: i32, state: &str, error: Option<&str>) -> Result<(), DbError> {
        let mut conn = self.inner.database.conn().await?;
        diesel::sql_query(
            "UPDATE platform.mails SET state = $3, error = $4, ended_at = $5, text_part = NULL, html_part = NULL,
                    calendar_part = NULL
             WHERE id = $1 AND state = 'waiting' AND (attempts = $2 OR $3 = 'sent')",
        )
        .bind::<SqlUuid, _>(id)
        .bind::<Integer, _>(attempts)
        .bind::<Text, _>(state)
        .bind::<Nullable<Text>, _>(error)
        .bind::<Timestamptz, _>(self.inner.clock.now())
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    async fn put_off(&self, id: Uuid, attempts: i32, error: &str) -> Result<(), DbError> {
        let doublings = (attempts - 1).clamp(0, 20);
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        // Up to a tenth more, so that mails that failed together do not come back together.
        let spread = i64::from(id.as_bytes()[15]) * pause / 2560;
        let until = self.inner.clock.now() + chrono::Duration::seconds(pause + spread);
        let mut conn = self.inner.database.conn().await?;
        diesel::sql_query(
            "UPDATE platform.mails SET next_at = $3, error = $4
             WHERE id = $1 AND attempts = $2 AND state = 'waiting'",
        )
        .bind::<SqlUuid, _>(id)
        .bind::<Integer, _>(attempts)
        .bind::<Timestamptz, _>(until)
        .bind::<Text, _>(error)
        .execute(&mut conn)
        .await?;
        Ok(())
    }

    /// Drops what waits for a person, and what is known of earlier mails to them.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget(&self, conn: &mut AsyncPgConnection, user: UserId) -> Result<(), DbError> {
        diesel::sql_query("DELETE FROM platform.mails WHERE user_id = $1")
            .bind::<SqlUuid, _>(user)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Gives a dead mail's place up to memory: removes ended mails after a while. Call it now and then.
    ///
    /// # Errors
    /// The database's.
    pub async fn tidy(&self) -> Result<usize, DbError> {
        let before = self.inner.clock.now() - chrono::Duration::days(KEPT_DAYS);
        let mut conn = self.inner.database.conn().await?;
        Ok(diesel::sql_query("DELETE FROM platform.mails WHERE ended_at < $1")
            .bind::<Timestamptz, _>(before)
            .execute(&mut conn)
            .await?)
    }

    /// How things stand, for operators.
    ///
    /// # Errors
    /// The database's.
    pub async fn report(&self) -> Result<MailReport, DbError> {
        let mut conn = self.inner.database.conn().await?;
        let counts: Option<Counts> = diesel::sql_query(
            "SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
                    count(*) FILTER (WHERE state = 'waiting' AND error IS NOT NULL) AS retrying,
                    count(*) FILTER (WHERE state = 'sent') AS sent,
                    min(created_at) FILTER (WHERE state = 'waiting') AS oldest_at,
                    (SELECT error FROM platform.mails WHERE state = 'waiting' AND error IS NOT NULL
                     ORDER BY next_at DESC LIMIT 1) AS last_error
             FROM platform.mails",
        )
        .get_result(&mut conn)
        .await
        .optional()?;
        let dead: Vec<DeadMail> = diesel::sql_query(
            "SELECT id, subject, user_id, attempts, error, ended_at FROM platform.mails
             WHERE state = 'dead' ORDER BY ended_at DESC LIMIT 100",
        )
        .load(&mut conn)
        .await?;
        let Some(Counts { waiting, retrying, sent, oldest_at, last_error }) = counts else {
            return Err(DbError::NotFound);
        };
        Ok(MailReport { waiting, retrying, oldest_at, last_error, sent, dead })
    }

    /// Brings the gauges up to date; call it now and then.
    ///
    /// # Errors
    /// The database's.
    pub async fn count(&self) -> Result<(), DbError> {
        let mut conn = self.inner.database.conn().await?;
        let counts: Vec<StateCount> = diesel::sql_query(
            "SELECT state, count(*) AS count FROM platform.mails WHERE state <> 'sent' GROUP BY state",
        )
        .load(&mut conn)
        .await?;
        for state in ["waiting", "dead"] {
            let count = counts.iter().find(|row| row.state == state).map_or(0, |row| row.count);
            self.inner.metrics.rows.with_label_values(&[state]).set(count);
        }
        Ok(())
    }
}

#[async_trait]
impl Mail for MailQueue {
    async fn send(&self, letter: Letter) -> Result<(), MailError> {
        let unavailable = |error: DbError| MailError::Unavailable(error.into());
        let mut conn = self.inner.database.conn().await.map_err(unavailable)?;
        self.write(&mut conn, None, &letter).await.map_err(unavailable)?;
        self.wake();
        Ok(())
    }
}
