//! What holds for every path, over a real listener.

use awc::http::{Method, header};
use serde_json::{Value, json};

use crate::{http::router::ROUTES, tests::support::app::TestApp};

struct Answer {
    status: u16,
    headers: awc::http::header::HeaderMap,
    json: Value,
}

async fn call(
    app: &TestApp,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Answer {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = awc::Client::default().request(method, format!("{}{path}", app.base()));
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    let mut answer = request.send_body(body.unwrap_or_default().to_owned()).await.unwrap();
    let body = answer.body().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        json: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    fn expect_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.json);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["correlation_id"], self.header("x-correlation-id"));
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[actix_web::test]
async fn every_failure_is_a_problem_and_says_where_its_log_lines_are() {
    let app = TestApp::start(&[]).await;
    call(&app, "GET", "/nowhere", &[], None).await.expect_problem(404);
    call(&app, "GET", "/api/v1/nowhere", &[], None).await.expect_problem(404);

    let wrong = call(&app, "PUT", "/api/v1/me", &[], None).await;
    wrong.expect_problem(405);
    assert_eq!(wrong.header("allow"), "GET, PATCH");

    let nobody = call(&app, "GET", "/api/v1/me", &[], None).await;
    nobody.expect_problem(401);
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));

    let path = "/api/v1/auth/register";
    call(&app, "POST", path, &[("content-type", "text/plain")], Some("{}")).await.expect_problem(415);
    call(&app, "POST", path, &[JSON], Some("{")).await.expect_problem(400);
    let huge = format!("{{\"email\":\"{}\"}}", "x".repeat(300_000));
    call(&app, "POST", path, &[JSON], Some(&huge)).await.expect_problem(413);

    let missing = call(&app, "POST", path, &[JSON], Some(r#"{"email":"a@b.test"}"#)).await;
    missing.expect_problem(422);
    assert_eq!(missing.json["errors"][0]["pointer"], "/password");
    let nul = call(&app, "POST", path, &[JSON], Some(r#"{"email":"a\u0000@b.test"}"#)).await;
    nul.expect_problem(422);
    assert_eq!(nul.json["errors"][0]["pointer"], "/email");
    app.stop().await;
}

#[actix_web::test]
async fn a_correlation_id_is_taken_only_in_its_form() {
    let app = TestApp::start(&[]).await;
    let given = call(&app, "GET", "/healthz", &[("x-correlation-id", "from-outside.1")], None).await;
    assert_eq!(given.header("x-correlation-id"), "from-outside.1");
    for bad in ["short", "has spaces in it", "<script>alert(1)</script>"] {
        let answer = call(&app, "GET", "/healthz", &[("x-correlation-id", bad)], None).await;
        assert_ne!(answer.header("x-correlation-id"), bad);
        assert!(answer.header("x-correlation-id").len() >= 8);
    }
    app.stop().await;
}

#[actix_web::test]
async fn foreign_pages_may_not_act() {
    let app = TestApp::start(&[("GIGSY_ALLOWED_ORIGINS", "https://app.example.org")]).await;
    let form = json!({"email": "a@b.test", "password": "long enough", "display_name": "A"}).to_string();
    let path = "/api/v1/auth/register";
    let evil = [JSON, ("origin", "https://evil.example")];
    let refused = call(&app, "POST", path, &evil, Some(&form)).await;
    refused.expect_problem(403);
    assert_eq!(refused.header("access-control-allow-origin"), "");

    let friend = [JSON, ("origin", "https://app.example.org")];
    let welcome = call(&app, "POST", path, &friend, Some(&form)).await;
    assert_eq!(welcome.status, 201, "{}", welcome.json);
    assert_eq!(welcome.header("access-control-allow-origin"), "https://app.example.org");
    assert_eq!(welcome.header("access-control-allow-credentials"), "true");

    let asked = [("origin", "https://app.example.org"), ("access-control-request-method", "PATCH")];
    let preflight = call(&app, "OPTIONS", "/api/v1/me", &asked, None).await;
    assert_eq!(preflight.status, 200);
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
    app.stop().await;
}

#[actix_web::test]
async fn past_the_limit_comes_429_with_the_time_to_wait() {
    let app = TestApp::start(&[("GIGSY_LIMIT_SIGN_IN", "2")]).await;
    let form = json!({"email": "nobody@b.test", "password": "wrong wrong"}).to_string();
    for _ in 0..2 {
        let answer = call(&app, "POST", "/api/v1/auth/sessions", &[JSON], Some(&form)).await;
        answer.expect_problem(401);
        assert_eq!(answer.header("ratelimit-policy"), "\"sign-in\";q=2;w=60, \"calls\";q=60000;w=60");
    }
    let over = call(&app, "POST", "/api/v1/auth/sessions", &[JSON], Some(&form)).await;
    over.expect_problem(429);
    let wait: u64 = over.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait));
    // Other calls are not held back by it.
    assert_eq!(call(&app, "GET", "/healthz", &[], None).await.status, 200);
    app.stop().await;
}

#[test]
fn each_path_has_one_handler() {
    let all: std::collections::BTreeSet<_> = ROUTES.iter().collect();
    assert_eq!(all.len(), ROUTES.len(), "the second of two would never be asked");
}

#[actix_web::test]
async fn without_a_session_every_private_path_answers_401_whatever_else_is_wrong() {
    let app = TestApp::start(&[]).await;
    let public = [
        "/api/v1/demo",
        "/api/v1/auth/",
        "/api/v1/artifacts/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/assets/",
        "/api/openapi.json",
    ];
    let pages = [
        "/",
        "/ops",
        "/docs",
        "/mentors",
        "/search",
        "/privacy",
        "/push-worker.js",
        "/verify-email",
        "/reset-password",
        "/unsubscribe",
        "/badges/{id}",
        "/verify/{id}",
        "/.well-known/did.json",
        "/api/v1/certificates/{id}",
        "/api/v1/certificates/{id}/pdf",
        "/api/v1/badges/{id}",
        "/connection/websocket",
    ];
    let mut asked = 0;
    for (method, path) in ROUTES {
        let open = public.iter().any(|prefix| path.starts_with(prefix)) && !path.contains("/auth/sessions/")
            || pages.contains(path)
            || path.contains("/webhooks");
        if open {
            continue;
        }
        let path = path
            .replace("{kind}", "x")
            .replace("{id}", "x")
            .replace("{user_id}", "x")
            .replace("{transition}", "x");
        if path.contains('{') {
            continue;
        }
        let answer = call(&app, method, &path, &[JSON], Some("{}")).await;
        assert_eq!(answer.status, 401, "{method} {path}: {}", answer.json);
        asked += 1;
    }
    assert!(asked > 20, "only {asked} paths asked");
    app.stop().await;
}

#[actix_web::test]
async fn the_probes_tell_stores_by_name_and_head_is_get_without_a_body() {
    let app = TestApp::start(&[]).await;
    let mut ready = call(&app, "GET", "/readyz", &[], None).await;
    for _ in 0..100 {
        if ready.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        ready = call(&app, "GET", "/readyz", &[], None).await;
    }
    assert_eq!(ready.status, 200, "{}", ready.json);
    let stores = ready.json["stores"].as_array().unwrap();
    for name in ["postgres", "mail"] {
        let store = stores.iter().find(|store| store["name"] == name).unwrap();
        assert_eq!(store["reachable"], true, "{store}");
        assert!(store["mode"] == "embedded" || store["mode"] == "server");
    }
    let head = call(&app, "HEAD", "/healthz", &[], None).await;
    assert_eq!((head.status, head.json), (200, Value::Null));
    let metrics = awc::Client::default()
        .get(format!("{}/metrics", app.base()))
        .insert_header((header::ACCEPT, "text/plain"))
        .send()
        .await
        .unwrap()
        .body()
        .await
        .unwrap();
    let text = String::from_utf8(metrics.to_vec()).unwrap();
    for family in ["gigsy_http_requests_total", "gigsy_actor_", "gigsy_"] {
        assert!(text.contains(family), "no {family} in {text}");
    }
    app.stop().await;
}
