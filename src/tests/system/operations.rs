//! What operators do: start twice, misconfigure, back up, restart.

use std::time::Duration;

use super::talk::{Ack, assert_kept, connect, send_for_sure, stream};
use crate::tests::support::{
    server::{PASSWORD, Server, find, run, scratch},
    wait::eventually,
};

#[actix_web::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let server = Server::start(&[]).await;
    let env = [("GIGSY_LISTEN".to_owned(), "127.0.0.1:0".to_owned())];
    let second = run(server.scratch(), &["serve"], &env).await;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success(), "a second server started on the same data");
    assert!(said.contains("data"), "it does not say why: {said}");
    server.api().get("/readyz").await.expect(200);
    server.person("Ada").await;
}

#[actix_web::test]
async fn bad_configuration_is_refused_with_the_settings_name() {
    let dir = scratch();
    for (name, value) in [
        ("GIGSY_LISTEN", "nowhere"),
        ("GIGSY_LISTEN", "127.0.0.1:99999"),
        ("DATABASE_URL", "mysql://localhost/x"),
        ("GIGSY_DATABASE_POOL", "0"),
        ("GIGSY_PONG_SECONDS", "60"),
        ("GIGSY_ALLOWED_ORIGINS", "not a url"),
        ("GIGSY_LOG", "loud"),
        ("GIGSY_LISTENN", "127.0.0.1:0"),
    ] {
        let env = [(name.to_owned(), value.to_owned())];
        let ended = run(dir.path(), &["serve"], &env).await;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success(), "{name}={value} was accepted");
        assert!(said.contains(name), "{name}={value}: the name is not in {said:?}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert!(!dir.path().join("data").exists(), "a refused start leaves no data directory");
}

#[actix_web::test]
async fn a_warm_start_takes_what_is_there_and_finds_everything() {
    let mut server = Server::demo(&[]).await;
    let cold = server.started_in;
    let made = cluster_made(&server);
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let ack = send_for_sure(&ada.api, &room, "kept-0").await;
    server.terminate();
    let status = server.exit(Duration::from_secs(20)).await;
    assert!(status.success(), "the exit is {status}");
    server.restart().await;
    eprintln!("ready after {cold:?} the first time, {:?} the second", server.started_in);
    // What makes it quick: the cluster is the one that is there.
    assert_eq!(cluster_made(&server), made, "a warm start makes no second cluster");
    // The session outlives the restart: nobody is signed out.
    let mut socket = connect(&server, &ada).await;
    assert_kept(&stream(&mut socket, &room).await, &[ack]);
}

/// When the private PostgreSQL's cluster was made, if there is one (with a `DATABASE_URL` there is none).
fn cluster_made(server: &Server) -> Option<std::time::SystemTime> {
    let file = find(&server.data_dir(), "PG_VERSION", 4)?;
    file.metadata().and_then(|meta| meta.modified()).ok()
}

#[actix_web::test]
async fn a_backup_taken_while_serving_restores_elsewhere() {
    let server = Server::start(&[]).await;
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let mut acks: Vec<Ack> = Vec::new();
    for n in 0..50 {
        acks.push(send_for_sure(&ada.api, &room, &format!("kept-{n}")).await);
    }
    let target = scratch();
    let file = target.path().join("gigsy.backup");
    let name = file.to_str().expect("a plain path");
    let (api, place) = (ada.api.clone(), room.clone());
    let writing = actix_web::rt::spawn(async move {
        for n in 0.. {
            send_for_sure(&api, &place, &format!("later-{n}")).await;
        }
    });
    let done = server.cli(&["backup", name]).await;
    writing.abort();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let again = server.cli(&["backup", name]).await;
    assert!(!again.status.success(), "an existing file is not overwritten");
    let refused = server.cli(&["restore", name]).await;
    assert!(!refused.status.success(), "data in use is not replaced");
    server.api().get("/readyz").await.expect(200);

    let done = run(target.path(), &["restore", name], &[]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let copy = Server::prepared(target, &[]).await;
    let ada = copy.sign_in(&ada.email, PASSWORD).await;
    let mut socket = connect(&copy, &ada).await;
    assert_kept(&stream(&mut socket, &room).await, &acks);
    send_for_sure(&ada.api, &room, "anew-0").await;
}

#[actix_web::test]
async fn the_commands_beside_a_running_server_work() {
    let server = Server::start(&[]).await;
    let ada = server.person("Ada").await;
    ada.api.get("/api/v1/ops/actors").await.expect_problem(403);
    let done = server.cli(&["user", "grant-role", &ada.email, "operator"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    eventually("the role counts", Duration::from_secs(10), || async {
        let again = server.sign_in(&ada.email, PASSWORD).await;
        (again.api.get("/api/v1/ops/actors").await.status == 200).then_some(())
    })
    .await;
    let done = server.cli(&["user", "grant-role", "nobody@example.test", "operator"]).await;
    assert!(!done.status.success(), "nobody has this address");

    let check = server.cli(&["check"]).await;
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{said}{}", String::from_utf8_lossy(&check.stderr));
    assert!(said.contains("postgres") && said.contains("embedded"), "{said}");
    let openapi = server.cli(&["openapi"]).await;
    let document: serde_json::Value = serde_json::from_slice(&openapi.stdout).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")), "OpenAPI 3.1");
    assert!(server.cli(&["version"]).await.status.success());
    server.api().get("/readyz").await.expect(200);
}
