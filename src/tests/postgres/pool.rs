//! The pool, on whichever server the tests run.

use std::time::{Duration, Instant};

use diesel_async::AsyncConnection;

use super::{ask, run};
use crate::{
    ports::{Mode, Store},
    postgres::{Database, DbError, Kept},
    tests::support::database::TestDatabase,
};

async fn open(test: &TestDatabase, connections: usize, seconds: u64) -> Database {
    let mut config = test.config();
    config.pool_size = connections;
    config.acquire_seconds = seconds;
    let data = crate::config::DataConfig { dir: "/nonexistent".into(), allow_demo: false };
    Database::connect(&config, &data).await.unwrap()
}

#[tokio::test]
async fn waiting_for_a_connection_has_an_end() {
    let test = TestDatabase::new();
    let database = open(&test, 2, 1).await;
    let held = (database.conn().await.unwrap(), database.conn().await.unwrap());
    let began = Instant::now();
    assert!(database.conn().await.err().unwrap().is_unavailable());
    let waited = began.elapsed();
    assert!(waited > Duration::from_millis(900) && waited < Duration::from_secs(20), "{waited:?}");
    drop(held);
    drop(database.conn().await.unwrap());
}

#[tokio::test]
async fn a_connection_that_broke_is_not_handed_out_again() {
    let test = TestDatabase::new();
    let database = open(&test, 2, 2).await;
    let other = open(&test, 2, 2).await;
    let mut held = database.conn().await.unwrap();
    // One is idle in the pool, one is in use, when the server ends both.
    ask(&database, "select 1").await.unwrap();
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where datname = current_database() and pid <> pg_backend_pid()";
    ask(&other, end).await.unwrap();
    let error: DbError = {
        use diesel_async::RunQueryDsl;
        diesel::sql_query("select 1").execute(&mut held).await.unwrap_err().into()
    };
    assert!(error.is_unavailable(), "{error:?}");
    drop(held);
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..4 {
        ask(&database, "select 1").await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_that_was_given_up_leaves_nothing_behind() {
    let test = TestDatabase::new();
    let database = open(&test, 2, 2).await;
    let gave_up = tokio::time::timeout(Duration::from_millis(100), async {
        let mut conn = database.conn().await.unwrap();
        conn.transaction::<_, diesel::result::Error, _>(async |conn| {
            use diesel_async::RunQueryDsl;
            diesel::sql_query("insert into platform.settings (key, value) values ('half', '1')")
                .execute(conn)
                .await?;
            std::future::pending::<()>().await;
            Ok(())
        })
        .await
    });
    assert!(gave_up.await.is_err());
    for _ in 0..4 {
        assert_eq!(ask(&database, "select count(*) from platform.settings").await.unwrap(), "0");
    }
}

#[tokio::test]
async fn constraints_come_back_by_name() {
    let test = TestDatabase::new();
    let database = test.open().await;
    let insert = |key: &str| format!("insert into platform.settings (key, value) values ('{key}', '1')");
    run(&database, &insert("a")).await.unwrap();
    assert!(run(&database, &insert("a")).await.unwrap_err().is_unique("settings_pkey"));
    let error = run(&database, &insert("")).await.unwrap_err();
    assert_eq!(error.constraint(), Some("settings_key_check"));
    let error =
        run(&database, "insert into platform.settings (key, value) values ('b', null)").await.unwrap_err();
    assert_eq!(error.constraint(), Some("value"));
    assert!(matches!(run(&database, "selec 1").await, Err(DbError::Other(_))));
}

#[tokio::test]
async fn migrations_run_once_however_many_start_together() {
    let test = TestDatabase::new();
    let database = open(&test, 6, 5).await;
    run(&database, "drop schema public cascade").await.unwrap();
    run(&database, "create schema public").await.unwrap();
    let all = "do $$ declare s text; begin
        for s in select nspname from pg_namespace where nspname !~ '^pg_|^information_schema$|^public$' loop
            execute format('drop schema %I cascade', s);
        end loop; end $$";
    run(&database, all).await.unwrap();
    assert_eq!(database.status().await.mend.as_deref(), Some("run `gigsy migrate`"));
    let all = futures_util::future::join_all((0..4).map(|_| database.migrate())).await;
    let applied: usize = all.into_iter().map(|done| done.unwrap().len()).sum();
    let state = database.migrations().await.unwrap();
    assert_eq!((state.applied, state.pending), (applied, 0));
    assert!(applied > 0);
}

#[actix_web::test]
async fn status_tells_how_the_store_is() {
    let test = TestDatabase::new();
    let database = test.open().await;
    // On a single-threaded runtime as well.
    assert!(database.migrate().await.unwrap().is_empty());
    let status = database.status().await;
    assert!(status.reachable && status.mend.is_none() && status.latency_ms.is_some());
    assert_eq!((status.name, status.mode), ("postgres", Mode::Server));
    database.shutdown().await;
    let status = database.status().await;
    assert!(!status.reachable && status.mend.unwrap().contains("DATABASE_URL"));
}

#[tokio::test]
async fn what_is_kept_is_prepared_once_and_what_is_not_is_forgotten() {
    use diesel::{
        QueryableByName,
        sql_types::{BigInt, Integer},
    };
    use diesel_async::RunQueryDsl;

    #[derive(QueryableByName)]
    struct Sum {
        #[diesel(sql_type = Integer)]
        sum: i32,
    }
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        count: i64,
    }

    let test = TestDatabase::new();
    let database = open(&test, 1, 2).await;
    let mut conn = database.conn().await.unwrap();
    for (kept, left) in [(false, 0), (true, 1)] {
        for n in 1..=3 {
            let query = diesel::sql_query("select $1 + 40 as sum").bind::<Integer, _>(n);
            let row: Sum = if kept {
                Kept(query).get_result(&mut conn).await.unwrap()
            } else {
                query.get_result(&mut conn).await.unwrap()
            };
            assert_eq!(row.sum, 40 + n);
        }
        let count: Count = diesel::sql_query(
            "select count(*) as count from pg_prepared_statements where statement like 'select $1 + 40%'",
        )
        .get_result(&mut conn)
        .await
        .unwrap();
        assert_eq!(count.count, left);
    }
}
