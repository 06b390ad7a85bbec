//! From the outbox to the bus. One relay at a time, whichever node's: an advisory lock decides, so
//! that an aggregate's events go out in the order of their numbers.

use std::{sync::Arc, time::Duration};

use diesel::{ExpressionMethods, QueryDsl, QueryableByName, sql_types::Bool};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Envelope, Settings, record::RECORDED, schema::outbox, stopped};
use crate::{
    events::metrics::EventMetrics,
    ports::bus::{BusError, Message},
    postgres::{Database, DbError},
    telemetry::{
        log,
        tracing::{Span, SpanContext, SpanKind},
    },
};

/// Events published in one go.
const BATCH: i64 = 512;
/// How long to the next look when nobody says that there is something.
const LOOK: Duration = Duration::from_millis(250);
/// After something was recorded: its transaction is about to commit.
const SOON: [Duration; 4] = [
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(20),
    Duration::from_millis(60),
];
/// Pause after the bus or the database failed.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// Turns of the relay, "gigsyrel" in ASCII.
const TURN: i64 = 0x6769_6773_7972_656c;

/// Who publishes: the embedded bus, or the bridge's actor.
pub(super) trait Publisher: Send + Sync + 'static {
    fn publish(&self, messages: Vec<Message>) -> BoxFuture<'_, Vec<Result<(), BusError>>>;
    /// Whether everything that was published has come back.
    fn caught_up(&self) -> bool;
}

pub(super) struct Relay {
    pub database: Database,
    pub publisher: Arc<dyn Publisher>,
    pub settings: Settings,
    pub metrics: EventMetrics,
}

#[derive(diesel::Queryable)]
struct Row {
    seq: i64,
    id: Uuid,
    context: String,
    subject: String,
    aggregate: String,
    correlation_id: String,
    envelope: serde_json::Value,
}

/// What one go came to.
#[derive(Debug, PartialEq, Eq)]
enum Go {
    /// All of so many.
    Done(usize),
    /// Another node is at it.
    NotMyTurn,
    /// The bus did not take all.
    Refused,
}

impl Relay {
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (mut pause, longest) = PAUSES;
        let mut looked_for_lost = tokio::time::Instant::now();
        loop {
            let wait = match self.go().await {
                Ok(Go::Done(n)) if n == BATCH as usize => Duration::ZERO,
                Ok(Go::Done(_) | Go::NotMyTurn) => {
                    pause = PAUSES.0;
                    LOOK
                }
                Ok(Go::Refused) => {
                    pause = (pause * 2).min(longest);
                    pause
                }
                Err(error) => {
                    slog::warn!(log(), "the outbox cannot be read; events wait"; "error" => %error);
                    pause = (pause * 2).min(longest);
                    pause
                }
            };
            if looked_for_lost.elapsed() > self.settings.return_within / 4 && self.publisher.caught_up() {
                looked_for_lost = tokio::time::Instant::now();
                if let Err(error) = self.publish_lost_again().await {
                    slog::warn!(log(), "could not look for lost events"; "error" => %error);
                }
            }
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = RECORDED.notified(), if wait == LOOK => self.look_soon().await,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The event was recorded, its transaction perhaps not committed: looks a few times quickly.
    async fn look_soon(&self) {
        for wait in SOON {
            tokio::time::sleep(wait).await;
            match self.go().await {
                Ok(Go::Done(0)) => {}
                _ => return,
            }
        }
    }

    async fn go(&self) -> Result<Go, DbError> {
        #[derive(QueryableByName)]
        struct Turn {
            #[diesel(sql_type = Bool)]
            mine: bool,
        }
        let mut conn = self.database.conn().await?;
        // Without a transaction for the common case: nothing to do.
        let any: Vec<i64> = outbox::table
            .filter(outbox::published_at.is_null())
            .select(outbox::seq)
            .limit(1)
            .load(&mut conn)
            .await?;
        if any.is_empty() {
            return Ok(Go::Done(0));
        }
        conn.transaction(async |conn| {
            let turn: Turn = diesel::sql_query("select pg_try_advisory_xact_lock($1) as mine")
                .bind::<diesel::sql_types::BigInt, _>(TURN)
                .get_result(conn)
                .await?;
            if !turn.mine {
                return Ok(Go::NotMyTurn);
            }
            let rows: Vec<Row> = outbox::table
                .filter(outbox::published_at.is_null())
                .order(outbox::seq)
                .limit(BATCH)
                .select((
                    outbox::seq,
                    outbox::id,
                    outbox::context,
                    outbox::subject,
                    outbox::aggregate,
                    outbox::correlation_id,
                    outbox::envelope,
                ))
                .load(conn)
                .await?;
            self.publish(conn, rows).await
        })
        .await
    }

    async fn publish(&self, conn: &mut AsyncPgConnection, rows: Vec<Row>) -> Result<Go, DbError> {
        let count = rows.len();
        let seqs: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let messages: Vec<Message> = rows.into_iter().map(message).collect();
        let spans: Vec<Option<Span>> = messages.iter().map(publishing).collect();
        let answers = self.publisher.publish(messages).await;
        let (mut done, mut failed, mut why) = (Vec::new(), Vec::new(), None);
        for ((seq, answer), span) in seqs.into_iter().zip(answers).zip(spans) {
            match answer {
                Ok(()) => done.push(seq),
                Err(error) => {
                    if let Some(mut span) = span {
                        span.fail();
                    }
                    failed.push(seq);
                    why.get_or_insert(error);
                }
            }
        }
        diesel::update(outbox::table)
            .filter(outbox::seq.eq_any(&done))
            .set(outbox::published_at.eq(diesel::dsl::now))
            .execute(conn)
            .await?;
        self.metrics.published.inc_by(done.len() as u64);
        let Some(why) = why else { return Ok(Go::Done(count)) };
        slog::warn!(log(), "the bus did not take events; they wait"; "events" => failed.len(), "error" => %why);
        diesel::update(outbox::table)
            .filter(outbox::seq.eq_any(&failed))
            .set(outbox::attempts.eq(outbox::attempts + 1))
            .execute(conn)
            .await?;
        Ok(Go::Refused)
    }

    async fn publish_lost_again(&self) -> Result<(), DbError> {
        let mut conn = self.database.conn().await?;
        let again = diesel::sql_query(
            "update platform.outbox set published_at = null \
             where received_at is null and published_at < now() - $1 * interval '1 millisecond'",
        )
        .bind::<diesel::sql_types::BigInt, _>(
            i64::try_from(self.settings.return_within.as_millis()).unwrap_or(i64::MAX),
        )
        .execute(&mut conn)
        .await?;
        if again > 0 {
            slog::error!(log(), "the bus lost events; they are published again"; "events" => again);
        }
        Ok(())
    }
}

/// The span of an event's way to the bus, beside its consumers' under the span in which it was recorded.
fn publishing(message: &Message) -> Option<Span> {
    let parent = message.traceparent.as_deref().and_then(SpanContext::parse)?;
    let name = || format!("publish {}", message.subject).into();
    let mut span = Span::begin(SpanKind::Producer, Some(parent), name)?;
    span.note("messaging.message.id", message.id.to_string());
    Some(span)
}

/// The row as the bus carries it; its number in the order of all goes along.
fn message(row: Row) -> Message {
    let Row { seq, id, context, subject, aggregate, correlation_id, mut envelope } = row;
    let mut traceparent = None;
    if let Some(fields) = envelope.as_object_mut() {
        fields.insert("sequence".into(), seq.to_string().into());
        traceparent = fields.get("traceparent").and_then(|t| t.as_str()).map(str::to_owned);
    }
    debug_assert!(Envelope::from_json(envelope.clone()).is_ok());
    Message {
        id,
        key: format!("{context}/{aggregate}"),
        stream: context,
        subject,
        correlation_id,
        traceparent,
        body: envelope.to_string().into(),
    }
}
