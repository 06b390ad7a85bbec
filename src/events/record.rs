//! Recording an event in the transaction of the change it tells of.

use std::future::Future;

use chrono::Utc;
use diesel::ExpressionMethods;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Envelope, schema::outbox, topics::is_declared};
use crate::{postgres::DbError, telemetry::correlation};

/// An event to record.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// `<aggregate>.<past_tense>`: `gig.posted`.
    pub subject: &'static str,
    /// The context that tells of it: `gigs`. A stream of the bus.
    pub context: &'static str,
    /// What it is about: the gig's id.
    pub aggregate: String,
    /// The aggregate's version after the change.
    pub version: i64,
    /// What happened.
    pub data: Value,
}

/// What the work in hand goes back to, beside its correlation id.
#[derive(Clone, Debug, Default)]
struct Cause {
    event: Option<Uuid>,
    traceparent: Option<String>,
}

tokio::task_local! {
    static CAUSE: Cause;
}

/// Runs `work` as caused by `event`: what it records names it, under the given W3C trace context.
pub(super) fn caused_by<F: Future>(
    event: &Envelope,
    traceparent: Option<String>,
    work: F,
) -> impl Future<Output = F::Output> {
    CAUSE.scope(Cause { event: Some(event.id), traceparent }, work)
}

/// Runs `work` under the W3C trace context of a request.
pub fn traced<F: Future>(traceparent: Option<String>, work: F) -> impl Future<Output = F::Output> {
    CAUSE.scope(Cause { event: None, traceparent }, work)
}

/// The largest event, in bytes of JSON. NATS takes a megabyte by default.
const LARGEST: usize = 256 * 1024;

/// Woken whenever something is recorded in this process.
pub(super) static RECORDED: Notify = Notify::const_new();

/// An event whose id is known before it is recorded, so that recording it again is harmless.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its id: the same for the same happening, whoever works it out and however often. In the shape of
    /// a UUIDv7.
    pub id: Uuid,
    /// The request that caused it.
    pub correlation_id: String,
    /// What happened.
    pub event: NewEvent,
}

/// Records events in one statement, in the order given; those that were recorded before are left out.
/// Otherwise as [`record`].
///
/// # Errors
/// The database's. The transaction is then void.
pub async fn record_all(conn: &mut AsyncPgConnection, events: &[Recorded]) -> Result<(), DbError> {
    if events.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(events.len());
    for Recorded { id, correlation_id, event } in events {
        let (envelope, json) = envelope_of(*id, correlation_id.clone(), event.clone())?;
        rows.push((
            outbox::id.eq(envelope.id),
            outbox::context.eq(envelope.context),
            outbox::subject.eq(envelope.subject),
            outbox::aggregate.eq(envelope.aggregate),
            outbox::version.eq(envelope.version),
            outbox::correlation_id.eq(envelope.correlation_id),
            outbox::envelope.eq(json),
        ));
    }
    diesel::insert_into(outbox::table)
        .values(rows)
        .on_conflict(outbox::id)
        .do_nothing()
        .execute(conn)
        .await?;
    RECORDED.notify_one();
    Ok(())
}

/// Records an event; its id. Call it in the transaction of the change, once the aggregate's row is
/// written or locked: that is what puts an aggregate's events in order. Correlation id, causing
/// event and trace context are those of the work in hand.
///
/// # Errors
/// The database's. The transaction is then void.
pub async fn record(conn: &mut AsyncPgConnection, event: NewEvent) -> Result<Uuid, DbError> {
    let correlation_id = correlation::current_or_fresh().as_str().to_owned();
    let (envelope, json) = envelope_of(Uuid::now_v7(), correlation_id, event)?;
    diesel::insert_into(outbox::table)
        .values((
            outbox::id.eq(envelope.id),
            outbox::context.eq(&envelope.context),
            outbox::subject.eq(&envelope.subject),
            outbox::aggregate.eq(&envelope.aggregate),
            outbox::version.eq(envelope.version),
            outbox::correlation_id.eq(&envelope.correlation_id),
            outbox::envelope.eq(json),
        ))
        .execute(conn)
        .await?;
    RECORDED.notify_one();
    Ok(envelope.id)
}

fn envelope_of(id: Uuid, correlation_id: String, event: NewEvent) -> Result<(Envelope, Value), DbError> {
    if !is_declared(event.context, event.subject) {
        let detail = format!("events::TOPICS has no {} in {}", event.subject, event.context);
        return Err(DbError::Other(detail.into()));
    }
    let cause = CAUSE.try_with(Clone::clone).unwrap_or_default();
    let envelope = Envelope {
        id,
        subject: event.subject.to_owned(),
        context: event.context.to_owned(),
        aggregate: event.aggregate,
        version: event.version,
        sequence: 0,
        time: Utc::now(),
        data: event.data,
        correlation_id,
        causation_id: cause.event,
        traceparent: cause.traceparent,
    };
    let json = envelope.to_json();
    let size = json.to_string().len();
    if size > LARGEST {
        let detail = format!("an event of {size} bytes: tell what changed, not all there is");
        return Err(DbError::Other(detail.into()));
    }
    Ok((envelope, json))
}
