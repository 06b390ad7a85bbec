//! What goes on beside requests: leagues that are over, and tasks that outlive the process.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::Awarded;
use crate::{
    contexts::gamification::{
        GameError, Gamification,
        consumers::AWARDS,
        model::SUBJECTS,
        store::{
            members,
            tasks::{self, Task},
        },
    },
    events,
    principal::UserId,
    telemetry::log,
};

/// How often leagues and tasks are looked at when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(2);
/// People whose badges are looked at in one transaction.
const PEOPLE: i64 = 50;
/// Events that happened before there was anybody to take them are taken from the outbox.
const REPLAY: &str = "replay";
/// Everybody's badges are looked at by the rules of a version.
const BADGES: &str = "badges/";

impl Gamification {
    /// Keeps the rules under their version. New ones set the tasks that follow from them: everybody's badges
    /// are looked at, and at the very first the events that are still in the outbox are taken.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn install(&self) -> Result<(), GameError> {
        let rules = self.rules();
        let json = serde_json::to_value(rules).unwrap_or_default();
        let digest = rules.digest();
        let mut conn = self.conn().await?;
        let (_, kept) = (*conn)
            .transaction(async |conn| {
                let done = tasks::install_rules(conn, rules.version, &digest, &json).await?;
                if done.0 {
                    tasks::set(conn, REPLAY).await?;
                    tasks::set(conn, &format!("{BADGES}{}", rules.version)).await?;
                }
                Ok::<_, GameError>(done)
            })
            .await?;
        if kept != digest {
            slog::error!(log(), "the rules of points differ from those kept under the same version";
                "version" => rules.version);
        }
        self.inner.wake.notify_one();
        Ok(())
    }

    /// Does what is due until it is dropped; several may run, here and on other nodes.
    pub async fn run(self) {
        loop {
            match self.work_once().await {
                Ok(true) => {}
                Ok(false) => {
                    let _ = tokio::time::timeout(LOOK, self.inner.wake.notified()).await;
                }
                Err(error) => {
                    slog::warn!(log(), "points and leagues wait"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Does one piece of what is due; whether there was any.
    ///
    /// # Errors
    /// [`GameError::Db`]; nothing is half done, and it is tried again.
    pub async fn work_once(&self) -> Result<bool, GameError> {
        Ok(self.close_due_league().await? || self.advance_task().await?)
    }

    /// Waits until what happened is awarded: tasks are done and the inbox is empty.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn is_caught_up(&self) -> Result<bool, GameError> {
        let mut conn = self.conn().await?;
        Ok(tasks::open(&mut conn).await? == 0 && events::backlog(&mut conn, AWARDS).await? == 0)
    }

    async fn advance_task(&self) -> Result<bool, GameError> {
        let mut conn = self.conn().await?;
        let done = (*conn)
            .transaction(async |conn| {
                let Some(task) = tasks::take(conn).await? else { return Ok(None) };
                let awarded = match task.name.as_str() {
                    REPLAY => self.replay_one(conn, &task).await?,
                    name if name.starts_with(BADGES) => self.sweep_badges(conn, &task).await?,
                    _ => {
                        tasks::done(conn, &task.name).await?;
                        Awarded::default()
                    }
                };
                Ok::<_, GameError>(Some(awarded))
            })
            .await?;
        let Some(awarded) = done else { return Ok(false) };
        if !awarded.is_empty() {
            self.count(&awarded);
        }
        Ok(true)
    }

    /// One event a transaction: people are locked in the order that everybody keeps.
    async fn replay_one(&self, conn: &mut AsyncPgConnection, task: &Task) -> Result<Awarded, GameError> {
        let after = task.position.parse().unwrap_or(0);
        let Some(event) = events::past(conn, SUBJECTS, after, 1).await?.pop() else {
            tasks::done(conn, &task.name).await?;
            return Ok(Awarded::default());
        };
        self.lock_for(conn, &[&event]).await?;
        let awarded = self.take(conn, &event).await?;
        tasks::advance(conn, &task.name, &event.sequence.to_string()).await?;
        Ok(awarded)
    }

    async fn sweep_badges(&self, conn: &mut AsyncPgConnection, task: &Task) -> Result<Awarded, GameError> {
        let after: Uuid = task.position.parse().unwrap_or_default();
        let people = members::after(conn, after, PEOPLE).await?;
        let Some(last) = people.last() else {
            tasks::done(conn, &task.name).await?;
            return Ok(Awarded::default());
        };
        tasks::advance(conn, &task.name, &last.to_string()).await?;
        let mut awarded = Awarded::default();
        for user in people {
            awarded.badges.extend(self.badges_again(conn, user).await?);
        }
        Ok(awarded)
    }

    /// Looks at somebody's badges by the present rules.
    pub(super) async fn badges_again(
        &self,
        conn: &mut AsyncPgConnection,
        user: UserId,
    ) -> Result<Vec<String>, GameError> {
        let mut member = members::lock(conn, user).await?;
        if member.erased_at.is_some() {
            return Ok(Vec::new());
        }
        let given = self.look_at_badges(conn, &mut member, self.now()).await?;
        members::save(conn, &member).await?;
        Ok(given)
    }
}
