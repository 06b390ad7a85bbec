//! What is known of a person, and who keeps it: every context, and the platform beneath them, is a
//! [`Custodian`]. It hands out what it knows, and forgets it.
//!
//! Both are asked by an event and answered by a consumer of the custodian's own, with its own inbox,
//! retries and dead letters: one that fails holds nobody else up, and is seen. What answers come to, receipts
//! and parts of an archive, is kept by whoever stands behind [`Receipts`] and [`Gathering`].

use std::{collections::BTreeMap, sync::Arc};

use diesel::{
    QueryableByName,
    sql_types::{Jsonb, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    postgres::DbError,
    principal::UserId,
};

/// The event after which a person's data is to go. Data: `{user_id}`.
pub const ERASURE: &str = "user.erasure_requested";
/// The event after which a person's data is to be gathered. Data: `{user_id, export_id}`.
pub const EXPORT: &str = "export.requested";

/// What a custodian answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, ConsumeError>>;
/// How much of what went.
pub type Counts = BTreeMap<&'static str, u64>;

/// What a custodian is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// In receipts and archives: the context.
    pub context: &'static str,
    /// The durable name of its consumer that forgets.
    pub eraser: &'static str,
    /// The durable name of its consumer that gathers.
    pub exporter: &'static str,
}

/// Where what is gathered goes. Each call writes in the transaction of `conn`.
pub trait Sink: Send + Sync {
    /// A document: `messages/0001`, without an ending.
    fn document<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        name: &'a str,
        body: Value,
    ) -> BoxFuture<'a, Result<(), DbError>>;

    /// A file, by its upload.
    fn file<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        name: &'a str,
        upload: Uuid,
    ) -> BoxFuture<'a, Result<(), DbError>>;
}

/// What somebody forgot.
#[derive(Debug, Default)]
pub struct Forgotten {
    /// What went, and how much of it: rows that were deleted or emptied.
    pub counts: Counts,
    /// What stays under the person's bare id, and why, in words.
    pub kept: &'static [&'static str],
    /// Whether it goes on beside: then [`Custodian::finish`] is asked until it is done.
    pub goes_on: bool,
    /// What is done once that is committed.
    pub after: AfterCommit,
}

/// What a receipt says.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What went, and how much of it.
    pub counts: Counts,
    /// What stays, and why.
    pub kept: &'static [&'static str],
    /// Whether it goes on beside.
    pub goes_on: bool,
}

/// Whoever keeps data of people.
pub trait Custodian: Send + Sync + 'static {
    /// What it is called.
    fn names(&self) -> Names;

    /// Hands out everything it knows of a person.
    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()>;

    /// Forgets a person, in the transaction of `conn`. Asked again, it does the same again.
    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten>;

    /// Asked now and then while what [`Custodian::forget`] began goes on: `Some` with what went beside, once
    /// nothing is left.
    fn finish<'a>(&'a self, _conn: &'a mut AsyncPgConnection, _person: UserId) -> Answer<'a, Option<Counts>> {
        Box::pin(async { Ok(Some(Counts::new())) })
    }

    /// Whether it is asked to finish only when everybody else is done.
    fn is_last(&self) -> bool {
        false
    }

    /// Asked once everybody is done and no event that names the person is on its way any more: forgets what such
    /// events left behind.
    fn settle<'a>(&'a self, _conn: &'a mut AsyncPgConnection, _person: UserId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// Keeps what custodians answered to an erasure.
pub trait Receipts: Send + Sync + 'static {
    /// One of them has; in its transaction, last.
    fn answered<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
        person: UserId,
        context: &'static str,
        answer: Answered,
    ) -> Answer<'a, AfterCommit>;
}

/// Takes what is gathered for archives.
pub trait Gathering: Send + Sync + 'static {
    /// The sink for one context's part; `None` when nobody waits for it any more.
    fn begin<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
        context: &'static str,
    ) -> Answer<'a, Option<Box<dyn Sink>>>;

    /// The part is whole; in its transaction, last.
    fn gathered<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
        context: &'static str,
    ) -> Answer<'a, AfterCommit>;
}

/// The consumer by which a custodian forgets.
pub fn eraser(custodian: Arc<dyn Custodian>, receipts: Option<Arc<dyn Receipts>>) -> Arc<dyn Consumer> {
    Arc::new(Eraser { custodian, receipts })
}

/// The consumer by which a custodian hands out.
pub fn exporter(custodian: Arc<dyn Custodian>, gathering: Arc<dyn Gathering>) -> Arc<dyn Consumer> {
    Arc::new(Exporter { custodian, gathering })
}

/// Whom an event is about.
///
/// # Errors
/// [`ConsumeError::Reject`] when it names nobody.
pub fn person(event: &Envelope) -> Result<UserId, ConsumeError> {
    let named = event.data.get("user_id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    named.map(UserId).ok_or_else(|| ConsumeError::Reject("it names nobody".into()))
}

struct Eraser {
    custodian: Arc<dyn Custodian>,
    receipts: Option<Arc<dyn Receipts>>,
}

impl Consumer for Eraser {
    fn name(&self) -> &'static str {
        self.custodian.names().eraser
    }

    fn subjects(&self) -> &'static [&'static str] {
        &[ERASURE]
    }

    // Custodians lock rows that are others' too, each in an order of its own.
    fn shares_transactions(&self) -> bool {
        false
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let person = person(event)?;
            let Forgotten { counts, kept, goes_on, after } = self.custodian.forget(conn, person).await?;
            let Some(receipts) = &self.receipts else { return Ok(after) };
            let context = self.custodian.names().context;
            let answer = Answered { counts, kept, goes_on };
            let told = receipts.answered(conn, event, person, context, answer).await?;
            Ok(after.followed_by(told))
        })
    }
}

struct Exporter {
    custodian: Arc<dyn Custodian>,
    gathering: Arc<dyn Gathering>,
}

impl Consumer for Exporter {
    fn name(&self) -> &'static str {
        self.custodian.names().exporter
    }

    fn subjects(&self) -> &'static [&'static str] {
        &[EXPORT]
    }

    fn shares_transactions(&self) -> bool {
        false
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let (person, context) = (person(event)?, self.custodian.names().context);
            let sink = self.gathering.begin(conn, event, context).await?;
            let Some(sink) = sink else { return Ok(AfterCommit::nothing()) };
            self.custodian.gather(conn, person, &*sink).await?;
            self.gathering.gathered(conn, event, context).await
        })
    }
}

/// Runs statements whose `$1` is the person; how many rows each touched, by name.
///
/// # Errors
/// The database's.
pub async fn run(
    conn: &mut AsyncPgConnection,
    person: UserId,
    statements: &[(&'static str, &str)],
) -> Result<Counts, DbError> {
    let mut counts = Counts::new();
    for (what, statement) in statements {
        let rows = diesel::sql_query(*statement).bind::<SqlUuid, _>(person).execute(conn).await?;
        if rows > 0 {
            *counts.entry(what).or_default() += rows as u64;
        }
    }
    Ok(counts)
}

/// Hands out what queries find whose `$1` is the person: one document each, an array of rows. One that finds
/// nothing makes none.
///
/// # Errors
/// The database's.
pub async fn tables(
    conn: &mut AsyncPgConnection,
    person: UserId,
    sink: &dyn Sink,
    queries: &[(&str, &str)],
) -> Result<(), DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Jsonb)]
        rows: Value,
    }
    for (name, query) in queries {
        let found: Row = diesel::sql_query(format!(
            "SELECT coalesce(jsonb_agg(to_jsonb(t)), '[]'::jsonb) AS rows FROM ({query}) t"
        ))
        .bind::<SqlUuid, _>(person)
        .get_result(conn)
        .await?;
        if found.rows.as_array().is_some_and(|rows| !rows.is_empty()) {
            sink.document(conn, name, found.rows).await?;
        }
    }
    Ok(())
}
