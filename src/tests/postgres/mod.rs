//! The relational store: the pool on any server, and the private server's whole life.

mod backup;
mod crash;
mod life;
mod pool;
mod refusals;

use std::path::{Path, PathBuf};

use diesel::{QueryableByName, sql_types::Text};
use diesel_async::RunQueryDsl;

use crate::{
    config::Config,
    postgres::{Database, OpenError},
    tests::support::database::scratch,
};

/// A data directory whose private server a test may do anything to.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        // As closed as root's home is.
        Self { root: tempfile::Builder::new().prefix("gigsy-pg-").tempdir_in(scratch()).unwrap() }
    }

    fn dir(&self) -> PathBuf {
        self.root.path().join("data")
    }

    fn cluster(&self) -> PathBuf {
        self.dir().join("postgres/cluster")
    }

    fn config(&self) -> Config {
        let mut config: Config = toml::from_str(crate::config::DEFAULTS).unwrap();
        config.data.dir = self.dir();
        config.database.pool_size = 6;
        config.database.postgres_bin = std::env::var_os("GIGSY_POSTGRES_BIN").map(Into::into);
        config
    }

    async fn open(&self) -> Result<Database, OpenError> {
        Database::open(&self.config()).await
    }

    /// Opened, with a table `marks`.
    async fn start(&self) -> Database {
        let database = self.open().await.unwrap_or_else(|e| panic!("{e}"));
        run(&database, "create table if not exists marks (id bigint primary key)").await.unwrap();
        database
    }
}

async fn run(database: &Database, statement: &str) -> Result<usize, crate::postgres::DbError> {
    let mut conn = database.conn().await?;
    Ok(diesel::sql_query(statement).execute(&mut conn).await?)
}

/// The first column of the first row, as text.
async fn ask(database: &Database, expression: &str) -> Result<String, crate::postgres::DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        answer: String,
    }
    let mut conn = database.conn().await?;
    let query = diesel::sql_query(format!("select ({expression})::text as answer"));
    Ok(query.get_result::<Row>(&mut conn).await?.answer)
}

/// Whether a process is there and more than a zombie.
fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

async fn within(most: std::time::Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = std::time::Instant::now() + most;
    while !condition() {
        if std::time::Instant::now() > until {
            return false;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    true
}

fn append(path: &Path, text: &str) {
    use std::io::Write;
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}
