//! The handlers, without the middleware around them.

use std::sync::Arc;

use actix_web::{
    App,
    http::{Method, StatusCode, header},
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use serde_json::{Value, json};

use super::world::{World, world};
use crate::{
    contexts::identity::handlers as h,
    http::extract::{COOKIE, SessionLookup},
};

struct Answer {
    status: StatusCode,
    body: Value,
    headers: header::HeaderMap,
}

struct Call<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a str>,
    if_match: Option<&'a str>,
    body: Option<Value>,
}

fn call(method: Method, path: &str) -> Call<'_> {
    Call { method, path, token: None, if_match: None, body: None }
}

impl<'a> Call<'a> {
    fn by(mut self, token: &'a str) -> Self {
        self.token = Some(token);
        self
    }

    fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn if_match(mut self, tag: &'a str) -> Self {
        self.if_match = Some(tag);
        self
    }

    async fn at(self, w: &World) -> Answer {
        let lookup: Arc<dyn SessionLookup> = Arc::new(w.identity.clone());
        let app = App::new()
            .app_data(web::Data::new(w.identity.clone()))
            .app_data(web::Data::new(lookup))
            .route("/register", web::post().to(h::account::register))
            .route("/sessions", web::post().to(h::sessions::sign_in))
            .route("/sessions", web::get().to(h::sessions::list))
            .route("/sessions/current", web::delete().to(h::sessions::sign_out))
            .route("/sessions/others", web::delete().to(h::sessions::end_others))
            .route("/sessions/{id}", web::delete().to(h::sessions::end))
            .route("/me", web::get().to(h::me::get))
            .route("/me", web::patch().to(h::me::patch))
            .route("/people", web::get().to(h::people::find))
            .route("/people/{id}", web::get().to(h::people::get))
            .route("/token", web::post().to(h::realtime::token));
        let app = init_service(app).await;
        let mut request = TestRequest::default()
            .method(self.method)
            .uri(self.path)
            .peer_addr("192.0.2.1:40000".parse().unwrap());
        if let Some(token) = self.token {
            request = request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")));
        }
        if let Some(tag) = self.if_match {
            request = request.insert_header((header::IF_MATCH, tag));
        }
        if let Some(body) = self.body {
            request = request.set_json(body);
        }
        let response = call_service(&app, request.to_request()).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = read_body(response).await;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, body, headers }
    }
}

fn registration() -> Value {
    json!({"email": "Lina@example.org", "password": "correct horse", "display_name": "Lina"})
}

async fn token(w: &World) -> String {
    call(Method::POST, "/register").with(registration()).at(w).await;
    let credentials = json!({"email": "lina@example.org", "password": "correct horse", "device": "test"});
    let answer = call(Method::POST, "/sessions").with(credentials).at(w).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    answer.body["token"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn registering_answers_in_the_promised_shape() {
    let w = world().await;
    let answer = call(Method::POST, "/register").with(registration()).at(&w).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let user = &answer.body["user"];
    assert_eq!(user["email"], "lina@example.org");
    assert_eq!(user["roles"], json!(["student"]));
    assert_eq!(user["email_verified"], false);
    assert!(user["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    let again = call(Method::POST, "/register").with(registration()).at(&w).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert_eq!(again.body["type"], "/problems/email-taken");
    assert_eq!(again.body["errors"][0]["pointer"], "/email");
    let bad = json!({"email": "x", "password": "x", "display_name": "\u{1}", "role": "student"});
    let bad = call(Method::POST, "/register").with(bad).at(&w).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bad.body["errors"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn signing_in_sets_a_guarded_cookie_and_signing_out_removes_it() {
    let w = world().await;
    call(Method::POST, "/register").with(registration()).at(&w).await;
    let credentials = json!({"email": "lina@example.org", "password": "correct horse"});
    let answer = call(Method::POST, "/sessions").with(credentials).at(&w).await;
    let token = answer.body["token"].as_str().unwrap();
    let cookie = answer.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
    assert!(cookie.starts_with(&format!("{COOKIE}={token}; ")), "{cookie}");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(answer.body["expires_at"].is_string() && answer.body["user"]["id"].is_string());
    let list = call(Method::GET, "/sessions").by(token).at(&w).await;
    assert_eq!(list.body["items"][0]["current"], true);
    assert_eq!(list.body["items"][0]["id"], answer.body["session_id"]);
    let out = call(Method::DELETE, "/sessions/current").by(token).at(&w).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert!(out.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap().contains("Max-Age=0"));
    let gone = call(Method::GET, "/me").by(token).at(&w).await;
    assert_eq!(gone.status, StatusCode::UNAUTHORIZED);
    assert_eq!(gone.headers.get(header::CONTENT_TYPE).unwrap(), "application/problem+json");
}

#[actix_web::test]
async fn a_session_ends_by_its_id() {
    let w = world().await;
    let mine = token(&w).await;
    let other = w.sign_in_as("lina@example.org", "correct horse").await;
    let path = format!("/sessions/{}", other.session.id);
    let ended = call(Method::DELETE, &path).by(&mine).at(&w).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    for path in [path.as_str(), "/sessions/nonsense"] {
        let gone = call(Method::DELETE, path).by(&mine).at(&w).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[actix_web::test]
async fn a_profile_changes_under_if_match() {
    let w = world().await;
    let token = token(&w).await;
    let me = call(Method::GET, "/me").by(&token).at(&w).await;
    let tag = me.headers.get(header::ETAG).unwrap().to_str().unwrap().to_owned();
    let patch = || call(Method::PATCH, "/me").by(&token).with(json!({"headline": "Builds things"}));
    assert_eq!(patch().at(&w).await.status, StatusCode::PRECONDITION_REQUIRED);
    let changed = patch().if_match(&tag).at(&w).await;
    assert_eq!((changed.status, &changed.body["headline"]), (StatusCode::OK, &json!("Builds things")));
    assert_ne!(changed.headers.get(header::ETAG).unwrap().to_str().unwrap(), tag);
    assert_eq!(patch().if_match(&tag).at(&w).await.status, StatusCode::PRECONDITION_FAILED);
    // Roles and the like are no part of a profile.
    let more = json!({"roles": ["operator"]});
    let more = call(Method::PATCH, "/me").by(&token).if_match("*").with(more).at(&w).await;
    assert_eq!(more.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[actix_web::test]
async fn a_connection_token_is_for_the_signed_in() {
    let w = world().await;
    let nobody = call(Method::POST, "/token").at(&w).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    let token = token(&w).await;
    let answer = call(Method::POST, "/token").by(&token).at(&w).await;
    w.identity.by_realtime_token(answer.body["token"].as_str().unwrap()).await.unwrap();
    assert!(answer.body["expires_at"].is_string());
}

#[actix_web::test]
async fn a_person_is_shown_without_their_address() {
    let w = world().await;
    let token = token(&w).await;
    let me = call(Method::GET, "/me").by(&token).at(&w).await.body;
    let path = format!("/people/{}", me["id"].as_str().unwrap());
    let person = call(Method::GET, &path).by(&token).at(&w).await;
    assert_eq!(person.body["display_name"], "Lina");
    assert!(person.body.get("email").is_none());
    for (text, found) in [("LIN", 1), ("lina@EXAMPLE.org", 1), ("example.org", 0), ("%25", 0), ("_", 0)] {
        let path = format!("/people?q={text}");
        let list = call(Method::GET, &path).by(&token).at(&w).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), found, "{text}");
    }
    let none = call(Method::GET, "/people?q=%20").by(&token).at(&w).await;
    assert_eq!(none.body["errors"][0]["pointer"], "?q");
    let nobody = call(Method::GET, "/people/nobody").by(&token).at(&w).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}
