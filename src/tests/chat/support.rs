use crate::postgres::Database;
use diesel_async::SimpleAsyncConnection;

/// TEMPORARY until the postgres support is merged.
pub async fn database() -> Database {
    let base = std::env::var("CHAT_TEST_URL").unwrap_or("postgres://gigsy@127.0.0.1:54399/postgres".into());
    let name = format!("t{}", uuid::Uuid::now_v7().simple());
    let cfg = |url: &str| {
        let mut c =
            crate::config::layer("x".into(), "", [("DATABASE_URL".to_owned(), url.to_owned())].into_iter())
                .unwrap();
        c.database.pool_size = 10;
        c
    };
    let admin = Database::open(&cfg(&base)).await.unwrap();
    admin.conn().await.unwrap().batch_execute(&format!("create database {name}")).await.unwrap();
    admin.shutdown().await;
    let db = Database::open(&cfg(&base
        .replace("/postgres", &format!("/{name}"))
        .replace(":/", "://")
        .replace(":///", "://")))
    .await
    .unwrap();
    db.migrate().await.unwrap();
    db
}
