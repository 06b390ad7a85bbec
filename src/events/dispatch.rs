//! From the inboxes to the consumers: each event and its effect in one transaction, the events of an
//! aggregate one after the other.
//!
//! What has never failed goes several events to a transaction, of several aggregates: a commit costs more
//! than most effects. When one of them fails, all of it is undone, the failure is that event's alone,
//! and the others go again one by one.

use std::{
    any::Any,
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use diesel::{
    ExpressionMethods, QueryDsl, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::sync::watch;
use uuid::Uuid;

use super::{
    AfterCommit, ConsumeError, Consumer, Envelope, Settings, inlet::Inboxes, letters, metrics::EventMetrics,
    record::caused_by, schema::inbox, stopped,
};
use crate::{
    postgres::{Database, DbError, Kept},
    telemetry::{
        correlation::{self, CorrelationId},
        log,
        tracing::{Span, SpanContext, SpanKind},
    },
};

/// Aggregates looked up at once.
const HEADS: i64 = 128;
/// Events of one aggregate in a row before the others get their turn.
const IN_A_ROW: usize = 64;
/// Events that a worker takes at least, if there are as many: dealt out in ones, each would be a commit of
/// its own.
const SHARE: usize = 16;
/// How long to the next look when nobody says that something is there. The [`Lookout`](super::lookout) does.
const LOOK: Duration = Duration::from_secs(30);
/// Pause while the database is away.
const PAUSE: Duration = Duration::from_millis(500);

/// One consumer's worker.
pub(super) struct Dispatcher {
    pub database: Database,
    pub consumer: Arc<dyn Consumer>,
    pub inboxes: Arc<Inboxes>,
    pub settings: Settings,
    pub metrics: EventMetrics,
}

/// Which events keep their order.
#[derive(Clone, PartialEq, Eq, Hash, diesel::Queryable, QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    context: String,
    #[diesel(sql_type = Text)]
    aggregate: String,
}

/// An event at its place in a line.
#[derive(QueryableByName)]
struct Fresh {
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Text)]
    context: String,
    #[diesel(sql_type = Text)]
    aggregate: String,
    #[diesel(sql_type = Nullable<Jsonb>)]
    envelope: Option<serde_json::Value>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Bool)]
    due: bool,
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Nullable<Jsonb>)]
    envelope: Option<serde_json::Value>,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Bool)]
    due: bool,
}

/// What became of the next event of a line.
enum Step {
    /// It took effect; whether another waits behind it.
    Handled(bool),
    /// There is none, it is not due, or another node has it in hand.
    Nothing,
    /// It failed, and what is to be done about it is done.
    Failed,
}

/// What became of the first events of some lines.
enum Together {
    /// Whether there were any; they took effect.
    Done(bool),
    /// The first event of this line failed, which is noted. None took effect.
    Failed(Line),
}

/// Why a transaction was undone.
enum Undone {
    Db(DbError),
    Consumer {
        event: Box<Envelope>,
        attempts: i32,
        error: ConsumeError,
    },
    /// The row holds no event: it can only be put aside.
    Unreadable {
        event_id: Uuid,
        attempts: i32,
        error: String,
    },
}

impl From<diesel::result::Error> for Undone {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl Dispatcher {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let bell = self.inboxes.bell(self.consumer.name());
        let this = Arc::new(self);
        loop {
            let worked = this.round(&stop).await;
            if *stop.borrow() {
                return;
            }
            let wait = match worked {
                Ok(true) => continue,
                Ok(false) => LOOK,
                Err(error) => {
                    slog::warn!(log(), "an inbox cannot be read; its events wait";
                        "consumer" => this.consumer.name(), "error" => %error);
                    PAUSE
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = bell.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Works off the lines whose next event is due; whether any was handled.
    async fn round(self: &Arc<Self>, stop: &watch::Receiver<bool>) -> Result<bool, DbError> {
        let lines = self.lines().await?;
        // Dealt out evenly, so that nobody waits for one worker's long list; but not in ones where they can
        // share a commit.
        let together = self.settings.together.max(1);
        let least = if self.consumer.shares_transactions() { SHARE.min(together) } else { 1 };
        let share = lines.len().div_ceil(self.settings.concurrency.max(1)).clamp(least, together);
        let shares: Vec<Vec<Line>> = lines.chunks(share).map(<[Line]>::to_vec).collect();
        let given_up = Arc::new(AtomicBool::new(false));
        let work = stream::iter(shares).map(|lines| {
            let this = self.clone();
            let stop = stop.clone();
            let given_up = given_up.clone();
            async move {
                if AtomicBool::load(&given_up, Relaxed) {
                    return Ok(false);
                }
                let handled = this.share(lines, &stop).await;
                if handled.is_err() {
                    AtomicBool::store(&given_up, true, Relaxed);
                }
                handled
            }
        });
        let (mut any, mut failed) = (false, None);
        let mut done = work.buffer_unordered(self.settings.concurrency.max(1));
        while let Some(handled) = done.next().await {
            match handled {
                Ok(handled) => any |= handled,
                // The other workers go on to their ends. Dropped in the middle, their transactions would stay
                // open, with all their locks, until somebody takes those connections.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(any), Err)
    }

    async fn lines(&self) -> Result<Vec<Line>, DbError> {
        let mut conn = self.database.conn().await?;
        let query = diesel::sql_query(
            "select i.context, i.aggregate from platform.inbox i \
             where i.consumer = $1 and i.handled_at is null and i.died_at is null and i.next_at <= now() \
             and not exists (select from platform.inbox e where e.consumer = i.consumer \
                 and e.context = i.context and e.aggregate = i.aggregate and e.seq < i.seq \
                 and e.handled_at is null and e.died_at is null) \
             order by i.seq limit $2",
        )
        .bind::<Text, _>(self.consumer.name())
        .bind::<BigInt, _>(HEADS);
        // Asked several times a second by every consumer, whether there is anything or not.
        Ok(Kept(query).load(&mut conn).await?)
    }

    /// Works off the beginnings of some lines: together, and what that leaves one by one.
    async fn share(&self, lines: Vec<Line>, stop: &watch::Receiver<bool>) -> Result<bool, DbError> {
        if *stop.borrow() {
            return Ok(false);
        }
        let together = if self.consumer.shares_transactions() { self.settings.together } else { 1 };
        let failed = match together {
            0 | 1 => None,
            _ => match self.together(&lines).await {
                Ok(Together::Done(true)) => return Ok(true),
                Ok(Together::Done(false)) => None,
                Ok(Together::Failed(line)) => Some(line),
                Err(error) if error.is_unavailable() => return Err(error),
                // Refused at the commit: alone it shows whose fault that is.
                Err(_) => None,
            },
        };
        let mut any = failed.is_some();
        for line in lines.iter().filter(|line| Some(*line) != failed.as_ref()) {
            any |= self.line(line, stop).await?;
        }
        Ok(any)
    }

    /// Handles the first events of the lines in one transaction, those that have never failed. After a
    /// failure nothing of it is left, and the event that failed is dealt with.
    async fn together(&self, lines: &[Line]) -> Result<Together, DbError> {
        let name = self.consumer.name();
        let mut conn = self.database.conn().await?;
        let mut at = None;
        let done = conn
            .transaction(async |conn| {
                let mine = take_turns(conn, name, lines).await?;
                if mine.is_empty() {
                    return Ok(Vec::new());
                }
                let mut held_back = HashSet::new();
                let (mut handled, mut ids, mut events) = (Vec::new(), Vec::new(), Vec::new());
                for fresh in first_events(conn, name, &mine, self.settings.together).await? {
                    let Fresh { event_id, context, aggregate, envelope, attempts, due } = fresh;
                    let line = Line { context, aggregate };
                    // What has failed before goes alone, and those behind it wait for it.
                    if !due || attempts > 0 || held_back.contains(&line) {
                        held_back.insert(line);
                        continue;
                    }
                    match Envelope::from_json(envelope.unwrap_or_default()) {
                        Ok(event) => events.push((line, event_id, attempts, Box::new(event))),
                        Err(error) => {
                            at = Some(line);
                            return Err(Undone::Unreadable { event_id, attempts, error: error.to_string() });
                        }
                    }
                }
                // A failure in here is nobody's: each goes again alone.
                let all: Vec<&Envelope> = events.iter().map(|(.., event)| &**event).collect();
                self.prepare(conn, &all).await?;
                for (line, event_id, attempts, event) in events {
                    at = Some(line);
                    match self.handle(conn, &event).await {
                        Ok(after) => handled.push((event, after)),
                        Err(error) => return Err(Undone::Consumer { event, attempts, error }),
                    }
                    ids.push(event_id);
                }
                if !ids.is_empty() {
                    diesel::update(inbox::table)
                        .filter(inbox::consumer.eq(name))
                        .filter(inbox::event_id.eq_any(&ids))
                        .set((
                            inbox::handled_at.eq(diesel::dsl::now),
                            inbox::attempts.eq(inbox::attempts + 1),
                            inbox::envelope.eq(None::<serde_json::Value>),
                            inbox::error.eq(None::<String>),
                        ))
                        .execute(conn)
                        .await?;
                }
                Ok(handled)
            })
            .await;
        match (done, at) {
            (Ok(handled), _) => {
                self.metrics.handled.with_label_values(&[name]).inc_by(handled.len() as u64);
                let any = !handled.is_empty();
                for (event, after) in handled {
                    self.run_after(&event, after);
                }
                Ok(Together::Done(any))
            }
            (Err(undone), Some(line)) => {
                self.note(&mut conn, undone).await?;
                Ok(Together::Failed(line))
            }
            (Err(undone), None) => {
                self.note(&mut conn, undone).await?;
                Ok(Together::Done(false))
            }
        }
    }

    async fn prepare(&self, conn: &mut AsyncPgConnection, events: &[&Envelope]) -> Result<(), Undone> {
        self.consumer.prepare(conn, events).await.map_err(|error| {
            Undone::Db(match error {
                ConsumeError::Db(error) => error,
                other => DbError::Other(other.into()),
            })
        })
    }

    async fn line(&self, line: &Line, stop: &watch::Receiver<bool>) -> Result<bool, DbError> {
        let mut any = false;
        for _ in 0..IN_A_ROW {
            if *stop.borrow() {
                break;
            }
            match self.step(line).await? {
                Step::Handled(more) => {
                    any = true;
                    if !more {
                        break;
                    }
                }
                Step::Failed | Step::Nothing => break,
            }
        }
        Ok(any)
    }

    async fn step(&self, line: &Line) -> Result<Step, DbError> {
        let name = self.consumer.name();
        let mut conn = self.database.conn().await?;
        let done = conn
            .transaction(async |conn| {
                if !take_turn(conn, name, line).await? {
                    return Ok(None);
                }
                let mut waiting = next(conn, name, line).await?.into_iter();
                let Some(first) = waiting.next().filter(|first| first.due) else {
                    return Ok(None);
                };
                let more = waiting.next().is_some();
                let Waiting { event_id, envelope, attempts, .. } = first;
                let event = match Envelope::from_json(envelope.unwrap_or_default()) {
                    Ok(event) => Box::new(event),
                    Err(error) => {
                        return Err(Undone::Unreadable { event_id, attempts, error: error.to_string() });
                    }
                };
                if let Err(error) = self.consumer.prepare(conn, &[&event]).await {
                    return Err(Undone::Consumer { event, attempts, error });
                }
                match self.handle(conn, &event).await {
                    Ok(after) => {
                        diesel::update(inbox::table.find((name, event_id)))
                            .set((
                                inbox::handled_at.eq(diesel::dsl::now),
                                inbox::attempts.eq(attempts + 1),
                                inbox::envelope.eq(None::<serde_json::Value>),
                                inbox::error.eq(None::<String>),
                            ))
                            .execute(conn)
                            .await?;
                        Ok(Some((event, after, more)))
                    }
                    Err(error) => Err(Undone::Consumer { event, attempts, error }),
                }
            })
            .await;
        match done {
            Ok(None) => Ok(Step::Nothing),
            Ok(Some((event, after, more))) => {
                self.metrics.handled.with_label_values(&[name]).inc();
                self.run_after(&event, after);
                Ok(Step::Handled(more))
            }
            Err(undone) => {
                self.note(&mut conn, undone).await?;
                Ok(Step::Failed)
            }
        }
    }

    /// Does what is to be done about a failure; gives it back when it is the database's.
    async fn note(&self, conn: &mut AsyncPgConnection, undone: Undone) -> Result<(), DbError> {
        match undone {
            Undone::Db(error) => Err(error),
            Undone::Consumer { error: ConsumeError::Db(error), .. } if error.is_unavailable() => Err(error),
            Undone::Consumer { event, attempts, error } => {
                let last = matches!(error, ConsumeError::Reject(_));
                self.failed(conn, event.id, attempts + 1, &explain(&error), last).await
            }
            Undone::Unreadable { event_id, attempts, error } => {
                self.failed(conn, event_id, attempts + 1, &error, true).await
            }
        }
    }

    /// The consumer's part, under the event's correlation id, bounded in time, its panics caught.
    async fn handle(
        &self,
        conn: &mut AsyncPgConnection,
        event: &Envelope,
    ) -> Result<AfterCommit, ConsumeError> {
        let id = CorrelationId::parse(&event.correlation_id).unwrap_or_else(CorrelationId::fresh);
        let parent = event.traceparent.as_deref().and_then(SpanContext::parse);
        let mut span =
            Span::begin(SpanKind::Consumer, parent, || format!("process {}", event.subject).into());
        let (id, traceparent) = match &mut span {
            Some(span) => {
                span.note("messaging.consumer.group.name", self.consumer.name());
                span.note("messaging.message.id", event.id.to_string());
                span.note("gigsy.correlation_id", event.correlation_id.clone());
                (id.under(span.context()), Some(span.context().to_traceparent()))
            }
            None => (id, event.traceparent.clone()),
        };
        let work = AssertUnwindSafe(self.consumer.handle(conn, event)).catch_unwind();
        let bounded = tokio::time::timeout(self.settings.handle_within, work);
        let done = match correlation::scope(id, caused_by(event, traceparent, bounded)).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => Err(ConsumeError::Retry(format!("panicked: {}", panic_message(&*panic)))),
            Err(_) => Err(ConsumeError::Retry("it took too long".to_owned())),
        };
        if let Some(mut span) = span
            && done.is_err()
        {
            span.fail();
        }
        done
    }

    fn run_after(&self, event: &Envelope, after: AfterCommit) {
        let id = CorrelationId::parse(&event.correlation_id).unwrap_or_else(CorrelationId::fresh);
        correlation::sync_scope(id, || {
            slog::debug!(log(), "event handled"; "consumer" => self.consumer.name(), "event_id" => %event.id,
                "subject" => &event.subject, "aggregate" => &event.aggregate);
            for step in after.into_steps() {
                if std::panic::catch_unwind(AssertUnwindSafe(step)).is_err() {
                    slog::error!(log(), "what follows an event panicked"; "consumer" => self.consumer.name(),
                        "event_id" => %event.id);
                }
            }
        });
    }

    /// Notes a failure: later again, or a dead letter. Whoever else handled it meanwhile was right.
    async fn failed(
        &self,
        conn: &mut AsyncPgConnection,
        event_id: Uuid,
        attempts: i32,
        error: &str,
        last: bool,
    ) -> Result<(), DbError> {
        let name = self.consumer.name();
        if last || attempts >= self.settings.attempts {
            slog::error!(log(), "an event became a dead letter"; "consumer" => name, "event_id" => %event_id,
                "attempts" => attempts, "error" => error);
            if letters::bury(conn, name, event_id, attempts, error).await? {
                self.metrics.dead.with_label_values(&[name]).inc();
            }
            return Ok(());
        }
        let wait = self.settings.backoff_after(attempts);
        slog::warn!(log(), "an event is tried again"; "consumer" => name, "event_id" => %event_id,
            "attempts" => attempts, "in_ms" => wait.as_millis() as u64, "error" => error);
        self.metrics.retried.with_label_values(&[name]).inc();
        diesel::sql_query(
            "update platform.inbox set attempts = $3, error = $4, next_at = now() + $5 * interval '1 millisecond' \
             where consumer = $1 and event_id = $2 and handled_at is null and died_at is null",
        )
        .bind::<Text, _>(name)
        .bind::<diesel::sql_types::Uuid, _>(event_id)
        .bind::<diesel::sql_types::Integer, _>(attempts)
        .bind::<Text, _>(error)
        .bind::<BigInt, _>(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// One node at a time works on a line.
async fn take_turn(conn: &mut AsyncPgConnection, consumer: &str, line: &Line) -> Result<bool, Undone> {
    #[derive(QueryableByName)]
    struct Turn {
        #[diesel(sql_type = Bool)]
        mine: bool,
    }
    let key = format!("{consumer}/{}/{}", line.context, line.aggregate);
    let query = diesel::sql_query("select pg_try_advisory_xact_lock(hashtextextended($1, 3)) as mine")
        .bind::<Text, _>(key);
    let turn: Turn = Kept(query).get_result(conn).await?;
    Ok(turn.mine)
}

/// The lines that are this node's for now.
async fn take_turns(
    conn: &mut AsyncPgConnection,
    consumer: &str,
    lines: &[Line],
) -> Result<Vec<Line>, Undone> {
    #[derive(QueryableByName)]
    struct Turn {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let keys: Vec<String> =
        lines.iter().map(|line| format!("{consumer}/{}/{}", line.context, line.aggregate)).collect();
    let query = diesel::sql_query(
        "select n from unnest($1) with ordinality as t (key, n) \
         where pg_try_advisory_xact_lock(hashtextextended(key, 3))",
    )
    .bind::<Array<Text>, _>(keys);
    let turns: Vec<Turn> = Kept(query).load(conn).await?;
    let line = |turn: Turn| usize::try_from(turn.n).ok().and_then(|n| lines.get(n.checked_sub(1)?)).cloned();
    Ok(turns.into_iter().filter_map(line).collect())
}

/// The first events of these lines that are not done, due or not, in the order of all.
async fn first_events(
    conn: &mut AsyncPgConnection,
    consumer: &str,
    lines: &[Line],
    limit: usize,
) -> Result<Vec<Fresh>, Undone> {
    let (contexts, aggregates): (Vec<&str>, Vec<&str>) =
        lines.iter().map(|line| (line.context.as_str(), line.aggregate.as_str())).unzip();
    let query = diesel::sql_query(
        "select i.event_id, i.context, i.aggregate, i.envelope, i.attempts, i.next_at <= now() as due \
         from platform.inbox i join unnest($2, $3) as l (context, aggregate) \
           on l.context = i.context and l.aggregate = i.aggregate \
         where i.consumer = $1 and i.handled_at is null and i.died_at is null order by i.seq limit $4",
    )
    .bind::<Text, _>(consumer)
    .bind::<Array<Text>, _>(contexts)
    .bind::<Array<Text>, _>(aggregates)
    .bind::<BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(Kept(query).load(conn).await?)
}

/// The first two events of the line that are not done, due or not.
async fn next(conn: &mut AsyncPgConnection, consumer: &str, line: &Line) -> Result<Vec<Waiting>, Undone> {
    let query = diesel::sql_query(
        "select event_id, envelope, attempts, next_at <= now() as due from platform.inbox \
         where consumer = $1 and context = $2 and aggregate = $3 and handled_at is null and died_at is null \
         order by seq limit 2",
    )
    .bind::<Text, _>(consumer)
    .bind::<Text, _>(&line.context)
    .bind::<Text, _>(&line.aggregate);
    Ok(Kept(query).load(conn).await?)
}

/// The error with what lies behind it; kept for operators.
fn explain(error: &ConsumeError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text.chars().take(2_000).collect()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no message)".to_owned())
}
