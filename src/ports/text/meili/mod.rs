//! Words in Meilisearch, where `MEILI_URL` names one.
//!
//! An index a name, `<prefix>_<name>`; while it is rebuilt a second one beside it, which is swapped in by one
//! task. Settings are code ([`settings`]). A document that is gone stays as its id and revision.
//!
//! Meilisearch cannot write on a condition. So there is one writer an index at a time, by an advisory lock in
//! the relational store, which all nodes share; it waits until no task of the index is under way, reads the
//! revisions that are there, writes what is newer, and waits for the task.

mod documents;
mod filter;
mod http;
mod search;
mod settings;
mod tasks;
mod tenant;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection, TransactionManager};
use meilisearch_sdk::{
    client::{Client, SwapIndexes},
    errors::{Error, ErrorCode},
    request::{HttpClient, Method},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::{
    documents::{Kept, stored, tombstone},
    http::{Away, Http},
};
use super::{Answer, Build, Document, Found, Query, TextError, Texts};
use crate::{
    config::MeiliConfig,
    ports::{Mode, StoreStatus, attributes::Filter, driver::Driver, status::since},
    postgres::{Database, DbError},
};

type Manager = <AsyncPgConnection as AsyncConnection>::TransactionManager;

/// The oldest version that fetches documents by their ids.
const OLDEST: (u64, u64) = (1, 14);
/// How long a write waits for its tasks, as a multiple of a call's deadline.
const TASKS: u32 = 6;
/// How many indexes are listed.
const INDEXES: usize = 1_000;

/// Words in Meilisearch.
pub(crate) struct Meilisearch {
    server: Server,
    driver: Arc<Driver>,
}

/// The way to the server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Server {
    client: Client<Http>,
    http: Http,
    host: String,
    prefix: String,
    search_key: Option<String>,
    tasks_within: Duration,
    database: Database,
    writers: Arc<Mutex<HashMap<String, Arc<Mutex<()>>>>>,
    settled: Arc<Mutex<HashSet<String>>>,
}

/// What a failure means.
fn fault(error: Error) -> TextError {
    match error {
        Error::Meilisearch(error) => {
            let said = format!("{}: {}", error.error_code, error.error_message);
            match error.error_code {
                ErrorCode::IndexNotFound => TextError::Missing(said),
                _ if said.contains("task_queue_full") || said.contains("no_space_left") => {
                    TextError::Unavailable(said)
                }
                _ => TextError::Failed(said),
            }
        }
        Error::MeilisearchCommunication(error) => {
            TextError::Failed(format!("the server answers {}", error.status_code))
        }
        Error::Other(cause) if cause.is::<Away>() => TextError::Unavailable(cause.to_string()),
        Error::Timeout => TextError::Unavailable("no answer in time".into()),
        other => TextError::Failed(other.to_string()),
    }
}

#[derive(Deserialize)]
struct Indexes {
    results: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    uid: String,
}

impl Meilisearch {
    /// Prepares calls to the server of the configuration, which need not answer yet. `None` when no URL is
    /// set.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: &MeiliConfig, database: &Database) -> Answer<Option<Self>> {
        let Some(url) = &config.url else { return Ok(None) };
        let patience = Duration::from_millis(config.timeout_ms);
        let failed = |said: String| TextError::Failed(said);
        let client = crate::tls::http_client(patience).map_err(|error| failed(error.to_string()))?;
        let http = Http::new(client, config.api_key.clone());
        let host = url.as_str().trim_end_matches('/').to_owned();
        let server = Server {
            client: Client::new_with_client(host.clone(), config.api_key.clone(), http.clone()),
            http,
            host,
            prefix: config.prefix.clone(),
            search_key: config.search_key.clone(),
            tasks_within: patience * TASKS,
            database: database.clone(),
            writers: Arc::default(),
            settled: Arc::default(),
        };
        let driver = Driver::start("meili-io").map_err(|error| failed(error.to_string()))?;
        Ok(Some(Self { server, driver: Arc::new(driver) }))
    }

    /// Runs work where the connections live.
    async fn run<T, F>(&self, work: impl FnOnce(Server) -> F) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Answer<T>> + Send + 'static,
    {
        let work = work(self.server.clone());
        let broken = || TextError::Unavailable("the call was broken off".into());
        self.driver.run(work).await.unwrap_or_else(|| Err(broken()))
    }
}

impl Server {
    fn uid(&self, index: &str) -> String {
        format!("{}_{index}", self.prefix)
    }

    fn build_uid(&self, build: &Build) -> String {
        format!("{}-build-{}", self.uid(&build.index), build.number)
    }

    /// The builds of an index that are being filled.
    async fn builds(&self, index: &str) -> Answer<Vec<String>> {
        let url = format!("{}/indexes", self.host);
        let query = [("limit", INDEXES.to_string())];
        let all: Indexes =
            self.http.request::<_, (), _>(&url, Method::Get { query }, 200).await.map_err(fault)?;
        let begins = format!("{}-build-", self.uid(index));
        Ok(all.results.into_iter().map(|named| named.uid).filter(|uid| uid.starts_with(&begins)).collect())
    }

    async fn exists(&self, uid: &str) -> Answer<bool> {
        match self.client.get_raw_index(uid).await.map_err(fault) {
            Ok(_) => Ok(true),
            Err(TextError::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn must_exist(&self, uid: &str) -> Answer<()> {
        if self.exists(uid).await? { Ok(()) } else { Err(TextError::Missing(uid.to_owned())) }
    }

    async fn make(&self, uid: &str) -> Answer<()> {
        if !self.exists(uid).await? {
            let task = self.client.create_index(uid, Some("id")).await.map_err(fault)?;
            match self.done(task).await {
                // Another node was first.
                Err(TextError::Failed(said)) if said.contains("index_already_exists") => {}
                made => made?,
            }
        }
        let task = self.client.index(uid).set_settings(&settings::settings()).await.map_err(fault)?;
        self.done(task).await
    }

    async fn drop_index(&self, uid: &str) -> Answer<()> {
        let task = self.client.delete_index(uid).await.map_err(fault)?;
        match self.done(task).await {
            Err(TextError::Missing(_)) => Ok(()),
            done => done,
        }
    }

    /// Does something while nobody else writes to the index, on any node.
    async fn alone<T: Send>(&self, index: &str, work: impl Future<Output = Answer<T>> + Send) -> Answer<T> {
        let writer = self.writers.lock().await.entry(index.to_owned()).or_default().clone();
        let _own = writer.lock().await;
        let mut conn = self.database.conn().await?;
        let lock = format!(
            "set local lock_timeout = '{}ms'; select pg_advisory_xact_lock(hashtextextended('meili {}', 0))",
            self.tasks_within.as_millis(),
            self.uid(index)
        );
        let failed = |error: diesel::result::Error| TextError::from(DbError::from(error));
        Manager::begin_transaction(&mut *conn).await.map_err(failed)?;
        let done = match conn.batch_execute(&lock).await {
            Ok(()) => work.await,
            Err(error) => Err(failed(error)),
        };
        // The transaction wrote nothing; it was the lock.
        let ended = Manager::rollback_transaction(&mut *conn).await;
        let done = done?;
        ended.map_err(failed)?;
        Ok(done)
    }

    /// Writes what is newer than what is there.
    async fn write(&self, uid: &str, new: &[Kept]) -> Answer<()> {
        self.quiet(uid).await?;
        let there = self.revisions(uid, new).await?;
        let newer = |kept: &&Kept| {
            there.get(&kept.id).is_none_or(|(revision, gone)| {
                *revision < kept.revision || (*revision == kept.revision && (kept.gone || !gone))
            })
        };
        let newer: Vec<&Value> = new.iter().filter(newer).map(|kept| &kept.value).collect();
        if newer.is_empty() {
            return Ok(());
        }
        let task = self.client.index(uid).add_or_replace(&newer, Some("id")).await.map_err(fault)?;
        self.done(task).await
    }

    async fn revisions(&self, uid: &str, of: &[Kept]) -> Answer<HashMap<Uuid, (i64, bool)>> {
        #[derive(Deserialize)]
        struct Page {
            results: Vec<One>,
        }
        #[derive(Deserialize)]
        struct One {
            id: Uuid,
            revision: i64,
            gone: bool,
        }
        // By ids, not by a filter on them, whose time grows with the square of their number.
        let ids: Vec<_> = of.iter().map(|kept| kept.id).collect();
        let body = json!({ "ids": ids, "fields": ["id", "revision", "gone"], "limit": of.len() });
        let url = format!("{}/indexes/{uid}/documents/fetch", self.host);
        let page: Page =
            self.http.request(&url, Method::Post { query: (), body }, 200).await.map_err(fault)?;
        Ok(page.results.into_iter().map(|one| (one.id, (one.revision, one.gone))).collect())
    }

    /// Writes to the index, and to what is being built beside it.
    async fn change(&self, index: &str, new: &[Kept]) -> Answer<()> {
        self.alone(index, async {
            let uid = self.uid(index);
            self.must_exist(&uid).await?;
            self.write(&uid, new).await?;
            for build in self.builds(index).await? {
                self.write(&build, new).await?;
            }
            Ok(())
        })
        .await
    }
}

#[async_trait]
impl Texts for Meilisearch {
    async fn ready(&self, index: &str) -> Answer<()> {
        let index = index.to_owned();
        self.run(|server| async move {
            let mut settled = server.settled.lock().await;
            if !settled.contains(&index) {
                server.make(&server.uid(&index)).await?;
                settled.insert(index);
            }
            Ok(())
        })
        .await
    }

    async fn upsert(&self, index: &str, documents: &[Document]) -> Answer<()> {
        let (index, new) = (index.to_owned(), documents.iter().map(stored).collect::<Vec<_>>());
        self.run(|server| async move { server.change(&index, &new).await }).await
    }

    async fn delete(&self, index: &str, ids: &[(Uuid, i64)]) -> Answer<()> {
        let new: Vec<_> = ids.iter().map(|(id, revision)| tombstone(*id, *revision)).collect();
        let index = index.to_owned();
        self.run(|server| async move { server.change(&index, &new).await }).await
    }

    async fn search(&self, index: &str, query: &Query) -> Answer<Found> {
        let (index, query) = (index.to_owned(), query.clone());
        self.run(|server| async move { server.search(&server.uid(&index), &query).await }).await
    }

    async fn suggest(&self, index: &str, prefix: &str, limit: usize) -> Answer<Vec<String>> {
        let (index, prefix) = (index.to_owned(), prefix.to_owned());
        self.run(|server| async move { server.suggest(&server.uid(&index), &prefix, limit).await }).await
    }

    async fn count(&self, index: &str) -> Answer<u64> {
        let index = index.to_owned();
        self.run(|server| async move { server.count(&server.uid(&index)).await }).await
    }

    async fn ids(&self, index: &str, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>> {
        let index = index.to_owned();
        self.run(|server| async move { server.ids(&server.uid(&index), after, limit).await }).await
    }

    async fn begin_rebuild(&self, index: &str) -> Answer<Build> {
        let index = index.to_owned();
        self.run(|server| async move {
            let name = index.clone();
            server
                .alone(&index, async {
                    server.must_exist(&server.uid(&name)).await?;
                    for old in server.builds(&name).await? {
                        server.drop_index(&old).await?;
                    }
                    // Of two rebuilds that begin at once the later drops the other's.
                    let number = chrono::Utc::now().timestamp_micros();
                    let build = Build { index: name.clone(), number };
                    server.make(&server.build_uid(&build)).await?;
                    Ok(build)
                })
                .await
        })
        .await
    }

    async fn fill(&self, build: &Build, documents: &[Document]) -> Answer<()> {
        let (build, new) = (build.clone(), documents.iter().map(stored).collect::<Vec<_>>());
        self.run(|server| async move {
            server
                .alone(&build.index, async {
                    let uid = server.build_uid(&build);
                    server.must_exist(&uid).await?;
                    server.write(&uid, &new).await
                })
                .await
        })
        .await
    }

    async fn swap(&self, build: &Build) -> Answer<()> {
        let build = build.clone();
        self.run(|server| async move {
            server
                .alone(&build.index, async {
                    let uid = server.build_uid(&build);
                    server.must_exist(&uid).await?;
                    let pair = SwapIndexes { indexes: (server.uid(&build.index), uid.clone()), rename: None };
                    let task = server.client.swap_indexes([&pair]).await.map_err(fault)?;
                    server.done(task).await?;
                    server.drop_index(&uid).await
                })
                .await
        })
        .await
    }

    async fn abandon(&self, build: &Build) -> Answer<()> {
        let build = build.clone();
        self.run(|server| async move {
            let uid = server.build_uid(&build);
            server.alone(&build.index, async { server.drop_index(&uid).await }).await
        })
        .await
    }

    async fn tenant_token(
        &self,
        indexes: &[&str],
        filter: &Filter,
        until: chrono::DateTime<chrono::Utc>,
    ) -> Answer<Option<String>> {
        let uids: Vec<_> = indexes.iter().map(|index| self.server.uid(index)).collect();
        let filter = filter.clone();
        self.run(|server| async move { server.tenant_token(&uids, &filter, until).await }).await
    }

    async fn status(&self) -> StoreStatus {
        let mut status = StoreStatus {
            name: "text",
            mode: Mode::Server,
            reachable: false,
            latency_ms: None,
            version: None,
            detail: None,
            mend: None,
        };
        let asked = Instant::now();
        match self.run(|server| async move { server.survey().await }).await {
            Ok((version, detail)) => {
                status.reachable = true;
                status.latency_ms = Some(asked.elapsed().as_secs_f64() * 1_000.0);
                if !since(&version, OLDEST) {
                    status.mend = Some("Meilisearch 1.14 or later is needed".into());
                }
                (status.version, status.detail) = (Some(version), Some(detail));
            }
            Err(error) => {
                status.mend =
                    Some(format!("check MEILI_URL, MEILI_MASTER_KEY and that the server runs ({error})"));
            }
        }
        status
    }
}

impl Server {
    async fn survey(&self) -> Answer<(String, String)> {
        let version = self.client.get_version().await.map_err(fault)?.pkg_version;
        let url = format!("{}/indexes", self.host);
        let query = [("limit", INDEXES.to_string())];
        let all: Indexes =
            self.http.request::<_, (), _>(&url, Method::Get { query }, 200).await.map_err(fault)?;
        let begins = format!("{}_", self.prefix);
        let mut counts = Vec::new();
        for named in all.results {
            if let Some(name) = named.uid.strip_prefix(&begins).filter(|name| !name.contains('-')) {
                counts.push(format!("{name} {}", self.count(&named.uid).await?));
            }
        }
        counts.sort();
        Ok((version, if counts.is_empty() { "nothing in it yet".to_owned() } else { counts.join(", ") }))
    }
}
