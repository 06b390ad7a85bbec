//! The sandbox's webhooks: scheduled with what they tell of, delivered until they are taken.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::{
    QueryResult, QueryableByName,
    sql_types::{BigInt, Integer, Text, Timestamptz},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures_util::future::BoxFuture;
use serde_json::json;
use uuid::Uuid;

use super::Sandbox;
use crate::{postgres::DbError, telemetry::log};

/// Between looks at what is due.
const PACE: Duration = Duration::from_millis(200);
/// While a delivery is under way nobody else tries it; after a crash somebody does.
const LEASE: chrono::Duration = chrono::Duration::seconds(15);
/// Deliveries taken at once.
const BATCH: i64 = 32;

/// Whoever takes webhooks: the same entry as the HTTP endpoint's.
pub trait WebhookSink: Send + Sync {
    /// Takes one; an error means that it comes again.
    fn take<'a>(
        &'a self,
        body: &'a [u8],
        signature: &'a str,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>>;
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    event_id: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    object_id: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
}

/// Writes an object's event to be delivered, once or more and perhaps late.
pub(super) async fn schedule(
    sandbox: &Sandbox,
    conn: &mut AsyncPgConnection,
    kind: &str,
    object: &str,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let event = format!("evt_{}", Uuid::now_v7().simple());
    let times = if sandbox.falls(sandbox.faults.duplicate) { 2 } else { 1 };
    for _ in 0..times {
        let later = if sandbox.falls(sandbox.faults.reorder) {
            // Past the next ones, if those come at the usual pace.
            sandbox.faults.delay * 2 + Duration::from_millis(sandbox.roll() % 500)
        } else {
            Duration::ZERO
        };
        diesel::sql_query(
            "insert into sandbox.webhooks (event_id, kind, object_id, due_at) values ($1, $2, $3, $4)",
        )
        .bind::<Text, _>(&event)
        .bind::<Text, _>(kind)
        .bind::<Text, _>(object)
        .bind::<Timestamptz, _>(at + later)
        .execute(conn)
        .await?;
    }
    Ok(())
}

impl Sandbox {
    /// Delivers until it is dropped.
    pub async fn run(&self, sink: &dyn WebhookSink) {
        loop {
            match self.deliver(sink).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => slog::debug!(log(), "the sandbox cannot deliver now"; "error" => %error),
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// Delivers what is due; answers how many were tried.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn deliver(&self, sink: &dyn WebhookSink) -> Result<usize, DbError> {
        let now = self.clock.now();
        let due: Vec<Due> = diesel::sql_query(
            "update sandbox.webhooks set due_at = $2, attempts = attempts + 1
             where id in (select id from sandbox.webhooks where delivered_at is null and due_at <= $1
                 order by due_at, id limit $3 for update skip locked)
             returning id, event_id, kind, object_id, attempts",
        )
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(now + LEASE)
        .bind::<BigInt, _>(BATCH)
        .load(&mut self.database.conn().await?)
        .await?;
        for one in &due {
            let taken = self.send(one, sink).await;
            let mut conn = self.database.conn().await?;
            let backoff = Duration::from_millis(100_u64 << one.attempts.clamp(0, 8));
            let (sql, at) = if taken {
                ("update sandbox.webhooks set delivered_at = $2 where id = $1", now)
            } else {
                ("update sandbox.webhooks set due_at = $2 where id = $1", self.clock.now() + backoff)
            };
            diesel::sql_query(sql)
                .bind::<BigInt, _>(one.id)
                .bind::<Timestamptz, _>(at)
                .execute(&mut conn)
                .await?;
        }
        Ok(due.len())
    }

    async fn send(&self, due: &Due, sink: &dyn WebhookSink) -> bool {
        // The object is only named, as everything in it is fetched anyway.
        let body = json!({
            "id": due.event_id, "object": "event", "type": due.kind,
            "data": { "object": { "id": due.object_id } },
        })
        .to_string();
        let signature = self.secret.sign(body.as_bytes(), self.clock.now());
        match sink.take(body.as_bytes(), &signature).await {
            Ok(()) => true,
            Err(error) => {
                slog::debug!(log(), "a webhook was not taken; it comes again";
                    "event" => &due.event_id, "kind" => &due.kind, "error" => %error);
                false
            }
        }
    }
}
