//! What `gigsy check`, `/readyz` and the operators' page say about the relational store.

use std::time::{Duration, Instant};

use diesel::{QueryableByName, sql_types::Text};
use diesel_async::RunQueryDsl;
use serde::Serialize;

use super::{Database, DbError, migrate};
use crate::postgres::tls::reason;

/// A store's state, as an operator reads it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StoreStatus {
    /// Which store.
    #[schema(example = "postgres")]
    pub name: &'static str,
    /// `embedded` or `server`.
    pub mode: &'static str,
    /// Where it is, without credentials.
    pub place: String,
    /// Whether it answered.
    pub reachable: bool,
    /// Its version, if it answered.
    pub version: Option<String>,
    /// How long a query took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// How far its schema is, if it answered.
    pub migrations: Option<MigrationState>,
    /// What to do, if something is wrong.
    pub mend: Option<String>,
}

/// How far a schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
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

impl Database {
    /// Asks the store how it is. Never fails: what is wrong stands in the answer.
    pub async fn status(&self) -> StoreStatus {
        let mut status = StoreStatus {
            name: "postgres",
            mode: self.mode().name(),
            place: self.place().to_owned(),
            reachable: false,
            version: None,
            latency_ms: None,
            migrations: None,
            mend: None,
        };
        match self.ask().await {
            Ok((version, took, migrations)) => {
                status.reachable = true;
                status.version = Some(version);
                status.latency_ms = Some(took.as_secs_f64() * 1000.0);
                status.migrations = Some(migrations);
                if migrations.pending > 0 {
                    status.mend = Some("run `gigsy migrate`".to_owned());
                }
            }
            Err(error) => status.mend = Some(self.mode().mend(&reason(&error))),
        }
        status
    }

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

    async fn ask(&self) -> Result<(String, Duration, MigrationState), DbError> {
        let took = self.ping().await?;
        let mut conn = self.conn().await?;
        let version: Version = diesel::sql_query("select current_setting('server_version') as version")
            .get_result(&mut conn)
            .await?;
        let (applied, pending) = migrate::state(&mut conn).await?;
        Ok((version.version, took, MigrationState { applied, pending }))
    }
}
