//! The executor: a step of a machine, with its history row, its timers and its event.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    contexts::career::error::CareerError,
    events::{self, NewEvent},
    machine::{Actor, Due, Machine, State},
    principal::UserId,
    telemetry::correlation,
};

/// Who takes a step.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// What they are to the thing.
    pub actors: &'a [Actor],
    /// The person, if it is one.
    pub user: Option<UserId>,
}

impl By<'static> {
    /// Time.
    pub const TIMER: Self = Self { actors: &[Actor::Timer], user: None };
    /// The payment provider.
    pub const WEBHOOK: Self = Self { actors: &[Actor::Webhook], user: None };
}

/// A thing at a version, as it was read under its lock.
#[derive(Clone, Copy, Debug)]
pub struct At<S> {
    /// Its id.
    pub id: Uuid,
    /// Its state.
    pub state: S,
    /// Its version.
    pub version: i64,
    /// The deadline of the state that it enters.
    pub deadline: Option<DateTime<Utc>>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved<S> {
    /// The state now.
    pub state: S,
    /// The version now.
    pub version: i64,
    /// What they were who took the step.
    pub actor: Actor,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    version: i64,
}

/// Takes a step: checks it against the machine, writes state, version, history and timers in one
/// statement, and records the event. `data` goes into history and event.
///
/// # Errors
/// What the machine refuses; [`CareerError::Stale`] when the row is not at that version any more.
pub async fn advance<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    thing: At<S>,
    name: &str,
    by: By<'_>,
    at: DateTime<Utc>,
    data: Value,
) -> Result<Moved<S>, CareerError> {
    let step = machine
        .step(thing.state, name, by.actors)
        .map_err(|refusal| CareerError::refused(machine.name, thing.state.name(), refusal))?;
    let actor = by.actors.iter().copied().find(|actor| step.who.contains(actor)).unwrap_or(Actor::System);
    let written = Written { name: step.name, from: thing.state, to: step.to, actor, user: by.user, at };
    let version = write(conn, machine, thing, &written, &data).await?;
    tell(conn, machine, thing.id, version, step.event, &written, data).await?;
    Ok(Moved { state: step.to, version, actor })
}

/// The first history row of a thing, with the timers of its first state, and its event. The row itself is
/// the caller's.
///
/// # Errors
/// The database's.
pub async fn born<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    thing: At<S>,
    event: &'static str,
    (actor, user): (Actor, UserId),
    at: DateTime<Utc>,
    data: Value,
) -> Result<(), CareerError> {
    diesel::sql_query(
        "INSERT INTO career.history \
         (machine, entity_id, version, transition, to_state, actor, actor_id, data, correlation_id, at) \
         VALUES ($1, $2, 1, 'create', $3, $4, $5, $6, $7, $8)",
    )
    .bind::<Text, _>(machine.name)
    .bind::<SqlUuid, _>(thing.id)
    .bind::<Text, _>(machine.initial.name())
    .bind::<Text, _>(actor.as_str())
    .bind::<SqlUuid, _>(user)
    .bind::<Jsonb, _>(&data)
    .bind::<Text, _>(correlation::current_or_fresh().as_str())
    .bind::<Timestamptz, _>(at)
    .execute(conn)
    .await?;
    for (task, due) in waiting(machine, machine.initial, thing.deadline, at) {
        diesel::sql_query(
            "INSERT INTO career.timers (id, machine, entity_id, task, version, due_at, correlation_id) \
             VALUES ($1, $2, $3, $4, 1, $5, $6)",
        )
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<Text, _>(machine.name)
        .bind::<SqlUuid, _>(thing.id)
        .bind::<Text, _>(task)
        .bind::<Timestamptz, _>(due)
        .bind::<Text, _>(correlation::current_or_fresh().as_str())
        .execute(conn)
        .await?;
    }
    let written =
        Written { name: "create", from: machine.initial, to: machine.initial, actor, user: Some(user), at };
    tell(conn, machine, thing.id, 1, event, &written, data).await
}

/// The steps that time is to take from a state, and when.
fn waiting<S: State>(
    machine: &Machine<S>,
    state: S,
    deadline: Option<DateTime<Utc>>,
    at: DateTime<Utc>,
) -> Vec<(&'static str, DateTime<Utc>)> {
    let due = |due| match due {
        Due::After(wait) => chrono::Duration::from_std(wait).ok().map(|wait| at + wait),
        Due::Deadline => deadline,
    };
    machine.timers(state).filter_map(|(step, when)| due(when).map(|when| (step.name, when))).collect()
}

struct Written<S> {
    name: &'static str,
    from: S,
    to: S,
    actor: Actor,
    user: Option<UserId>,
    at: DateTime<Utc>,
}

async fn write<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    thing: At<S>,
    written: &Written<S>,
    data: &Value,
) -> Result<i64, CareerError> {
    let (mut ids, mut tasks, mut dues) = (Vec::new(), Vec::new(), Vec::new());
    for (task, due) in waiting(machine, written.to, thing.deadline, written.at) {
        ids.push(Uuid::now_v7());
        tasks.push(task);
        dues.push(due);
    }
    // The machine's name is a constant of ours, and the name of its table.
    let statement = format!(
        "WITH moved AS (
            UPDATE career.{table}s SET state = $3, version = version + 1, updated_at = $4
            WHERE id = $1 AND version = $2 RETURNING version
         ), told AS (
            INSERT INTO career.history (machine, entity_id, version, transition, from_state, to_state,
                                      actor, actor_id, data, correlation_id, at)
            SELECT $5, $1, version, $6, $7, $3, $8, $9, $10, $11, $4 FROM moved
         ), gone AS (
            DELETE FROM career.timers WHERE machine = $5 AND entity_id = $1 AND version <= $2
         ), waiting AS (
            INSERT INTO career.timers (id, machine, entity_id, task, version, due_at, correlation_id)
            SELECT t.id, $5, $1, t.task, moved.version, t.due, $11
            FROM moved, unnest($12, $13, $14) AS t (id, task, due)
         )
         SELECT version FROM moved",
        table = machine.name
    );
    let moved: Option<Version> = diesel::sql_query(statement)
        .bind::<SqlUuid, _>(thing.id)
        .bind::<BigInt, _>(thing.version)
        .bind::<Text, _>(written.to.name())
        .bind::<Timestamptz, _>(written.at)
        .bind::<Text, _>(machine.name)
        .bind::<Text, _>(written.name)
        .bind::<Text, _>(written.from.name())
        .bind::<Text, _>(written.actor.as_str())
        .bind::<Nullable<SqlUuid>, _>(written.user)
        .bind::<Jsonb, _>(data)
        .bind::<Text, _>(correlation::current_or_fresh().as_str())
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Text>, _>(tasks)
        .bind::<Array<Timestamptz>, _>(dues)
        .get_result(conn)
        .await
        .optional()?;
    Ok(moved.ok_or(CareerError::Stale)?.version)
}

async fn tell<S: State>(
    conn: &mut AsyncPgConnection,
    machine: &Machine<S>,
    id: Uuid,
    version: i64,
    subject: &'static str,
    written: &Written<S>,
    data: Value,
) -> Result<(), CareerError> {
    let mut told = json!({
        (format!("{}_id", machine.name)): id,
        "transition": written.name, "from": written.from.name(), "state": written.to.name(),
        "actor": written.actor.as_str(), "actor_id": written.user, "at": written.at,
    });
    if let (Value::Object(told), Value::Object(more)) = (&mut told, data) {
        told.extend(more);
    }
    let event = NewEvent { subject, context: "career", aggregate: id.to_string(), version, data: told };
    events::record(conn, event).await?;
    Ok(())
}

/// Records an event of a thing that did not move.
///
/// # Errors
/// The database's.
pub async fn note(
    conn: &mut AsyncPgConnection,
    subject: &'static str,
    id: Uuid,
    version: i64,
    data: Value,
) -> Result<(), CareerError> {
    let event = NewEvent { subject, context: "career", aggregate: id.to_string(), version, data };
    events::record(conn, event).await?;
    Ok(())
}
