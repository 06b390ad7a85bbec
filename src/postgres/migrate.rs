//! The schema: migrations compiled in, run in order under an advisory lock.

use diesel::{QueryableByName, migration::MigrationSource, pg::Pg, sql_types::Text};
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{OpenError, error::DbError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

/// "gigsy" in ASCII: servers that start at once on one database wait for each other.
const LOCK: i64 = 0x67_69_67_73_79;

/// Applies what is pending and names it. Needs a multi-thread runtime, because diesel's harness
/// blocks in place.
pub(super) async fn run(mut conn: AsyncPgConnection) -> Result<Vec<String>, OpenError> {
    let failed = |e: &dyn std::fmt::Display| OpenError::Migration(e.to_string());
    // A notice for every "if not exists" would drown the log.
    conn.batch_execute(&format!("set client_min_messages = warning; select pg_advisory_lock({LOCK})"))
        .await
        .map_err(|e| failed(&e))?;
    // The lock is the session's: it goes with the connection, whichever way this ends.
    let mut harness = AsyncMigrationHarness::new(conn);
    let applied = harness.run_pending_migrations(MIGRATIONS).map_err(|e| failed(&e))?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// How far the schema is.
pub(super) async fn state(conn: &mut AsyncPgConnection) -> Result<(usize, usize), DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        version: String,
    }
    let known: Vec<String> = MigrationSource::<Pg>::migrations(&MIGRATIONS)
        .map_err(DbError::Other)?
        .iter()
        .map(|m| m.name().version().to_string())
        .collect();
    let table = diesel::sql_query(
        "select table_name::text as version from information_schema.tables \
         where table_name = '__diesel_schema_migrations'",
    );
    if table.load::<Row>(conn).await?.is_empty() {
        return Ok((0, known.len()));
    }
    let rows: Vec<Row> = diesel::sql_query("select version::text as version from __diesel_schema_migrations")
        .load(conn)
        .await?;
    let pending = known.iter().filter(|version| !rows.iter().any(|row| row.version == **version)).count();
    Ok((rows.len(), pending))
}
