//! Vectors in PostgreSQL. The adapter makes its own tables, in the schema `vectors`: one for each version
//! of a collection, so that each has its own dimension and index.
//!
//! With `pgvector` the index is HNSW; filters are part of the query, and where the extension can
//! (0.8 and later) a scan goes on until enough points meet them. A server without the extension is searched
//! exactly, point by point: right, and slow past some ten thousand points.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Bool, Float4, Integer, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use serde_json::json;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{Answer, Collection, Hit, Point, VectorError, Vectors};
use crate::{
    ports::{
        Mode, StoreStatus,
        attributes::{
            Filter,
            postgres::{Bind, COLUMNS, NAMES, Sql, row, taken},
        },
    },
    postgres::{Conn, Database, DbError},
};

/// How long a search may take.
const PATIENCE: &str = "5s";

/// Vectors beside everything else that is relational.
pub(crate) struct PgVectors {
    database: Database,
    tables: Mutex<HashMap<Collection, Table>>,
    extension: OnceCell<Option<String>>,
    /// Whether the extension is used where it is there.
    indexed: bool,
}

/// Where a version is.
#[derive(Clone, Copy)]
struct Table {
    id: i64,
    /// Searched without an index: it was made when there was no extension.
    exact: bool,
}

impl Table {
    fn name(self) -> String {
        format!("vectors.p{}", self.id)
    }
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    model: String,
    #[diesel(sql_type = Integer)]
    dimension: i32,
    #[diesel(sql_type = BigInt)]
    build: i64,
    #[diesel(sql_type = Bool)]
    exact: bool,
}

impl Version {
    fn collection(self) -> Collection {
        let dimension = usize::try_from(self.dimension).unwrap_or_default();
        Collection { name: self.name, model: self.model, dimension, build: self.build }
    }
}

#[derive(QueryableByName)]
struct Found {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<Float4>)]
    score: Option<f32>,
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Array<Float4>)]
    embedding: Vec<f32>,
}

#[derive(QueryableByName)]
struct Revised {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    revision: i64,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Word {
    #[diesel(sql_type = Text)]
    word: String,
}

impl From<DbError> for VectorError {
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

impl From<diesel::result::Error> for VectorError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

const VERSION: &str = "select id, name, model, dimension, build, exact from vectors.collections";

impl PgVectors {
    pub fn new(database: Database) -> Self {
        Self { database, tables: Mutex::default(), extension: OnceCell::new(), indexed: true }
    }

    /// As on a server that lacks the extension.
    #[cfg(test)]
    pub fn without_extension(database: Database) -> Self {
        Self { indexed: false, ..Self::new(database) }
    }

    async fn conn(&self) -> Answer<Conn> {
        self.extension().await?;
        Ok(self.database.conn().await?)
    }

    /// The extension's version, once the schema is there.
    async fn extension(&self) -> Answer<Option<&str>> {
        let found = self.extension.get_or_try_init(|| async {
            let mut conn = self.database.conn().await?;
            let found = set_up(&mut conn).await?;
            Ok::<_, VectorError>(found.filter(|_| self.indexed))
        });
        Ok(found.await?.as_deref())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Collection, Table>> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn table(&self, conn: &mut AsyncPgConnection, c: &Collection) -> Answer<Table> {
        if let Some(table) = self.known().get(c) {
            return Ok(*table);
        }
        let Some(table) = look(conn, c).await? else {
            return Err(VectorError::Missing(c.to_string()));
        };
        self.known().insert(c.clone(), table);
        Ok(table)
    }

    /// Another process may have removed it since.
    fn judge<T>(&self, c: &Collection, done: Result<T, diesel::result::Error>) -> Answer<T> {
        let done = done.map_err(VectorError::from);
        if matches!(done, Err(VectorError::Missing(_))) {
            self.known().remove(c);
        }
        done
    }

    async fn write(&self, c: &Collection, rows: Vec<serde_json::Value>, overwrite: &str) -> Answer<()> {
        let mut conn = self.conn().await?;
        let table = self.table(&mut conn, c).await?.name();
        let names = NAMES.join(", ");
        // By id, so that two writers wait for each other instead of holding each other up.
        let mut sql = Sql::new(format!(
            "insert into {table} as t (id, revision, gone, embedding, {names})
             select id, revision, gone, embedding, {names} from json_populate_recordset(null::{table}, "
        ));
        sql.with("?) order by id ", Bind::Json(json!(rows)));
        sql.push(&format!(
            "on conflict (id) do update set revision = excluded.revision, gone = excluded.gone,
             embedding = excluded.embedding, {} where {overwrite}",
            taken()
        ));
        let done = sql.query().execute(&mut conn).await;
        self.judge(c, done).map(drop)
    }
}

async fn set_up(conn: &mut AsyncPgConnection) -> Answer<Option<String>> {
    if extension(conn).await?.is_none() {
        // Refused where the role may not, or the server lacks it: then exact scans serve.
        let _ = conn.batch_execute("create extension if not exists vector").await;
    }
    let found = extension(conn).await?;
    conn.transaction(async |conn| -> Answer<()> {
        lock(conn).await?;
        conn.batch_execute(
            "create schema if not exists vectors;
             create table if not exists vectors.collections (
                 id bigint generated always as identity primary key, name text not null, model text not null,
                 dimension integer not null, build bigint not null, exact boolean not null,
                 live boolean not null default false, made_at timestamptz not null default now(),
                 unique (name, model, dimension, build));
             create unique index if not exists collections_live on vectors.collections (name) where live",
        )
        .await?;
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn extension(conn: &mut AsyncPgConnection) -> Answer<Option<String>> {
    let row = diesel::sql_query("select extversion as word from pg_extension where extname = 'vector'")
        .get_result::<Word>(conn)
        .await
        .optional()?;
    Ok(row.map(|row| row.word))
}

/// One process at a time makes, promotes and removes.
async fn lock(conn: &mut AsyncPgConnection) -> Result<(), diesel::result::Error> {
    conn.batch_execute("select pg_advisory_xact_lock(hashtextextended('gigsy.vectors', 0))").await
}

async fn look(conn: &mut AsyncPgConnection, c: &Collection) -> Answer<Option<Table>> {
    let dimension = i32::try_from(c.dimension).unwrap_or(i32::MAX);
    let mut sql = Sql::new(VERSION);
    sql.with(" where name = ?", Bind::Text(c.name.clone()));
    sql.with(" and model = ?", Bind::Text(c.model.clone()));
    sql.with(" and dimension = ?", Bind::Int(dimension.into()));
    sql.with(" and build = ?", Bind::Int(c.build));
    let row = sql.query().get_result::<Version>(conn).await.optional()?;
    Ok(row.map(|row| Table { id: row.id, exact: row.exact }))
}

async fn make(conn: &mut AsyncPgConnection, c: &Collection, exact: bool) -> Answer<()> {
    let mut sql = Sql::new("insert into vectors.collections (name, model, dimension, build, exact) values (");
    sql.with("?", Bind::Text(c.name.clone()));
    sql.with(", ?", Bind::Text(c.model.clone()));
    sql.push(&format!(", {}", c.dimension));
    sql.with(", ?", Bind::Int(c.build));
    sql.with(", ?) returning id as n", Bind::Bool(exact));
    let made: Number = sql.query().get_result(conn).await?;
    let table = Table { id: made.n, exact }.name();
    let sort = if exact { "real[]".to_owned() } else { format!("vector({})", c.dimension) };
    let mut text = format!(
        "create table {table} (id uuid primary key, revision bigint not null, gone boolean not null,
         embedding {sort}, {COLUMNS});
         create index on {table} using gin (skills);"
    );
    if !exact {
        // Vectors are of unit length: the inner product is the cosine.
        text.push_str(&format!("create index on {table} using hnsw (embedding vector_ip_ops)"));
    }
    Ok(conn.batch_execute(&text).await?)
}

/// Of unit length. No number in it is infinite, nor are all zero.
fn unit(vector: &[f32]) -> Vec<f32> {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    #[expect(clippy::cast_possible_truncation, reason = "a part of one")]
    vector.iter().map(|x| (f64::from(*x) / length) as f32).collect()
}

#[async_trait]
impl Vectors for PgVectors {
    async fn ready(&self, c: &Collection) -> Answer<()> {
        let exact = self.extension().await?.is_none();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                lock(conn).await?;
                if look(conn, c).await?.is_none() {
                    make(conn, c, exact).await?;
                }
                Ok(())
            })
            .await
    }

    async fn upsert(&self, c: &Collection, points: &[Point]) -> Answer<()> {
        let rows = points.iter().map(|point| {
            let mut row = row(&point.payload);
            row.insert("id".into(), json!(point.id));
            row.insert("revision".into(), json!(point.revision));
            row.insert("gone".into(), json!(false));
            row.insert("embedding".into(), json!(unit(&point.vector)));
            row.into()
        });
        let newer = "t.revision < excluded.revision or (t.revision = excluded.revision and not t.gone)";
        self.write(c, rows.collect(), newer).await
    }

    async fn delete(&self, c: &Collection, ids: &[(Uuid, i64)]) -> Answer<()> {
        let rows = ids.iter().map(|(id, revision)| {
            let mut row = row(&crate::ports::attributes::Attributes::default());
            row.insert("id".into(), json!(id));
            row.insert("revision".into(), json!(revision));
            row.insert("gone".into(), json!(true));
            row.into()
        });
        self.write(c, rows.collect(), "t.revision <= excluded.revision").await
    }

    async fn nearest(
        &self,
        c: &Collection,
        vector: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Answer<Vec<Hit>> {
        let iterative = self.extension().await?.is_some_and(can_go_on);
        let mut conn = self.conn().await?;
        let table = self.table(&mut conn, c).await?;
        let mut sql = Sql::new("select id, ");
        let arg = sql.arg(Bind::Reals(unit(vector)));
        if table.exact {
            sql.push(&format!(
                "(select sum(a * b)::real from unnest(embedding, {arg}) as pairs (a, b)) as score"
            ));
        } else {
            sql.push(&format!("-(embedding <#> {arg}::real[]::vector)::real as score"));
        }
        sql.push(&format!(" from {} where not gone", table.name()));
        sql.demand(filter);
        if table.exact {
            sql.push(" order by score desc, id");
        } else {
            sql.push(&format!(" order by embedding <#> {arg}::real[]::vector"));
        }
        sql.push(&format!(" limit {limit}"));
        let mut settings = format!("set local statement_timeout = '{PATIENCE}';");
        if !table.exact {
            settings.push_str(&format!("set local hnsw.ef_search = {};", limit.clamp(64, 1_000)));
        }
        if !table.exact && iterative {
            // In strict order it would leave out what comes late; we put it in order.
            settings.push_str("set local hnsw.iterative_scan = relaxed_order;");
        }
        let done = (*conn)
            .transaction(async |conn| -> diesel::QueryResult<Vec<Found>> {
                conn.batch_execute(&settings).await?;
                sql.query().load::<Found>(conn).await
            })
            .await;
        let rows = self.judge(c, done)?;
        let hit = |row: Found| Hit { id: row.id, score: row.score.unwrap_or_default().clamp(-1.0, 1.0) };
        let mut hits: Vec<_> = rows.into_iter().map(hit).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        Ok(hits)
    }

    async fn vector_of(&self, c: &Collection, ids: &[Uuid]) -> Answer<Vec<(Uuid, Vec<f32>)>> {
        let mut conn = self.conn().await?;
        let table = self.table(&mut conn, c).await?.name();
        let mut sql = Sql::new(format!("select id, embedding::real[] as embedding from {table}"));
        sql.with(" where not gone and id = any(?)", Bind::Ids(ids.to_vec()));
        let done = sql.query().load::<Stored>(&mut conn).await;
        Ok(self.judge(c, done)?.into_iter().map(|row| (row.id, row.embedding)).collect())
    }

    async fn count(&self, c: &Collection) -> Answer<u64> {
        let mut conn = self.conn().await?;
        let table = self.table(&mut conn, c).await?.name();
        let text = format!("select count(*) as n from {table} where not gone");
        let done = diesel::sql_query(text).get_result::<Number>(&mut conn).await;
        Ok(self.judge(c, done)?.n.cast_unsigned())
    }

    async fn ids(&self, c: &Collection, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>> {
        let mut conn = self.conn().await?;
        let table = self.table(&mut conn, c).await?.name();
        let mut sql = Sql::new(format!("select id, revision from {table} where not gone"));
        if let Some(after) = after {
            sql.with(" and id > ?", Bind::Id(after));
        }
        sql.push(&format!(" order by id limit {limit}"));
        let done = sql.query().load::<Revised>(&mut conn).await;
        Ok(self.judge(c, done)?.into_iter().map(|row| (row.id, row.revision)).collect())
    }

    async fn promote(&self, c: &Collection) -> Answer<()> {
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                lock(conn).await?;
                let Some(table) = look(conn, c).await? else {
                    return Err(VectorError::Missing(c.to_string()));
                };
                let mut before =
                    Sql::new("update vectors.collections set live = false where live and name = ");
                before.with("?", Bind::Text(c.name.clone()));
                before.query().execute(conn).await?;
                let mut after = Sql::new("update vectors.collections set live = true where id = ");
                after.with("?", Bind::Int(table.id));
                after.query().execute(conn).await?;
                Ok(())
            })
            .await
    }

    async fn live(&self, name: &str) -> Answer<Option<Collection>> {
        let mut conn = self.conn().await?;
        let mut sql = Sql::new(VERSION);
        sql.with(" where live and name = ?", Bind::Text(name.to_owned()));
        let row = sql.query().get_result::<Version>(&mut conn).await.optional()?;
        Ok(row.map(Version::collection))
    }

    async fn versions(&self, name: &str) -> Answer<Vec<Collection>> {
        let mut conn = self.conn().await?;
        let mut sql = Sql::new(VERSION);
        sql.with(" where name = ? order by id", Bind::Text(name.to_owned()));
        let rows = sql.query().load::<Version>(&mut conn).await?;
        Ok(rows.into_iter().map(Version::collection).collect())
    }

    async fn remove(&self, c: &Collection) -> Answer<()> {
        let mut conn = self.conn().await?;
        self.known().remove(c);
        (*conn)
            .transaction(async |conn| -> Answer<()> {
                lock(conn).await?;
                let Some(table) = look(conn, c).await? else { return Ok(()) };
                let mut sql = Sql::new("delete from vectors.collections where id = ");
                sql.with("?", Bind::Int(table.id));
                sql.query().execute(conn).await?;
                Ok(conn.batch_execute(&format!("drop table {}", table.name())).await?)
            })
            .await
    }

    async fn status(&self) -> StoreStatus {
        let mut status = StoreStatus {
            name: "vectors",
            mode: Mode::Embedded,
            reachable: false,
            latency_ms: None,
            version: None,
            detail: None,
            mend: None,
        };
        let asked = Instant::now();
        match self.survey().await {
            Ok((version, counts)) => {
                status.reachable = true;
                status.latency_ms = Some(asked.elapsed().as_secs_f64() * 1_000.0);
                status.detail = Some(match &version {
                    Some(_) => format!("in PostgreSQL by pgvector; {counts}"),
                    None => format!(
                        "in PostgreSQL without pgvector, so searched exactly: install it and have a superuser run \
                         `create extension vector`, then `gigsy rebuild vectors`; {counts}"
                    ),
                });
                status.version = version;
            }
            Err(error) => status.mend = Some(format!("see the database ({error})")),
        }
        status
    }
}

impl PgVectors {
    async fn survey(&self) -> Answer<(Option<String>, String)> {
        let version = self.extension().await?.map(str::to_owned);
        let mut conn = self.conn().await?;
        let live = diesel::sql_query(format!("{VERSION} where live order by name"))
            .load::<Version>(&mut conn)
            .await?;
        let mut counts = Vec::new();
        for row in live {
            let c = row.collection();
            let n = self.count(&c).await?;
            counts.push(format!("{} {n} ({})", c.name, c.model));
        }
        let none = "nothing in it yet".to_owned();
        Ok((version, if counts.is_empty() { none } else { counts.join(", ") }))
    }
}

/// Whether a scan of the index can go on until enough points meet the filter.
fn can_go_on(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (major, minor) >= (0, 8)
}
