//! The executor of machines: a step with its history row, its timers and its event, in one transaction.
//!
//! A context that has machines has, in its schema, a table `<machine>s` for each (`id`, `state`, `version`,
//! `updated_at`), and the tables `history` and `timers`.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Actor, Due, Machine, Refusal, State};
use crate::{
    events::{self, NewEvent},
    postgres::DbError,
    principal::UserId,
    telemetry::correlation,
};

/// Why a step was not taken.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The machine refuses.
    #[error("a {machine} that is {state} refuses this step")]
    Refused {
        /// The machine's name.
        machine: &'static str,
        /// The state that the thing is in.
        state: &'static str,
        /// Why.
        refusal: Refusal,
    },
    /// The row is not at that version any more.
    #[error("it was changed in the meantime")]
    Stale,
    /// The store.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for MoveError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Who takes a step.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// What they are to the thing.
    pub actors: &'a [Actor],
    /// The person, if it is one.
    pub user: Option<UserId>,
}

impl By<'static> {
    /// The platform itself.
    pub const SYSTEM: Self = Self { actors: &[Actor::System], user: None };
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
    /// The deadline that it has of its own.
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

struct Written<S> {
    name: &'static str,
    from: S,
    to: S,
    actor: Actor,
    user: Option<UserId>,
    at: DateTime<Utc>,
}

/// The executor of one context.
#[derive(Clone, Copy, Debug)]
pub struct Executor {
    context: &'static str,
}

#[expect(clippy::too_many_arguments, reason = "a step has so many sides, and each caller names them all")]
impl Executor {
    /// The executor of the context whose schema has that name.
    pub const fn of(context: &'static str) -> Self {
        Self { context }
    }

    /// Takes a step: checks it against the machine, writes state, version, history and timers in one
    /// statement, and records the event. `data` goes into history and event.
    ///
    /// # Errors
    /// What the machine refuses; [`MoveError::Stale`] when the row is not at that version any more.
    pub async fn advance<S: State>(
        &self,
        conn: &mut AsyncPgConnection,
        machine: &Machine<S>,
        thing: At<S>,
        name: &str,
        by: By<'_>,
        at: DateTime<Utc>,
        data: Value,
    ) -> Result<Moved<S>, MoveError> {
        let step = machine.step(thing.state, name, by.actors).map_err(|refusal| MoveError::Refused {
            machine: machine.name,
            state: thing.state.name(),
            refusal,
        })?;
        let actor = by.actors.iter().copied().find(|actor| step.who.contains(actor)).unwrap_or(Actor::System);
        let written = Written { name: step.name, from: thing.state, to: step.to, actor, user: by.user, at };
        let version = self.write(conn, machine, thing, &written, &data).await?;
        self.tell(conn, machine, thing.id, version, step.event, &written, data).await?;
        Ok(Moved { state: step.to, version, actor })
    }

    /// Counts a change that is no step (`edit`): a version, a history row, an event, and timers set anew.
    ///
    /// # Errors
    /// [`MoveError::Stale`] when the row is not at that version any more.
    pub async fn edited<S: State>(
        &self,
        conn: &mut AsyncPgConnection,
        machine: &Machine<S>,
        thing: At<S>,
        event: &'static str,
        (actor, user): (Actor, UserId),
        at: DateTime<Utc>,
        data: Value,
    ) -> Result<i64, MoveError> {
        let written =
            Written { name: "edit", from: thing.state, to: thing.state, actor, user: Some(user), at };
        let version = self.write(conn, machine, thing, &written, &data).await?;
        self.tell(conn, machine, thing.id, version, event, &written, data).await?;
        Ok(version)
    }

    /// The first history row of a thing, and its event where there is one. The row itself is the caller's.
    ///
    /// # Errors
    /// The database's.
    pub async fn born<S: State>(
        &self,
        conn: &mut AsyncPgConnection,
        machine: &Machine<S>,
        id: Uuid,
        event: Option<&'static str>,
        (actor, user): (Actor, UserId),
        at: DateTime<Utc>,
        data: Value,
    ) -> Result<(), MoveError> {
        diesel::sql_query(format!(
            "INSERT INTO {schema}.history \
         (machine, entity_id, version, transition, to_state, actor, actor_id, data, correlation_id, at) \
         VALUES ($1, $2, 1, 'create', $3, $4, $5, $6, $7, $8)",
            schema = self.context
        ))
        .bind::<Text, _>(machine.name)
        .bind::<SqlUuid, _>(id)
        .bind::<Text, _>(machine.initial.name())
        .bind::<Text, _>(actor.as_str())
        .bind::<SqlUuid, _>(user)
        .bind::<Jsonb, _>(&data)
        .bind::<Text, _>(correlation::current_or_fresh().as_str())
        .bind::<Timestamptz, _>(at)
        .execute(conn)
        .await?;
        if let Some(event) = event {
            let written = Written {
                name: "create",
                from: machine.initial,
                to: machine.initial,
                actor,
                user: Some(user),
                at,
            };
            self.tell(conn, machine, id, 1, event, &written, data).await?;
        }
        Ok(())
    }

    /// Records an event of a thing that did not move.
    ///
    /// # Errors
    /// The database's.
    pub async fn note(
        &self,
        conn: &mut AsyncPgConnection,
        subject: &'static str,
        id: Uuid,
        version: i64,
        data: Value,
    ) -> Result<(), MoveError> {
        let event = NewEvent { subject, context: self.context, aggregate: id.to_string(), version, data };
        events::record(conn, event).await?;
        Ok(())
    }

    async fn write<S: State>(
        &self,
        conn: &mut AsyncPgConnection,
        machine: &Machine<S>,
        thing: At<S>,
        written: &Written<S>,
        data: &Value,
    ) -> Result<i64, MoveError> {
        let (mut ids, mut tasks, mut dues) = (Vec::new(), Vec::new(), Vec::new());
        for (step, due) in machine.timers(written.to) {
            let due = match due {
                Due::After(wait) => chrono::Duration::from_std(wait).ok().map(|wait| written.at + wait),
                Due::Deadline => thing.deadline,
            };
            if let Some(due) = due {
                ids.push(Uuid::now_v7());
                tasks.push(step.name);
                dues.push(due);
            }
        }
        // Both names are constants of ours.
        let statement = format!(
            "WITH moved AS (
            UPDATE {schema}.{table}s SET state = $3, version = version + 1, updated_at = $4
            WHERE id = $1 AND version = $2 RETURNING version
         ), told AS (
            INSERT INTO {schema}.history (machine, entity_id, version, transition, from_state, to_state,
                                      actor, actor_id, data, correlation_id, at)
            SELECT $5, $1, version, $6, $7, $3, $8, $9, $10, $11, $4 FROM moved
         ), gone AS (
            DELETE FROM {schema}.timers WHERE machine = $5 AND entity_id = $1 AND version <= $2
         ), waiting AS (
            INSERT INTO {schema}.timers (id, machine, entity_id, task, version, due_at, correlation_id)
            SELECT t.id, $5, $1, t.task, moved.version, t.due, $11
            FROM moved, unnest($12, $13, $14) AS t (id, task, due)
         )
         SELECT version FROM moved",
            schema = self.context,
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
        Ok(moved.ok_or(MoveError::Stale)?.version)
    }

    async fn tell<S: State>(
        &self,
        conn: &mut AsyncPgConnection,
        machine: &Machine<S>,
        id: Uuid,
        version: i64,
        subject: &'static str,
        written: &Written<S>,
        data: Value,
    ) -> Result<(), MoveError> {
        let mut told = json!({
            (format!("{}_id", machine.name)): id,
            "transition": written.name, "from": written.from.name(), "state": written.to.name(),
            "actor": written.actor.as_str(), "actor_id": written.user, "at": written.at,
        });
        if let (Value::Object(told), Value::Object(more)) = (&mut told, data) {
            told.extend(more);
        }
        let event =
            NewEvent { subject, context: self.context, aggregate: id.to_string(), version, data: told };
        events::record(conn, event).await?;
        Ok(())
    }
}
