//! The tables of the text index.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{Answer, Number};
use crate::ports::attributes::postgres::COLUMNS;

/// One process at a time makes and drops.
pub(super) async fn lock(conn: &mut AsyncPgConnection) -> Answer<()> {
    Ok(conn.batch_execute("select pg_advisory_xact_lock(hashtextextended('gigsy.words', 0))").await?)
}

/// Makes the schema; whether there are trigrams.
pub(super) async fn schema(conn: &mut AsyncPgConnection) -> Answer<bool> {
    if !trigrams(conn).await? {
        // Refused where the role may not, or the server lacks it: then mistakes are not forgiven.
        let _ = conn.batch_execute("create extension if not exists pg_trgm").await;
    }
    conn.transaction(async |conn| -> Answer<()> {
        lock(conn).await?;
        conn.batch_execute(
            "create schema if not exists words;
             create table if not exists words.indexes (
                 name text primary key, live bigint not null, building bigint);
             create table if not exists words.builds (
                 id bigint generated always as identity primary key, documents bigint not null default 0,
                 made_at timestamptz not null default now())",
        )
        .await?;
        Ok(())
    })
    .await?;
    trigrams(conn).await
}

async fn trigrams(conn: &mut AsyncPgConnection) -> Answer<bool> {
    let found: Number = diesel::sql_query("select count(*) as n from pg_extension where extname = 'pg_trgm'")
        .get_result(conn)
        .await?;
    Ok(found.n > 0)
}

/// Makes the tables of a build; its number.
pub(super) async fn make(conn: &mut AsyncPgConnection, trigrams: bool) -> Answer<i64> {
    let made: Number = diesel::sql_query("insert into words.builds default values returning id as n")
        .get_result(conn)
        .await?;
    let n = made.n;
    // Bytes in order: a prefix is a range.
    let mut text = format!(
        r#"create table words.d{n} (id uuid primary key, revision bigint not null, gone boolean not null,
             title text not null, body text not null, phrases text[] not null, tsv tsvector, {COLUMNS});
         create index on words.d{n} using gin (tsv) with (fastupdate = off);
         create index on words.d{n} using gin (skills);
         create index on words.d{n} (fresh_ms desc nulls last, id) where not gone;
         create table words.v{n} (word text collate "C" primary key, n bigint not null, stem boolean not null);
         create table words.s{n} (folded text collate "C" primary key, shown text not null, n bigint not null);"#
    );
    if trigrams {
        text.push_str(&format!(
            "create index on words.v{n} using gin (word gin_trgm_ops) where not stem;
             create index on words.s{n} using gin (folded gin_trgm_ops);"
        ));
    }
    conn.batch_execute(&text).await?;
    Ok(n)
}

/// Drops the tables of a build.
pub(super) async fn drop_build(conn: &mut AsyncPgConnection, n: i64) -> Answer<()> {
    let text = format!(
        "drop table if exists words.d{n}, words.v{n}, words.s{n}; delete from words.builds where id = {n}"
    );
    Ok(conn.batch_execute(&text).await?)
}

/// Lets the planner know the tables of a build.
pub(super) async fn analyze(conn: &mut AsyncPgConnection, n: i64) -> Answer<()> {
    Ok(conn.batch_execute(&format!("analyze words.d{n}, words.v{n}, words.s{n}")).await?)
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many documents each index has.
pub(super) async fn counts(conn: &mut AsyncPgConnection) -> Answer<Vec<(String, i64)>> {
    let rows: Vec<Count> = diesel::sql_query(
        "select name, documents as n from words.indexes join words.builds on id = live order by name",
    )
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.name, row.n)).collect())
}
