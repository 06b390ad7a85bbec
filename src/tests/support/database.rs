//! A private, migrated database for each test, in a few dozen milliseconds.
//!
//! One server for the whole test process: the one that `GIGSY_TEST_DATABASE_URL` names (its role
//! must be allowed to create databases), or else a private PostgreSQL in a temporary directory,
//! which goes when the process goes. A template is migrated once and copied for each test.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tokio_postgres::{Client, NoTls, error::SqlState};
use url::Url;

use crate::{
    config::{DataConfig, DatabaseConfig},
    postgres::{
        Database,
        embedded::{Cluster, NAME, Options},
    },
};

/// A database of one's own, dropped with this value. Usable on any runtime, or on none.
pub(crate) struct TestDatabase {
    name: String,
    url: Url,
}

impl TestDatabase {
    /// A fresh copy of the migrated template.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("gigsy_test_{}_{number}", std::process::id());
        server.admin(&server.create(&name, Some(&server.template)));
        Self { url: server.url(&name), name }
    }

    /// Where it is; serves as `DATABASE_URL`.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// The `[database]` section that leads to it.
    pub(crate) fn config(&self) -> DatabaseConfig {
        config(self.url.clone())
    }

    /// A pool on it.
    pub(crate) async fn open(&self) -> Database {
        Database::connect(&self.config(), &no_data()).await.expect("the test database opens")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        server().admin(&format!("drop database if exists {} with (force)", self.name));
    }
}

/// A `[database]` section for a URL: few connections, because many tests run at once.
pub(crate) fn config(url: Url) -> DatabaseConfig {
    DatabaseConfig { url: Some(url), postgres_bin: None, pool_size: 6, acquire_seconds: 5 }
}

fn no_data() -> DataConfig {
    DataConfig { dir: "/nonexistent".into(), allow_demo: false }
}

struct Server {
    /// Leads to a database from which others can be created and dropped.
    admin: Url,
    /// The role that the application has.
    owner: Option<&'static str>,
    template: String,
    /// Never dropped, as statics are not: the server gets a signal when its keeper's thread ends.
    _cluster: Option<Cluster>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("GIGSY_TEST_DATABASE_URL") {
        Ok(url) if !url.is_empty() => {
            let admin = url.parse().expect("GIGSY_TEST_DATABASE_URL is a URL");
            Server::prepare(admin, None, None)
        }
        _ => {
            let base = scratch().join("gigsy-tests");
            clear_dead(&base);
            let options = Options {
                data_dir: base.join(std::process::id().to_string()),
                postgres_bin: std::env::var_os("GIGSY_POSTGRES_BIN").map(Into::into),
                max_connections: 400,
                identity: None,
            };
            let cluster = Cluster::open(options, false).expect("the test server starts");
            let admin = cluster.admin_url().expect("it is ours");
            Server::prepare(admin, Some(NAME), Some(cluster))
        }
    })
}

impl Server {
    fn prepare(admin: Url, owner: Option<&'static str>, cluster: Option<Cluster>) -> Self {
        let template = format!("gigsy_test_{}_template", std::process::id());
        let this = Self { admin, owner, template, _cluster: cluster };
        this.drop_dead();
        this.admin(&this.create(&this.template, None));
        if this.owner.is_some() {
            // As on the private server: what only a superuser may make.
            this.provide_vector();
        }
        let url = this.url(&this.template);
        // A thread, because a runtime may not be entered from within another.
        let migrated = thread::spawn(move || {
            block_on(async {
                let database = Database::connect(&config(url), &no_data()).await?;
                database.migrate().await?;
                database.shutdown().await;
                Ok::<_, crate::postgres::OpenError>(())
            })
        });
        migrated.join().expect("no panic").expect("the migrations run");
        this
    }

    fn url(&self, name: &str) -> Url {
        let mut url = self.admin.clone();
        url.set_path(name);
        if let Some(owner) = self.owner {
            let query = url.query().unwrap_or_default().replace("user=postgres", &format!("user={owner}"));
            url.set_query(Some(&query));
        }
        url
    }

    fn create(&self, name: &str, template: Option<&str>) -> String {
        let owner = self.owner.map(|owner| format!(" owner {owner}")).unwrap_or_default();
        let template = template.map(|template| format!(" template {template}")).unwrap_or_default();
        format!("create database {name}{owner}{template}")
    }

    fn provide_vector(&self) {
        let mut url = self.admin.clone();
        url.set_path(&self.template);
        let provide = "do $$ begin
            if exists (select from pg_available_extensions where name = 'vector') then
                create extension if not exists vector;
            end if;
        end $$";
        Self::run(url, provide);
    }

    /// Runs one statement outside any transaction, from wherever this is called.
    fn admin(&self, statement: &str) {
        Self::run(self.admin.clone(), statement);
    }

    fn run(url: Url, statement: &str) {
        let statement = statement.to_owned();
        let run = move || {
            block_on(with(&url, async |client| {
                for _ in 0..500 {
                    match client.batch_execute(&statement).await {
                        Ok(()) => return,
                        // The template's last connection is just being closed.
                        Err(e) if e.code() == Some(&SqlState::OBJECT_IN_USE) => {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        Err(e) => panic!("{statement}: {e:?}"),
                    }
                }
                panic!("{statement}: still in use");
            }));
        };
        thread::spawn(run).join().expect("the statement runs");
    }

    /// Databases that killed test processes left on a server.
    fn drop_dead(&self) {
        let url = self.admin.clone();
        let list = move || {
            block_on(with(&url, async |client| {
                let query = "select datname::text from pg_database where datname like 'gigsy\\_test\\_%'";
                let rows = client.query(query, &[]).await.expect("databases are listed");
                rows.iter().map(|row| row.get(0)).collect::<Vec<String>>()
            }))
        };
        for name in thread::spawn(list).join().expect("no panic") {
            if name.split('_').nth(2).is_some_and(is_dead) {
                self.admin(&format!("drop database if exists {name} with (force)"));
            }
        }
    }
}

/// Where clusters for tests are made: in memory where there is plenty, because creating databases
/// by the hundred is mostly waiting for the disk to sync.
pub(crate) fn scratch() -> PathBuf {
    let memory = Path::new("/dev/shm");
    match rustix::fs::statvfs(memory) {
        Ok(stat) if stat.f_bavail * stat.f_frsize > 2 << 30 => memory.to_owned(),
        _ => std::env::temp_dir(),
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

async fn with<T>(url: &Url, work: impl AsyncFnOnce(&Client) -> T) -> T {
    let (client, connection) =
        tokio_postgres::connect(url.as_str(), NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    work(&client).await
}

/// Directories of test processes that are gone.
fn clear_dead(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_dead) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_dead(pid: &str) -> bool {
    let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) else { return false };
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use diesel_async::RunQueryDsl;

    use super::*;

    async fn write_and_count(database: &Database, key: &str) -> usize {
        let mut conn = database.conn().await.unwrap();
        let insert = format!("insert into platform.settings (key, value) values ('{key}', 'true')");
        diesel::sql_query(insert).execute(&mut conn).await.unwrap();
        diesel::sql_query("update platform.settings set value = 'false'").execute(&mut conn).await.unwrap()
    }

    #[tokio::test]
    async fn every_test_has_a_migrated_database_of_its_own() {
        let a = TestDatabase::new();
        let began = std::time::Instant::now();
        let b = TestDatabase::new();
        println!("a database in {:?}", began.elapsed());
        assert_ne!(a.url(), b.url());
        let (one, two) = (a.open().await, b.open().await);
        assert_eq!(write_and_count(&one, "x").await, 1);
        assert_eq!(write_and_count(&two, "x").await, 1);
        assert_eq!(one.migrations().await.unwrap().pending, 0);
    }

    #[test]
    fn one_pool_serves_several_runtimes() {
        let database = TestDatabase::new();
        let pool = block_on(database.open());
        for n in 0..3 {
            // The runtime that opened a connection is gone; the connection is not.
            assert_eq!(block_on(write_and_count(&pool, &n.to_string())), n + 1);
        }
        assert_eq!(pool.connections().0, 1);
    }
}
