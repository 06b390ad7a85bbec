//! Two nodes over one database and one Redis, over HTTP.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tests::support::{
    api::Api,
    app::TestApp,
    redis::{RedisServer, redis_or_skip},
    wait::eventually,
};

const PASSWORD: &str = "correct-horse-battery-42";

/// Settings of a node over that Redis; a busy machine must not look like a dead server.
fn settings<'a>(url: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![("REDIS_URL", url), ("GIGSY_REDIS_TIMEOUT_MS", "2000")];
    all.extend_from_slice(more);
    all
}

async fn two(server: &RedisServer, more: &[(&str, &str)]) -> (TestApp, TestApp) {
    let url = server.url();
    let one = TestApp::start(&settings(&url, more)).await;
    let two = one.beside(&settings(&url, more)).await;
    (one, two)
}

async fn person(app: &TestApp, name: &str, role: &str) -> (String, String) {
    let email = format!("{name}@example.org");
    let api = Api::new(app.base(), None);
    let form = json!({"email": email, "password": PASSWORD, "display_name": name, "role": role});
    let made = api.post("/api/v1/auth/register", &form).await.expect(201);
    (sign_in(app, &email).await, made["user"]["id"].as_str().unwrap().to_owned())
}

async fn sign_in(app: &TestApp, email: &str) -> String {
    let form = json!({"email": email, "password": PASSWORD});
    let opened = Api::new(app.base(), None).post("/api/v1/auth/sessions", &form).await.expect(201);
    opened["token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn limits_are_those_of_all_nodes_together() {
    let server = redis_or_skip!("limits of two nodes");
    let (a, b) = Box::pin(two(&server, &[("GIGSY_LIMIT_SIGN_IN", "6")])).await;
    let form = json!({"email": "nobody@example.org", "password": "wrong wrong"});
    let attempt =
        async |app: &TestApp| Api::new(app.base(), None).post("/api/v1/auth/sessions", &form).await.status;
    for _ in 0..3 {
        for app in [&a, &b] {
            let status = attempt(app).await;
            assert!(status == 401 || status == 429, "{status}"); // 429: the lockout of wrong passwords
        }
    }
    // Of another account, which no lockout knows.
    let other = json!({"email": "other@example.org", "password": "wrong wrong"});
    for app in [&a, &b] {
        let over = Api::new(app.base(), None).post("/api/v1/auth/sessions", &other).await;
        over.expect_problem(429);
        assert!(over.text.contains("over 6 a minute from this address"), "{}", over.text);
    }
    a.stop().await;
    b.stop().await;
}

#[actix_web::test]
async fn a_session_ended_on_one_node_has_ended_on_the_other_and_a_flush_signs_nobody_out() {
    let server = redis_or_skip!("sessions of two nodes");
    let (a, b) = Box::pin(two(&server, &[])).await;
    let (first, _) = person(&a, "lina", "student").await;
    let second = sign_in(&b, "lina@example.org").await;
    let me =
        async |app: &TestApp, token: &str| Api::new(app.base(), Some(token)).get("/api/v1/me").await.status;
    for _ in 0..3 {
        for (app, token) in [(&a, &first), (&b, &first), (&a, &second), (&b, &second)] {
            assert_eq!(me(app, token).await, 200);
        }
    }
    server.command::<()>(&["FLUSHALL"]).await;
    for (app, token) in [(&a, &first), (&b, &second)] {
        assert_eq!(me(app, token).await, 200);
    }
    let ended = Api::new(a.base(), Some(&first)).call("DELETE", "/api/v1/auth/sessions/current", None).await;
    assert_eq!(ended.status, 204);
    assert_eq!((me(&b, &first).await, me(&a, &first).await, me(&b, &second).await), (401, 401, 200));
    let others = Api::new(b.base(), Some(&sign_in(&b, "lina@example.org").await))
        .call("DELETE", "/api/v1/auth/sessions/others", None)
        .await;
    assert_eq!(others.status, 204);
    assert_eq!((me(&a, &second).await, me(&b, &second).await), (401, 401));
    a.stop().await;
    b.stop().await;
}

#[actix_web::test]
async fn a_gig_changed_on_one_node_is_changed_on_the_other() {
    let server = redis_or_skip!("the cache of two nodes");
    let (a, b) = Box::pin(two(&server, &[])).await;
    let (client, client_id) = person(&a, "carla", "client").await;
    let (student, _) = person(&b, "sami", "student").await;
    let mut conn = a.database().conn().await.unwrap();
    let verified = diesel::sql_query("update identity.users set email_verified_at = now()");
    diesel_async::RunQueryDsl::execute(verified, &mut *conn).await.unwrap();
    drop(conn);
    // Past the code: what is kept of sessions says that the address is not verified.
    server.command::<()>(&["FLUSHALL"]).await;
    let (owner, reader) = (Api::new(a.base(), Some(&client)), Api::new(b.base(), Some(&student)));
    let form = json!({"title": "A poster", "description": "For the concert", "skills": [],
        "budget": {"amount_minor": 12_500, "currency": "EUR"}});
    let gig = owner.post("/api/v1/gigs", &form).await.expect(201);
    let path = format!("/api/v1/gigs/{}", gig["id"].as_str().unwrap());
    // A draft is its client's alone, also after its client has looked.
    owner.get(&path).await.expect(200);
    assert_eq!(reader.get(&path).await.status, 404);
    assert_eq!(reader.get("/api/v1/gigs").await.expect(200)["items"], json!([]));

    owner.post(&format!("{path}/post"), &json!({})).await.expect(200);
    let title = |answer: &Value| answer["items"][0]["title"].as_str().unwrap_or_default().to_owned();
    assert_eq!(title(&reader.get("/api/v1/gigs").await.expect(200)), "A poster");
    for round in 0..5 {
        let seen = reader.get(&path).await.expect(200);
        assert_eq!(seen["allowed_transitions"], json!([]), "the reader may do what the client may");
        let own = owner.get(&path).await.expect(200);
        assert!(own["allowed_transitions"].as_array().unwrap().contains(&json!("pause")), "{own}");
        let version = own["version"].as_i64().unwrap();
        let new = json!({"title": format!("Poster {round}")});
        let changed = patch(&a, &client, &path, version, &new).await;
        assert_eq!(changed, 200);
        assert_eq!(reader.get(&path).await.expect(200)["title"], new["title"]);
        assert_eq!(Value::from(title(&reader.get("/api/v1/gigs").await.expect(200))), new["title"]);
    }
    let apply = json!({"proposal": "I would", "answers": []});
    reader.post(&format!("{path}/applications"), &apply).await.expect(201);
    assert_eq!(owner.get(&path).await.expect(200)["applications_count"], 1);

    // Public profiles.
    let profile = format!("/api/v1/people/{client_id}");
    assert_eq!(reader.get(&profile).await.expect(200)["display_name"], "carla");
    let me = owner.get("/api/v1/me").await.expect(200)["version"].as_i64().unwrap_or(1);
    let named = patch(&a, &client, "/api/v1/me", me, &json!({"display_name": "Carla Mendes"})).await;
    assert_eq!(named, 200);
    assert_eq!(reader.get(&profile).await.expect(200)["display_name"], "Carla Mendes");

    let hits: Vec<String> = server.command(&["KEYS", "gigsy:c:*"]).await;
    assert!(hits.iter().any(|key| key.starts_with("gigsy:c:gig:")), "{hits:?}");
    assert!(hits.iter().any(|key| key.starts_with("gigsy:c:person:")), "{hits:?}");
    a.stop().await;
    b.stop().await;
}

async fn patch(app: &TestApp, token: &str, path: &str, version: i64, body: &Value) -> u16 {
    let request = awc::Client::default()
        .request(awc::http::Method::PATCH, format!("{}{path}", app.base()))
        .bearer_auth(token)
        .insert_header(("if-match", format!("\"v{version}\"")));
    request.send_json(body).await.unwrap().status().as_u16()
}

#[actix_web::test]
async fn readyz_names_the_adapter() {
    let server = redis_or_skip!("/readyz over Redis");
    let app = TestApp::start(&settings(&server.url(), &[])).await;
    let api = Api::new(app.base(), None);
    let store = eventually("it is ready", Duration::from_secs(30), || async {
        let ready = api.get("/readyz").await;
        let stores = ready.json["stores"].as_array().cloned().unwrap_or_default();
        (ready.status == 200).then(|| stores.into_iter().find(|store| store["name"] == "redis").unwrap())
    })
    .await;
    assert_eq!((&store["mode"], &store["reachable"]), (&json!("server"), &json!(true)), "{store}");
    assert!(store["version"].is_string() && store["latency_ms"].is_number(), "{store}");
    app.stop().await;
    if std::env::var_os("GIGSY_TEST_REDIS_URL").is_none() {
        let alone = TestApp::start(&[]).await;
        let ready = Api::new(alone.base(), None).get("/readyz").await;
        let stores = ready.json["stores"].as_array().unwrap();
        assert_eq!(stores.iter().find(|store| store["name"] == "redis").unwrap()["mode"], "embedded");
        alone.stop().await;
    }
}
