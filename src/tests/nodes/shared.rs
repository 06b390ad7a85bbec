//! Caches and leaderboards of two nodes without a Redis: each has its own, and they tell each other over
//! NATS.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::NO_SERVER;
use crate::tests::support::{
    api::Api,
    app::TestApp,
    nats::{NatsServer, installed},
    skip::skip,
    socket::Socket,
    wait::{eventually, within},
};

const PASSWORD: &str = "correct-horse-battery-42";
/// Well below the time for which an entry of a cache is good without a word (30 s).
const SOON: Duration = Duration::from_secs(10);

async fn two(bus: &str) -> (TestApp, TestApp) {
    let env = [("NATS_URL", bus), ("GIGSY_LIMIT_CALLS", "1000000")];
    let one = TestApp::start(&env).await;
    let two = one.beside(&env).await;
    (one, two)
}

async fn person(app: &TestApp, name: &str, role: &str) -> (String, String) {
    let api = Api::new(app.base(), None);
    let email = format!("{name}@example.org");
    let form = json!({"email": email, "password": PASSWORD, "display_name": name, "role": role});
    let made = api.post("/api/v1/auth/register", &form).await.expect(201);
    let opened =
        api.post("/api/v1/auth/sessions", &json!({"email": email, "password": PASSWORD})).await.expect(201);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&opened["token"]), text(&made["user"]["id"]))
}

async fn verify_all(app: &TestApp) {
    let mut conn = app.database().conn().await.unwrap();
    let verified = diesel::sql_query("update identity.users set email_verified_at = now()");
    diesel_async::RunQueryDsl::execute(verified, &mut *conn).await.unwrap();
}

async fn rename(app: &TestApp, token: &str, name: &str) {
    let me = Api::new(app.base(), Some(token)).get("/api/v1/me").await.expect(200);
    let version = me["version"].as_i64().unwrap_or(1);
    let patch = json!({ "display_name": name });
    let request = awc::Client::default()
        .request(awc::http::Method::PATCH, format!("{}/api/v1/me", app.base()))
        .bearer_auth(token)
        .insert_header(("if-match", format!("\"v{version}\"")));
    assert_eq!(request.send_json(&patch).await.unwrap().status(), 200);
}

#[actix_web::test]
async fn what_changes_on_one_node_is_forgotten_on_the_other_also_past_a_gap() {
    let Some(bin) = installed() else { skip!("caches across nodes", NO_SERVER) };
    let mut nats = NatsServer::start(&bin).await;
    let (a, b) = Box::pin(two(nats.url().as_str())).await;
    let (owner_token, owner_id) = person(&a, "carla", "client").await;
    let (reader_token, _) = person(&b, "sami", "student").await;
    let (owner, reader) = (Api::new(a.base(), Some(&owner_token)), Api::new(b.base(), Some(&reader_token)));
    let profile = format!("/api/v1/people/{owner_id}");
    let shown = async |api: &Api| api.get(&profile).await.expect(200)["display_name"].clone();

    for round in 0..3 {
        // Both have it in their caches.
        for api in [&owner, &reader] {
            shown(api).await;
        }
        let name = format!("Carla {round}");
        rename(&a, &owner_token, &name).await;
        assert_eq!(shown(&owner).await, name.as_str(), "one's own node forgets at once");
        eventually("the other node forgets", SOON, async || {
            (shown(&reader).await == name.as_str()).then_some(())
        })
        .await;
    }
    // Nothing but the word did it: without the bus the other node has what was.
    nats.down(Signal::KILL);
    shown(&reader).await;
    rename(&a, &owner_token, "Carla Cut").await;
    for _ in 0..10 {
        assert_eq!(shown(&reader).await, "Carla 2", "the cache was not used");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The words of the gap are lost; whoever hears again forgets everything.
    nats.up().await;
    eventually("the other node forgets after the gap", 2 * SOON, async || {
        (shown(&reader).await == "Carla Cut").then_some(())
    })
    .await;
    a.stop().await;
    b.stop().await;
}

#[actix_web::test]
async fn leaderboards_of_two_nodes_are_one() {
    let Some(bin) = installed() else { skip!("leaderboards across nodes", NO_SERVER) };
    let nats = NatsServer::start(&bin).await;
    let (a, b) = Box::pin(two(nats.url().as_str())).await;
    let (owner, _) = person(&a, "carla", "client").await;
    let (watcher, watcher_id) = person(&b, "wanda", "student").await;
    verify_all(&a).await;
    let (owner, watcher) = (Api::new(a.base(), Some(&owner)), Api::new(b.base(), Some(&watcher)));
    let around = "/api/v1/leaderboards/global/around-me?span=50";
    for api in [&owner, &watcher] {
        eventually("both are on the board", SOON, async || {
            let part = api.get(around).await;
            (part.status == 200 && part.json["total"] == 2).then_some(())
        })
        .await;
    }
    let token = watcher.post("/api/v1/realtime/token", &json!({})).await.expect_success();
    let mut socket = Socket::connect(b.base(), token["token"].as_str().unwrap()).await.unwrap();
    socket.command("subscribe", json!({ "channel": "leaderboard:global" })).await.unwrap();

    // Somebody earns on the one node; who looks at the other sees it, and hears of their own fall.
    let form = json!({"title": "A poster", "description": "For the concert", "skills": ["rust"],
        "budget": {"amount_minor": 12_500, "currency": "EUR"}});
    let gig = owner.post("/api/v1/gigs", &form).await.expect(201);
    let path = format!("/api/v1/gigs/{}/post", gig["id"].as_str().unwrap());
    owner.post(&path, &json!({})).await.expect(200);
    let before = watcher.get(around).await.expect(200)["rank"].clone();
    let (mut top, mut own) = (false, before == 2);
    within("news of the other node", SOON, async {
        while !(top && own) {
            let push = socket.push().await.unwrap();
            let data = &push["push"]["pub"]["data"];
            top |= data["type"] == "top" && data["items"].to_string().contains("\"score\":30");
            own |= data["type"] == "rank" && data["rank"] == 2;
        }
    })
    .await;
    let parts = async || [owner.get(around).await.json, watcher.get(around).await.json];
    eventually("both nodes answer the same", SOON, async || {
        let [one, two] = parts().await;
        let rows = |part: &Value| {
            let items = part["items"].as_array().cloned().unwrap_or_default();
            items.into_iter().map(|row| (row["user_id"].clone(), row["score"].clone())).collect::<Vec<_>>()
        };
        (rows(&one) == rows(&two) && one["rank"] == 1 && two["rank"] == 2).then_some(())
    })
    .await;
    assert!(watcher.get(around).await.text.contains(&watcher_id));
    a.stop().await;
    b.stop().await;
}
