//! SQL past the server's back, on the database of a running [`Server`]: for what no API may do.

use diesel::sql_query;
use diesel_async::RunQueryDsl;

use super::server::Server;
use crate::{config::layer, postgres::Database};

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

/// Cuts a room's log: nothing up to and including `seq` is kept.
///
/// # Panics
/// As [`execute`].
pub async fn cut_log(server: &Server, room: &str, seq: u64) {
    let room: uuid::Uuid = room.parse().expect("a room's id");
    execute(
        server,
        &[
            format!("delete from chat.events where room_id = '{room}' and seq <= {seq}"),
            format!("update chat.streams set first_seq = {} where room_id = '{room}'", seq + 1),
        ],
    )
    .await;
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
