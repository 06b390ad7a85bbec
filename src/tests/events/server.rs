//! The server's own part: which bus it names, what operators may ask, the commands.

use serde_json::{Value, json};

use crate::tests::support::{
    nats::{NatsServer, installed},
    server::{PASSWORD, Server},
    skip::skip,
    wait::eventually,
};

const ID: &str = "trace-me-0001";

async fn register(server: &Server) {
    let body = json!({"email": "traced@example.test", "password": PASSWORD, "display_name": "Traced"});
    let answer = awc::Client::default()
        .post(format!("{}/api/v1/auth/register", server.base()))
        .insert_header(("X-Correlation-Id", ID))
        .insert_header(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
        .send_json(&body)
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 201);
}

async fn serves_events(server: &Server, mode: &str) {
    let ready = server.api().get("/readyz").await.expect(200);
    let stores = ready["stores"].as_array().unwrap();
    let bus = stores.iter().find(|store| store["name"] == "bus").expect("the bus is a store");
    assert_eq!((bus["mode"].as_str(), bus["reachable"].as_bool()), (Some(mode), Some(true)));

    register(server).await;
    let path = format!("/api/v1/ops/trace/{ID}");
    server.person("Nobody").await.api.get(&path).await.expect_problem(403);
    let operator = server.operator().await;
    let trace = eventually("the event has gone round", super::outbox::LIMIT, || async {
        let trace = operator.api.get(&path).await.expect(200);
        trace["items"][0]["received_at"].is_string().then_some(trace)
    })
    .await;
    // What follows from it is in the trace too: points, and the badge as evidence, by then or a moment later.
    let (first, rest) = trace["items"].as_array().unwrap().split_first().unwrap();
    assert_eq!(first["subject"], "user.registered");
    assert!(
        rest.iter().all(|event| event["context"] == "gamification" || event["context"] == "career"),
        "{trace}"
    );
    assert_eq!(trace["items"][0]["context"], "identity");
    operator.api.get("/api/v1/ops/trace/bad").await.expect_problem(404);
    let unknown = operator.api.get("/api/v1/ops/trace/nothing-of-the-sort").await.expect(200);
    assert_eq!(unknown["items"], json!([]));
    let metrics = server.api().get("/metrics").await.text;
    for name in ["gigsy_outbox_rows", "gigsy_outbox_lag_seconds", "gigsy_events_published_total"] {
        assert!(metrics.contains(name), "{name}");
    }

    for (arguments, says) in [
        (&["events", "dead-letters"][..], "no dead letters"),
        (&["events", "replay", "--all"], "replayed 0 dead letters"),
        (&["migrate"], "the schema is current"),
        (&["check"], mode),
    ] {
        let ended = server.cli(arguments).await;
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success() && said.contains(says), "{arguments:?}: {said}");
    }
    assert!(!server.cli(&["events", "replay"]).await.status.success(), "which ones must be said");
}

#[actix_web::test]
async fn events_over_the_embedded_bus() {
    let server = Server::demo(&[]).await;
    serves_events(&server, "embedded").await;
}

#[actix_web::test]
async fn events_over_nats() {
    let Some(bin) = installed() else {
        skip!("events of a server over NATS", "no nats-server 2.10 or later");
    };
    let nats = NatsServer::start(&bin).await;
    let server = Server::demo(&[("NATS_URL", nats.url().as_str())]).await;
    serves_events(&server, "server").await;
    let operator = server.operator().await;
    let actors = operator.api.get("/api/v1/ops/actors?kind=nats_bridge").await.expect(200);
    let state: &Value = &actors["items"][0]["state"];
    assert_eq!(state["connected"], true, "{actors}");
    for name in ["published", "received", "lag"] {
        assert!(state[name].is_u64(), "{actors}");
    }
}
