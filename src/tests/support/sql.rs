//! SQL past the server's back, on the database of a running [`Server`]: for what no API may do.

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use super::{mongo_server, server::Server};
use crate::{
    config::layer,
    contexts::chat::{EventLog, MongoLog, RoomId, TailSize},
    events::Envelope,
    postgres::Database,
};

/// Runs statements on the server's own database.
///
/// # Panics
/// When the database cannot be reached or refuses one.
pub async fn execute(server: &Server, statements: &[String]) {
    let database = attach(server).await;
    let mut connection = database.conn().await.expect("a connection");
    for statement in statements {
        sql_query(statement).execute(&mut connection).await.unwrap_or_else(|e| panic!("{statement}: {e}"));
    }
}

#[derive(diesel::QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// What a query that answers one `n` counts.
///
/// # Panics
/// As [`execute`].
pub async fn count(server: &Server, query: &str) -> i64 {
    let database = attach(server).await;
    let mut connection = database.conn().await.expect("a connection");
    let found: Count =
        sql_query(query).get_result(&mut connection).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    found.n
}

/// Cuts a room's log: nothing up to and including `seq` is kept.
///
/// # Panics
/// As [`execute`].
pub async fn cut_log(server: &Server, room: &str, seq: u64) {
    let room: uuid::Uuid = room.parse().expect("a room's id");
    if let Some(url) = server.setting("MONGODB_URL") {
        let log = MongoLog::new(mongo_server::open(url).await, TailSize { bytes: 64 << 20 });
        log.cut(RoomId(room), seq + 1).await.expect("the log is cut");
        return;
    }
    execute(
        server,
        &[
            format!("delete from chat.events where room_id = '{room}' and seq <= {seq}"),
            format!("update chat.streams set first_seq = {} where room_id = '{room}'", seq + 1),
        ],
    )
    .await;
}

/// Records an event so many times, as the gigs context would: each with an id of its own.
///
/// # Panics
/// As [`execute`].
pub async fn record(server: &Server, subject: &str, data: &serde_json::Value, times: u64) {
    let statements: Vec<String> = (0..times)
        .map(|_| {
            let event = Envelope {
                id: uuid::Uuid::now_v7(),
                subject: subject.to_owned(),
                context: "gigs".to_owned(),
                aggregate: uuid::Uuid::now_v7().to_string(),
                version: 1,
                sequence: 0,
                time: chrono::Utc::now(),
                data: data.clone(),
                correlation_id: "recorded-by-a-test".to_owned(),
                causation_id: None,
                traceparent: None,
            };
            format!(
                "insert into platform.outbox (id, context, subject, aggregate, version, envelope, correlation_id) \
                 values ('{}', 'gigs', '{subject}', '{}', 1, '{}', '{}')",
                event.id,
                event.aggregate,
                event.to_json().to_string().replace('\'', "''"),
                event.correlation_id,
            )
        })
        .collect();
    execute(server, &statements).await;
}

/// A number that a query answers as `n`.
///
/// # Panics
/// When the database cannot be reached or refuses.
pub async fn number(server: &Server, query: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let database = attach(server).await;
    let mut connection = database.conn().await.expect("a connection");
    let row: Row =
        sql_query(query).get_result(&mut connection).await.unwrap_or_else(|e| panic!("{query}: {e}"));
    row.n
}

/// The database of a running server.
///
/// # Panics
/// When it cannot be reached.
pub async fn attach(server: &Server) -> Database {
    let data = server.data_dir().to_string_lossy().into_owned();
    let vars = [("GIGSY_DATA_DIR".to_owned(), data)].into_iter().chain(server.database_env());
    let config = layer("gigsy.toml".into(), "", vars).expect("settings");
    Database::attach(&config).await.expect("the server's database")
}
