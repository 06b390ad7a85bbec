//! Where the bus's messages go in: a row in the inbox of every consumer that wants them, and the
//! stream's position, in one transaction.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Envelope,
    consumer::takes,
    schema::{bus_positions, consumers, inbox, outbox},
};
use crate::{
    ports::bus::{Inlet, InletError, Message, Place, Slice},
    postgres::{Database, DbError},
    telemetry::log,
};

/// The inlet over the inboxes.
pub(super) struct Inboxes {
    database: Database,
    /// Each consumer of this node by its name: woken when something came in for it, and nobody else.
    bells: Mutex<HashMap<String, Arc<Notify>>>,
}

/// Consumers for whom something came in.
pub(super) type Wanting = BTreeSet<String>;

#[derive(diesel::Insertable)]
#[diesel(table_name = inbox)]
struct NewRow<'a> {
    consumer: &'a str,
    event_id: Uuid,
    seq: i64,
    context: &'a str,
    subject: &'a str,
    aggregate: &'a str,
    correlation_id: &'a str,
    envelope: serde_json::Value,
}

/// A statement takes 65,535 parameters at most; a row has eight.
const ROWS: usize = 2_000;

impl Inboxes {
    pub fn new(database: Database) -> Self {
        Self { database, bells: Mutex::default() }
    }

    /// What wakes a consumer. It keeps one call, so that what arrives while the consumer works is not missed.
    pub fn bell(&self, consumer: &str) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(consumer.to_owned()).or_default().clone()
    }

    /// Wakes those consumers that run on this node.
    pub fn wake(&self, consumers: &Wanting) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in consumers.iter().filter_map(|name| bells.get(name)) {
            bell.notify_one();
        }
    }

    async fn conn(&self) -> Result<crate::postgres::Conn, InletError> {
        self.database.conn().await.map_err(|e| unavailable(&e))
    }
}

fn unavailable(error: &DbError) -> InletError {
    use std::error::Error;
    let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
    InletError::Unavailable(format!("{error}{cause}"))
}

/// Reads what messages carry. What is no event of ours is logged and passed over: nothing would
/// become of it however often it came.
fn events<'a>(messages: impl Iterator<Item = &'a Message>) -> Vec<Envelope> {
    let mut events = Vec::new();
    for message in messages {
        let read = serde_json::from_slice(&message.body)
            .map_err(|e| e.to_string())
            .and_then(|json| Envelope::from_json(json).map_err(|e| e.to_string()));
        match read {
            Ok(event) => events.push(event),
            Err(error) => {
                slog::error!(log(), "a message of the bus is no event"; "id" => %message.id, "error" => error);
            }
        }
    }
    events
}

/// Puts events into the inboxes of those who want them; known ones change nothing. Answers who they are.
async fn insert(conn: &mut AsyncPgConnection, events: &[Envelope]) -> Result<Wanting, DbError> {
    if events.is_empty() {
        return Ok(Wanting::new());
    }
    let wanting: Vec<(String, Vec<String>)> =
        consumers::table.select((consumers::name, consumers::subjects)).load(conn).await?;
    let mut rows = Vec::new();
    for event in events {
        for (name, subjects) in &wanting {
            if subjects.iter().any(|pattern| takes(pattern, &event.subject)) {
                rows.push(NewRow {
                    consumer: name,
                    event_id: event.id,
                    seq: event.sequence,
                    context: &event.context,
                    subject: &event.subject,
                    aggregate: &event.aggregate,
                    correlation_id: &event.correlation_id,
                    envelope: event.to_json(),
                });
            }
        }
    }
    for part in rows.chunks(ROWS) {
        diesel::insert_into(inbox::table).values(part).on_conflict_do_nothing().execute(conn).await?;
    }
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    diesel::update(outbox::table)
        .filter(outbox::id.eq_any(ids))
        .filter(outbox::received_at.is_null())
        .set(outbox::received_at.eq(diesel::dsl::now))
        .execute(conn)
        .await?;
    Ok(rows.iter().map(|row| row.consumer.to_owned()).collect())
}

/// What ends a transaction: the database, or a gap.
enum Stop {
    Db(DbError),
    Gap(u64),
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

fn number(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// The stream's row, locked: nodes take turns.
async fn lock(conn: &mut AsyncPgConnection, place: &Place) -> Result<u64, Stop> {
    diesel::insert_into(bus_positions::table)
        .values((
            bus_positions::stream.eq(&place.stream),
            bus_positions::incarnation.eq(&place.incarnation),
            bus_positions::seq.eq(0),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    let seq: i64 = bus_positions::table
        .find((&place.stream, &place.incarnation))
        .select(bus_positions::seq)
        .for_update()
        .first(conn)
        .await?;
    Ok(seq.unsigned_abs())
}

async fn move_to(conn: &mut AsyncPgConnection, place: &Place, seq: u64) -> Result<(), Stop> {
    diesel::update(bus_positions::table.find((&place.stream, &place.incarnation)))
        .set(bus_positions::seq.eq(number(seq)))
        .execute(conn)
        .await?;
    Ok(())
}

impl Inlet for Inboxes {
    fn take<'a>(&'a self, messages: &'a [Message]) -> BoxFuture<'a, Result<(), InletError>> {
        Box::pin(async move {
            let events = events(messages.iter());
            let mut conn = self.conn().await?;
            let wanting = conn
                .transaction(async |conn| insert(conn, &events).await)
                .await
                .map_err(|e| unavailable(&e))?;
            self.wake(&wanting);
            Ok(())
        })
    }

    fn take_slice(&self, slice: Slice) -> BoxFuture<'_, Result<u64, InletError>> {
        Box::pin(async move {
            let mut conn = self.conn().await?;
            let done = conn
                .transaction(async |conn| {
                    let position = lock(conn, &slice.place).await?;
                    if position < slice.after {
                        return Err(Stop::Gap(position));
                    }
                    if position >= slice.through {
                        return Ok((position, Wanting::new()));
                    }
                    let fresh = slice.messages.iter().filter(|(seq, _)| *seq > position).map(|(_, m)| m);
                    let wanting = insert(conn, &events(fresh)).await?;
                    move_to(conn, &slice.place, slice.through).await?;
                    Ok::<_, Stop>((slice.through, wanting))
                })
                .await;
            match done {
                Ok((position, wanting)) => {
                    self.wake(&wanting);
                    Ok(position)
                }
                Err(Stop::Gap(position)) => Err(InletError::Gap(position)),
                Err(Stop::Db(error)) => Err(unavailable(&error)),
            }
        })
    }

    fn position<'a>(&'a self, place: &'a Place) -> BoxFuture<'a, Result<u64, InletError>> {
        Box::pin(async move {
            let mut conn = self.conn().await?;
            let seq: Option<i64> = bus_positions::table
                .find((&place.stream, &place.incarnation))
                .select(bus_positions::seq)
                .first(&mut conn)
                .await
                .optional()
                .map_err(|e| unavailable(&e.into()))?;
            Ok(seq.unwrap_or(0).unsigned_abs())
        })
    }

    fn rewind<'a>(&'a self, place: &'a Place, last: u64) -> BoxFuture<'a, Result<(), InletError>> {
        Box::pin(async move {
            let mut conn = self.conn().await?;
            diesel::update(bus_positions::table.find((&place.stream, &place.incarnation)))
                .filter(bus_positions::seq.gt(number(last)))
                .set(bus_positions::seq.eq(number(last)))
                .execute(&mut conn)
                .await
                .map_err(|e| unavailable(&e.into()))?;
            Ok(())
        })
    }
}

/// Notes who wants what, so that what arrives is kept for them.
pub(super) async fn register(
    database: &Database,
    wanting: &[(&'static str, &'static [&'static str])],
) -> Result<(), DbError> {
    let mut conn = database.conn().await?;
    for (name, subjects) in wanting {
        diesel::insert_into(consumers::table)
            .values((consumers::name.eq(name), consumers::subjects.eq(subjects.to_vec())))
            .on_conflict(consumers::name)
            .do_update()
            .set(consumers::subjects.eq(subjects.to_vec()))
            .execute(&mut conn)
            .await?;
    }
    Ok(())
}
