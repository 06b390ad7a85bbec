//! Timers and jobs that outlive the process, and the worker that does what is due.
//!
//! A context that has machines has a table `timers` in its schema. A worker first leases what is due, so that
//! no other worker takes it for a while, then does it. The timer's row goes in the transaction of its effect:
//! whoever finds no row any more does nothing. So it takes effect once, across crashes and nodes, and locks
//! are always taken in the same order.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    error::Fault,
    postgres::{Database, DbError},
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// The `machine` of what is no step but something to be done.
pub const JOB: &str = "job";

/// How long a worker may take for what it leased before another one takes it too.
const LEASE: Duration = Duration::seconds(60);
/// How often timers are looked at when nothing wakes the worker.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);
/// Timers taken at once.
const BATCH: i64 = 20;
/// Of these at the same time.
const AT_ONCE: usize = 4;
/// The longest pause between two attempts, in seconds.
const LONGEST_PAUSE: i64 = 3_600;

/// What is to happen, and when.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Timer {
    /// Its own id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// The machine whose step it takes, or [`JOB`].
    #[diesel(sql_type = Text)]
    pub machine: String,
    /// The thing that the step is of.
    #[diesel(sql_type = SqlUuid)]
    pub entity_id: Uuid,
    /// The step's or the job's name.
    #[diesel(sql_type = Text)]
    pub task: String,
    /// The version of the thing that it was set for.
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    /// When; while it is leased, when the lease ends.
    #[diesel(sql_type = Timestamptz)]
    pub due_at: DateTime<Utc>,
    /// How often it was leased.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// Of the request that set it.
    #[diesel(sql_type = Nullable<Text>)]
    pub correlation_id: Option<String>,
}

/// The timers of one context.
#[derive(Clone, Copy, Debug)]
pub struct Timers {
    schema: &'static str,
}

/// The methods fail with [`DbError`] when the database does.
impl Timers {
    /// The timers of the context whose schema has that name.
    pub const fn of(schema: &'static str) -> Self {
        Self { schema }
    }

    async fn lease(
        self,
        conn: &mut AsyncPgConnection,
        now: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<Timer>, DbError> {
        let timers = self.schema;
        let leased = diesel::sql_query(format!(
            "UPDATE {timers}.timers SET due_at = $2, attempts = attempts + 1 WHERE id IN (
                SELECT id FROM {timers}.timers WHERE due_at <= $1 ORDER BY due_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
             ) RETURNING id, machine, entity_id, task, version, due_at, attempts, correlation_id"
        ));
        Ok(leased
            .bind::<Timestamptz, _>(now)
            .bind::<Timestamptz, _>(now + LEASE)
            .bind::<BigInt, _>(limit)
            .get_results(conn)
            .await?)
    }

    /// Takes a timer's row away; `false` when somebody else did.
    pub async fn consume(self, conn: &mut AsyncPgConnection, id: Uuid) -> Result<bool, DbError> {
        let gone = diesel::sql_query(format!("DELETE FROM {}.timers WHERE id = $1", self.schema));
        Ok(gone.bind::<SqlUuid, _>(id).execute(conn).await? == 1)
    }

    async fn put_off(
        self,
        conn: &mut AsyncPgConnection,
        id: Uuid,
        until: DateTime<Utc>,
        error: &str,
    ) -> Result<(), DbError> {
        diesel::sql_query(format!("UPDATE {}.timers SET due_at = $2, error = $3 WHERE id = $1", self.schema))
            .bind::<SqlUuid, _>(id)
            .bind::<Timestamptz, _>(until)
            .bind::<Text, _>(error)
            .execute(conn)
            .await?;
        Ok(())
    }

    /// Sets a timer that is for no version, or moves it.
    pub async fn set(
        self,
        conn: &mut AsyncPgConnection,
        machine: &str,
        entity: Uuid,
        task: &str,
        due: DateTime<Utc>,
    ) -> Result<(), DbError> {
        self.insert(conn, (machine, task), (entity, 0), due, "UPDATE SET due_at = EXCLUDED.due_at").await
    }

    /// Sets a job; one that is set already for that version stays.
    pub async fn set_job(
        self,
        conn: &mut AsyncPgConnection,
        task: &str,
        entity: Uuid,
        version: i64,
        due: DateTime<Utc>,
    ) -> Result<(), DbError> {
        self.insert(conn, (JOB, task), (entity, version), due, "NOTHING").await
    }

    async fn insert(
        self,
        conn: &mut AsyncPgConnection,
        (machine, task): (&str, &str),
        (entity, version): (Uuid, i64),
        due: DateTime<Utc>,
        known: &str,
    ) -> Result<(), DbError> {
        diesel::sql_query(format!(
            "INSERT INTO {}.timers (id, machine, entity_id, task, version, due_at, correlation_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (machine, entity_id, task, version) DO {known}",
            self.schema
        ))
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<Text, _>(machine)
        .bind::<SqlUuid, _>(entity)
        .bind::<Text, _>(task)
        .bind::<BigInt, _>(version)
        .bind::<Timestamptz, _>(due)
        .bind::<Text, _>(correlation::current_or_fresh().as_str())
        .execute(conn)
        .await?;
        Ok(())
    }

    /// Takes a timer away that is not wanted any more, of whatever version.
    pub async fn drop_task(
        self,
        conn: &mut AsyncPgConnection,
        machine: &str,
        entity: Uuid,
        task: &str,
    ) -> Result<(), DbError> {
        let gone = diesel::sql_query(format!(
            "DELETE FROM {}.timers WHERE machine = $1 AND entity_id = $2 AND task = $3",
            self.schema
        ));
        gone.bind::<Text, _>(machine).bind::<SqlUuid, _>(entity).bind::<Text, _>(task).execute(conn).await?;
        Ok(())
    }

    /// Takes a job away that is done or not wanted any more.
    pub async fn drop_job(
        self,
        conn: &mut AsyncPgConnection,
        task: &str,
        entity: Uuid,
    ) -> Result<(), DbError> {
        self.drop_task(conn, JOB, entity, task).await
    }

    /// Whether such a job is set.
    pub async fn waiting(
        self,
        conn: &mut AsyncPgConnection,
        task: &str,
        entity: Uuid,
    ) -> Result<bool, DbError> {
        #[derive(QueryableByName)]
        struct There {
            #[diesel(sql_type = Bool)]
            there: bool,
        }
        let found = diesel::sql_query(format!(
            "SELECT EXISTS (SELECT 1 FROM {}.timers WHERE machine = $1 AND task = $2 AND entity_id = $3) AS there",
            self.schema
        ));
        let found = found.bind::<Text, _>(JOB).bind::<Text, _>(task).bind::<SqlUuid, _>(entity);
        Ok(found.get_result::<There>(conn).await?.there)
    }

    /// Takes what is due and does nothing with it, as a worker that dies.
    #[cfg(test)]
    pub(crate) async fn lease_for_test(self, conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> usize {
        self.lease(conn, now, BATCH).await.map_or(0, |taken| taken.len())
    }
}

/// A context that has timers.
pub trait Timed: Send + Sync {
    /// Its error.
    type Error: Fault + From<DbError> + Send;
    /// Its timers.
    const TIMERS: Timers;

    /// Where they are.
    fn database(&self) -> &Database;
    /// Now, by the platform's clock.
    fn now(&self) -> DateTime<Utc>;
    /// Told when something was set that is due at once.
    fn woken(&self) -> &Notify;
    /// Does one. Done twice (the lease ran out, a crash) it takes effect once.
    fn fire(&self, timer: &Timer) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Does what is due until the task is dropped; several may run, here and on other nodes.
pub async fn run(context: &impl Timed) {
    loop {
        match tick(context).await {
            Ok(0) => {
                // Whichever comes first; both lead to another look.
                let _ = tokio::time::timeout(LOOK, context.woken().notified()).await;
            }
            Ok(_) => {}
            Err(error) => {
                slog::warn!(log(), "timers cannot be read"; "error" => %error);
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// Does what is due now, once over; how many there were.
///
/// # Errors
/// When timers cannot be read. A timer that fails is put off, and told in the log.
pub async fn tick<C: Timed>(context: &C) -> Result<usize, C::Error> {
    let due = {
        let mut conn = context.database().conn().await?;
        C::TIMERS.lease(&mut conn, context.now(), BATCH).await?
    };
    // Side by side, so that a provider that is slow to answer holds up few others.
    let attended = stream::iter(&due).map(|timer| attend(context, timer)).buffer_unordered(AT_ONCE);
    attended.try_collect::<()>().await?;
    Ok(due.len())
}

/// Fires a timer; puts it off when it fails.
async fn attend<C: Timed>(context: &C, timer: &Timer) -> Result<(), C::Error> {
    let known = timer.correlation_id.as_deref().and_then(CorrelationId::parse);
    let id = known.unwrap_or_else(CorrelationId::fresh);
    let done = correlation::scope(id, context.fire(timer)).await;
    let Err(error) = done else { return Ok(()) };
    let pause = (1_i64 << timer.attempts.clamp(0, 12)).min(LONGEST_PAUSE);
    let until = context.now() + Duration::seconds(pause);
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    slog::warn!(log(), "a timer failed and is put off";
        "machine" => &timer.machine, "task" => &timer.task, "entity" => %timer.entity_id,
        "attempts" => timer.attempts, "kind" => error.kind().slug(), "error" => %error, "cause" => cause);
    let said = error.to_string();
    let mut conn = context.database().conn().await?;
    Ok(C::TIMERS.put_off(&mut conn, timer.id, until, &said).await?)
}

/// Takes a timer away that nobody knows any more.
///
/// # Errors
/// The database's.
pub async fn forget<C: Timed>(context: &C, timer: &Timer) -> Result<(), C::Error> {
    slog::warn!(log(), "a timer of an unknown sort"; "machine" => &timer.machine, "task" => &timer.task);
    C::TIMERS.consume(&mut *context.database().conn().await?, timer.id).await?;
    Ok(())
}
