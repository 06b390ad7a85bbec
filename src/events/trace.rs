//! The chain of events behind one correlation id, for operators.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;
use serde::Serialize;
use uuid::Uuid;

use super::schema::{dead_letters, inbox, outbox};
use crate::postgres::{Database, DbError};

/// A dead letter's error, and when it was replayed.
type Letter = (String, Option<DateTime<Utc>>);

/// Everything that one request (or timer) set off.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Trace {
    /// Where it all began.
    pub correlation_id: String,
    /// The events, in the order in which they were recorded.
    pub items: Vec<TracedEvent>,
}

/// One event, and what became of it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TracedEvent {
    /// The event's id.
    pub id: Uuid,
    /// The context that told of it.
    pub context: String,
    /// What happened.
    pub subject: String,
    /// To what.
    pub aggregate: String,
    /// Its version after that; absent once the outbox has forgotten the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The event in whose handling this one was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub causation_id: Option<Uuid>,
    /// When it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at: Option<DateTime<Utc>>,
    /// When the bus had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
    /// When it was in every consumer's inbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<DateTime<Utc>>,
    /// What its consumers did, by name.
    pub deliveries: Vec<TracedDelivery>,
}

/// One consumer's dealing with one event.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct TracedDelivery {
    /// Who.
    pub consumer: String,
    /// `waiting`, `handled` or `dead`.
    pub status: &'static str,
    /// How often it was tried.
    pub attempts: i32,
    /// When it came into the inbox.
    pub received_at: DateTime<Utc>,
    /// When it took effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handled_at: Option<DateTime<Utc>>,
    /// When it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub died_at: Option<DateTime<Utc>>,
    /// When an operator gave it to the consumer again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed_at: Option<DateTime<Utc>>,
    /// The last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

#[derive(diesel::Queryable)]
struct Recorded {
    id: Uuid,
    context: String,
    subject: String,
    aggregate: String,
    version: i64,
    envelope: serde_json::Value,
    created_at: DateTime<Utc>,
    published_at: Option<DateTime<Utc>>,
    received_at: Option<DateTime<Utc>>,
}

#[derive(diesel::Queryable)]
struct Delivered {
    consumer: String,
    event_id: Uuid,
    context: String,
    subject: String,
    aggregate: String,
    received_at: DateTime<Utc>,
    attempts: i32,
    error: Option<String>,
    handled_at: Option<DateTime<Utc>>,
    died_at: Option<DateTime<Utc>>,
}

/// Events of one trace at most.
const LIMIT: i64 = 1_000;

/// The chain behind `correlation_id`; empty when nothing (or nothing any more) is known of it.
///
/// # Errors
/// The database's.
pub async fn trace(database: &Database, correlation_id: &str) -> Result<Trace, DbError> {
    let mut conn = database.conn().await?;
    let recorded: Vec<Recorded> = outbox::table
        .filter(outbox::correlation_id.eq(correlation_id))
        .order(outbox::seq)
        .limit(LIMIT)
        .select((
            outbox::id,
            outbox::context,
            outbox::subject,
            outbox::aggregate,
            outbox::version,
            outbox::envelope,
            outbox::created_at,
            outbox::published_at,
            outbox::received_at,
        ))
        .load(&mut conn)
        .await?;
    let delivered: Vec<Delivered> = inbox::table
        .filter(inbox::correlation_id.eq(correlation_id))
        .order((inbox::seq, inbox::consumer))
        .limit(LIMIT * 8)
        .select((
            inbox::consumer,
            inbox::event_id,
            inbox::context,
            inbox::subject,
            inbox::aggregate,
            inbox::received_at,
            inbox::attempts,
            inbox::error,
            inbox::handled_at,
            inbox::died_at,
        ))
        .load(&mut conn)
        .await?;
    let letters: Vec<(String, Uuid, String, Option<DateTime<Utc>>)> = dead_letters::table
        .filter(dead_letters::correlation_id.eq(correlation_id))
        .select((
            dead_letters::consumer,
            dead_letters::event_id,
            dead_letters::error,
            dead_letters::replayed_at,
        ))
        .load(&mut conn)
        .await?;
    let mut letters: HashMap<(String, Uuid), Letter> =
        letters.into_iter().map(|(consumer, id, error, at)| ((consumer, id), (error, at))).collect();

    let mut items: Vec<TracedEvent> = recorded.into_iter().map(TracedEvent::from).collect();
    let mut places: HashMap<Uuid, usize> = items.iter().enumerate().map(|(n, item)| (item.id, n)).collect();
    for row in delivered {
        let place = *places.entry(row.event_id).or_insert_with(|| {
            items.push(TracedEvent::forgotten(&row));
            items.len() - 1
        });
        let letter = letters.remove(&(row.consumer.clone(), row.event_id));
        items[place].deliveries.push(TracedDelivery::new(row, letter));
    }
    Ok(Trace { correlation_id: correlation_id.to_owned(), items })
}

impl From<Recorded> for TracedEvent {
    fn from(row: Recorded) -> Self {
        let causation_id =
            row.envelope.get("causationid").and_then(|id| id.as_str()).and_then(|id| id.parse().ok());
        Self {
            id: row.id,
            context: row.context,
            subject: row.subject,
            aggregate: row.aggregate,
            version: Some(row.version),
            causation_id,
            recorded_at: Some(row.created_at),
            published_at: row.published_at,
            received_at: row.received_at,
            deliveries: Vec::new(),
        }
    }
}

impl TracedEvent {
    /// The outbox has forgotten it already.
    fn forgotten(row: &Delivered) -> Self {
        Self {
            id: row.event_id,
            context: row.context.clone(),
            subject: row.subject.clone(),
            aggregate: row.aggregate.clone(),
            version: None,
            causation_id: None,
            recorded_at: None,
            published_at: None,
            received_at: Some(row.received_at),
            deliveries: Vec::new(),
        }
    }
}

impl TracedDelivery {
    fn new(row: Delivered, letter: Option<(String, Option<DateTime<Utc>>)>) -> Self {
        let (letter_error, replayed_at) = letter.map_or((None, None), |(error, at)| (Some(error), at));
        let status = match (row.handled_at, row.died_at) {
            (Some(_), _) => "handled",
            (None, Some(_)) => "dead",
            (None, None) => "waiting",
        };
        Self {
            consumer: row.consumer,
            status,
            attempts: row.attempts,
            received_at: row.received_at,
            handled_at: row.handled_at,
            died_at: row.died_at,
            replayed_at,
            error: row.error.or(letter_error),
        }
    }
}
