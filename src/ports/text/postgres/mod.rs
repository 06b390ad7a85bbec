//! Words in PostgreSQL. The adapter makes its own tables, in the schema `words`.
//!
//! Each *build* of an index has three tables: `d<n>`, the documents with their `tsvector`; `v<n>`, the
//! vocabulary with the number of documents that have each word; `s<n>`, the phrases that suggestions are
//! made of. Words are cut and folded here ([`super::words`]), and stemmed by the server's English stemmer: a
//! vector holds each word, and `~` with the stem where that is another.
//!
//! A query's words are looked up in the vocabulary. An unknown word is replaced by known ones like it
//! (`pg_trgm` finds candidates, [`distance`](super::words::distance) decides); so mistakes cost nothing where
//! none were made. Documents that have all words are found; where these are few, also those that have some.
//! The score is each word's `ts_rank`, weighted by how rare the word is.

mod search;
mod setup;
mod terms;
mod write;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Nullable, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{Answer, Build, Document, Found, Query, TextError, Texts};
use crate::{
    ports::{
        Mode, StoreStatus,
        attributes::postgres::{Bind, Sql},
    },
    postgres::{Conn, Database, DbError},
};

/// For how long a node may search the build that was live before.
const LIVE_FOR: Duration = Duration::from_secs(1);

/// Reads from the live build. One that was swapped away meanwhile is not read from again. A macro, because
/// of a closure the compiler cannot tell that its future may go to another thread.
macro_rules! read {
    ($this:ident, $index:ident, |$conn:ident, $build:ident| $work:expr) => {{
        let mut held = $this.conn().await?;
        let $conn: &mut AsyncPgConnection = &mut held;
        let $build = $this.live($conn, $index).await?;
        let first = $work.await;
        if matches!(first, Err(TextError::Missing(_))) {
            $this.known().remove($index);
            let $build = $this.live($conn, $index).await?;
            $work.await
        } else {
            first
        }
    }};
}

/// Words beside everything else that is relational.
pub(crate) struct PgText {
    database: Database,
    trigrams: OnceCell<bool>,
    /// Whether trigrams are used where they are there.
    forgiving: bool,
    live: Mutex<HashMap<String, (Instant, i64)>>,
}

#[derive(QueryableByName)]
struct Builds {
    #[diesel(sql_type = BigInt)]
    live: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    building: Option<i64>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Revised {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    revision: i64,
}

impl From<DbError> for TextError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Unavailable(cause) => Self::Unavailable(cause.to_string()),
            DbError::Other(cause) => {
                let said = cause.to_string();
                if said.contains("canceling statement") {
                    Self::Unavailable(said)
                } else if said.contains("does not exist") {
                    Self::Missing(said)
                } else {
                    Self::Failed(said)
                }
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

impl From<diesel::result::Error> for TextError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

impl PgText {
    pub fn new(database: Database) -> Self {
        Self { database, trigrams: OnceCell::new(), forgiving: true, live: Mutex::default() }
    }

    /// As on a server that lacks the extension.
    #[cfg(test)]
    pub fn without_trigrams(database: Database) -> Self {
        Self { forgiving: false, ..Self::new(database) }
    }

    /// A connection, once the schema is there.
    async fn conn(&self) -> Answer<Conn> {
        self.trigrams().await?;
        Ok(self.database.conn().await?)
    }

    /// Whether `pg_trgm` is there.
    async fn trigrams(&self) -> Answer<bool> {
        let found = self.trigrams.get_or_try_init(|| async {
            let mut conn = self.database.conn().await?;
            Ok::<_, TextError>(setup::schema(&mut conn).await? && self.forgiving)
        });
        found.await.copied()
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (Instant, i64)>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The build that searches use, as of a moment ago.
    async fn live(&self, conn: &mut AsyncPgConnection, index: &str) -> Answer<i64> {
        if let Some((at, live)) = self.known().get(index)
            && at.elapsed() < LIVE_FOR
        {
            return Ok(*live);
        }
        let asked = Instant::now();
        let live = builds(conn, index, "").await?.live;
        self.known().insert(index.to_owned(), (asked, live));
        Ok(live)
    }

    /// Writes to the live build, and to the one that is being filled. The index's row is held meanwhile:
    /// a rebuild begins, and is swapped in, between two writes.
    async fn write(&self, index: &str, change: &write::Change<'_>) -> Answer<()> {
        let mut conn = self.conn().await?;
        let change = change.prepare(&mut conn).await?;
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                let Builds { live, building } = builds(conn, index, "for share").await?;
                change.apply(conn, live).await?;
                match building {
                    Some(building) => change.apply(conn, building).await,
                    None => Ok(()),
                }
            })
            .await
    }
}

async fn builds(conn: &mut AsyncPgConnection, index: &str, lock: &str) -> Answer<Builds> {
    let mut sql = Sql::new("select live, building from words.indexes where name = ");
    sql.with("?", Bind::Text(index.to_owned()));
    sql.push(&format!(" {lock}"));
    let found = sql.query().get_result::<Builds>(conn).await.optional()?;
    found.ok_or_else(|| TextError::Missing(index.to_owned()))
}

/// That the build is still being filled; holds the index's row.
async fn still(conn: &mut AsyncPgConnection, build: &Build, lock: &str) -> Answer<Builds> {
    let found = builds(conn, &build.index, lock).await?;
    if found.building == Some(build.number) {
        Ok(found)
    } else {
        Err(TextError::Missing(format!("build {} of {}", build.number, build.index)))
    }
}

async fn count(conn: &mut AsyncPgConnection, build: i64) -> Answer<u64> {
    let text = format!("select count(*) as n from words.d{build} where not gone");
    Ok(diesel::sql_query(text).get_result::<Number>(conn).await?.n.cast_unsigned())
}

async fn ids(
    conn: &mut AsyncPgConnection,
    build: i64,
    after: Option<Uuid>,
    limit: usize,
) -> Answer<Vec<(Uuid, i64)>> {
    let mut sql = Sql::new(format!("select id, revision from words.d{build} where not gone"));
    if let Some(after) = after {
        sql.with(" and id > ?", Bind::Id(after));
    }
    sql.push(&format!(" order by id limit {limit}"));
    let rows = sql.query().load::<Revised>(conn).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.revision)).collect())
}

async fn assign(conn: &mut AsyncPgConnection, index: &str, live: i64, building: Option<i64>) -> Answer<()> {
    let building = building.map_or("null".to_owned(), |n| n.to_string());
    let mut sql = Sql::new(format!("update words.indexes set live = {live}, building = {building}"));
    sql.with(" where name = ?", Bind::Text(index.to_owned()));
    sql.query().execute(conn).await?;
    Ok(())
}

#[async_trait]
impl Texts for PgText {
    async fn ready(&self, index: &str) -> Answer<()> {
        let trigrams = self.trigrams().await?;
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                setup::lock(conn).await?;
                match builds(conn, index, "").await {
                    Err(TextError::Missing(_)) => {
                        let live = setup::make(conn, trigrams).await?;
                        let mut sql = Sql::new("insert into words.indexes (name, live) values (");
                        sql.with("?", Bind::Text(index.to_owned()));
                        sql.push(&format!(", {live})"));
                        sql.query().execute(conn).await?;
                        Ok(())
                    }
                    found => found.map(drop),
                }
            })
            .await
    }

    async fn upsert(&self, index: &str, documents: &[Document]) -> Answer<()> {
        self.write(index, &write::Change::Put(documents)).await
    }

    async fn delete(&self, index: &str, ids: &[(Uuid, i64)]) -> Answer<()> {
        self.write(index, &write::Change::Gone(ids)).await
    }

    async fn search(&self, index: &str, query: &Query) -> Answer<Found> {
        let trigrams = self.trigrams().await?;
        read!(self, index, |conn, build| search::search(conn, build, trigrams, query))
    }

    async fn suggest(&self, index: &str, prefix: &str, limit: usize) -> Answer<Vec<String>> {
        let trigrams = self.trigrams().await?;
        read!(self, index, |conn, build| search::suggest(conn, build, trigrams, prefix, limit))
    }

    async fn count(&self, index: &str) -> Answer<u64> {
        read!(self, index, |conn, build| count(conn, build))
    }

    async fn ids(&self, index: &str, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>> {
        read!(self, index, |conn, build| ids(conn, build, after, limit))
    }

    async fn begin_rebuild(&self, index: &str) -> Answer<Build> {
        let trigrams = self.trigrams().await?;
        let mut conn = self.conn().await?;
        let number = (*conn)
            .transaction(async |conn| -> Answer<i64> {
                setup::lock(conn).await?;
                let Builds { live, building } = builds(conn, index, "for update").await?;
                if let Some(old) = building {
                    setup::drop_build(conn, old).await?;
                }
                let number = setup::make(conn, trigrams).await?;
                assign(conn, index, live, Some(number)).await?;
                Ok(number)
            })
            .await?;
        Ok(Build { index: index.to_owned(), number })
    }

    async fn fill(&self, build: &Build, documents: &[Document]) -> Answer<()> {
        let mut conn = self.conn().await?;
        let change = write::Change::Put(documents);
        let change = change.prepare(&mut conn).await?;
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                still(conn, build, "for share").await?;
                change.apply(conn, build.number).await
            })
            .await
    }

    async fn swap(&self, build: &Build) -> Answer<()> {
        let mut conn = self.conn().await?;
        // The planner is to know the new tables before anybody waits for them.
        still(&mut conn, build, "").await?;
        setup::analyze(&mut conn, build.number).await?;
        let old = (*conn)
            .transaction(async |conn| -> Answer<i64> {
                let Builds { live, .. } = still(conn, build, "for update").await?;
                assign(conn, &build.index, build.number, None).await?;
                Ok(live)
            })
            .await?;
        self.known().remove(&build.index);
        // Other nodes search the old one a little longer.
        tokio::time::sleep(LIVE_FOR + LIVE_FOR / 2).await;
        setup::drop_build(&mut conn, old).await
    }

    async fn abandon(&self, build: &Build) -> Answer<()> {
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                let Builds { live, .. } = still(conn, build, "for update").await?;
                assign(conn, &build.index, live, None).await?;
                setup::drop_build(conn, build.number).await
            })
            .await
    }

    async fn status(&self) -> StoreStatus {
        let mut status = StoreStatus {
            name: "text",
            mode: Mode::Embedded,
            reachable: false,
            latency_ms: None,
            version: None,
            detail: None,
            mend: None,
        };
        let asked = Instant::now();
        match self.survey().await {
            Ok((trigrams, counts)) => {
                status.reachable = true;
                status.latency_ms = Some(asked.elapsed().as_secs_f64() * 1_000.0);
                status.detail = Some(if trigrams {
                    format!("in PostgreSQL; {counts}")
                } else {
                    format!(
                        "in PostgreSQL without pg_trgm, so typing mistakes are not forgiven: install it (on Debian \
                         postgresql-contrib), then `gigsy rebuild search`; {counts}"
                    )
                });
            }
            Err(error) => status.mend = Some(format!("see the database ({error})")),
        }
        status
    }
}

impl PgText {
    async fn survey(&self) -> Answer<(bool, String)> {
        let trigrams = self.trigrams().await?;
        let mut conn = self.conn().await?;
        conn.batch_execute("select 1").await?;
        let counts = setup::counts(&mut conn).await?;
        let counts: Vec<_> = counts.into_iter().map(|(name, n)| format!("{name} {n}")).collect();
        let none = "nothing in it yet".to_owned();
        Ok((trigrams, if counts.is_empty() { none } else { counts.join(", ") }))
    }
}
