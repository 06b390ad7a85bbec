//! The same on a PostgreSQL server by `DATABASE_URL`: nothing is embedded, everything works.

use std::time::Duration;

use serde_json::json;

use super::talk::{assert_kept, connect, message, send_for_sure, stream};
use crate::tests::support::{
    postgres_server::{PostgresServer, installed},
    server::{Server, postmaster},
    skip::skip,
    wait::within,
};

#[actix_web::test]
async fn the_server_runs_on_a_postgresql_server_by_database_url() {
    let Some(bin) = installed() else {
        skip!(store "Gigsy on a PostgreSQL server by DATABASE_URL", "there is none in /usr/lib/postgresql");
    };
    let postgres = PostgresServer::start(&bin).await;
    let mut server = Server::start(&[("DATABASE_URL", &postgres.url())]).await;
    assert!(postmaster(&server.data_dir()).is_none(), "no private PostgreSQL runs beside it");
    let (ada, ben) = (server.person("Ada").await, server.person("Ben").await);
    let room = server.room(&ada, &[&ben]).await;
    let mut reader = connect(&server, &ben).await;
    let channel = format!("chat:{room}");
    reader.command("subscribe", json!({"channel": channel})).await.expect("subscribed");
    let mut writer = connect(&server, &ada).await;
    writer.rpc("chat.send", message(&room, "live-0")).await.expect("sent");
    loop {
        let push =
            within("the message crosses", Duration::from_secs(10), reader.push()).await.expect("a push");
        if push["push"]["pub"]["data"]["body"] == "live-0" {
            break;
        }
    }
    let ack = send_for_sure(&ada.api, &room, "kept-0").await;
    server.kill9();
    server.restart().await;
    let mut reader = connect(&server, &ben).await;
    assert_kept(&stream(&mut reader, &room).await, &[ack]);

    let ready = server.api().get("/readyz").await.expect(200);
    assert!(ready.to_string().contains("server"), "the store is told to be a server: {ready}");
}
