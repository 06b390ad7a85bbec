//! What `gigsy check`, `/readyz` and the operators' page say about the relational store.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, sql_types::Text};
use diesel_async::RunQueryDsl;
use futures_util::future::BoxFuture;

use super::{Database, DbError, Mode, migrate, tls::reason};
use crate::ports::{self, Store, StoreStatus};

/// How far a schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// Migrations that have run.
    pub applied: usize,
    /// Migrations this binary knows that have not.
    pub pending: usize,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

impl Store for Database {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let mut status = StoreStatus {
                name: "postgres",
                mode: match self.mode() {
                    Mode::Embedded { .. } => ports::Mode::Embedded,
                    Mode::Server => ports::Mode::Server,
                },
                reachable: false,
                latency_ms: None,
                version: None,
                detail: None,
                mend: None,
            };
            match self.ask().await {
                Ok((version, took, migrations)) => {
                    let MigrationState { applied, pending } = migrations;
                    status.reachable = true;
                    status.version = Some(version);
                    status.latency_ms = Some(took.as_secs_f64() * 1000.0);
                    status.detail = Some(format!("{applied} migrations applied, {pending} pending"));
                    if pending > 0 {
                        status.mend = Some("run `gigsy migrate`".to_owned());
                    }
                }
                Err(error) => status.mend = Some(self.mode().mend(&reason(&error))),
            }
            status
        })
    }
}

impl Database {
    /// Whether a query gets through: `/readyz`.
    ///
    /// # Errors
    /// Whatever kept it.
    pub async fn ping(&self) -> Result<Duration, DbError> {
        let mut conn = self.conn().await?;
        let asked = Instant::now();
        diesel::sql_query("select 1").execute(&mut conn).await?;
        Ok(asked.elapsed())
    }

    /// How far the schema is.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn migrations(&self) -> Result<MigrationState, DbError> {
        let (applied, pending) = migrate::state(&mut *self.conn().await?).await?;
        Ok(MigrationState { applied, pending })
    }

    async fn ask(&self) -> Result<(String, Duration, MigrationState), DbError> {
        let took = self.ping().await?;
        let mut conn = self.conn().await?;
        let version: Version = diesel::sql_query("select current_setting('server_version') as version")
            .get_result(&mut conn)
            .await?;
        drop(conn);
        Ok((version.version, took, self.migrations().await?))
    }
}
