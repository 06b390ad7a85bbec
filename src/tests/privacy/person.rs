//! Somebody who uses everything.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    contexts::identity::DEMO_PASSWORD,
    tests::support::{api::Api, app::TestApp, wait::eventually},
};

pub const EMAIL: &str = "zelda.quixote@private.example";
pub const NAME: &str = "Zelda Quixotina";
/// Begins every word of hers.
pub const WORD: &str = "xyzzy";
pub const PASSWORD: &str = "correct-horse-battery-42";

/// She, signed in, and somebody whom she deals with.
pub struct Zelda {
    pub api: Api,
    pub id: uuid::Uuid,
    pub client: Api,
}

pub async fn demo_api(app: &TestApp, who: &str) -> Api {
    let open = Api::new(app.base(), None);
    let session = json!({ "email": format!("{who}@demo.gigsy.test"), "password": DEMO_PASSWORD });
    let session = open.post("/api/v1/auth/sessions", &session).await.expect(201);
    Api::new(app.base(), session["token"].as_str())
}

pub async fn ready(app: &TestApp) {
    let open = Api::new(app.base(), None);
    for _ in 0..600 {
        if open.get("/readyz").await.status == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the demo is never ready: {}", open.get("/readyz").await.text);
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{pointer} in {value}"))
        .to_owned()
}

/// Puts an object whose first upload request was given.
pub async fn send(request: &Value, body: Vec<u8>) -> u16 {
    let mut put = awc::Client::new().put(request["url"].as_str().unwrap());
    for (name, value) in request["headers"].as_object().unwrap() {
        put = put.insert_header((name.as_str(), value.as_str().unwrap()));
    }
    put.send_body(body).await.unwrap().status().as_u16()
}

pub async fn if_match(api: &Api, method: &str, path: &str, tag: i64, body: &Value) -> Value {
    let tag = format!("\"v{tag}\"");
    api.try_with(method, path, &[("if-match", &tag)], Some(body)).await.unwrap().expect_success()
}

impl Zelda {
    /// Registers her, and lets her do something in every context.
    pub async fn arrives(app: &TestApp) -> Self {
        ready(app).await;
        let open = Api::new(app.base(), None);
        let first = format!("{NAME} the Elder");
        let form = json!({ "email": EMAIL, "password": PASSWORD, "display_name": first, "role": "student" });
        let id = text(&open.post("/api/v1/auth/register", &form).await.expect(201), "/user/id");
        diesel_async::RunQueryDsl::execute(
            diesel::sql_query(format!(
                "update identity.users set email_verified_at = now(), roles = array['client', 'student'] where id = '{id}'"
            )),
            &mut app.database().conn().await.unwrap(),
        )
        .await
        .unwrap();
        let form = json!({ "email": EMAIL, "password": PASSWORD, "device": "xyzzy laptop" });
        let session = open.post("/api/v1/auth/sessions", &form).await.expect(201);
        let token = text(&session, "/token");
        let api = Api::new(app.base(), Some(&token));
        let (client, mentor) = (demo_api(app, "client").await, demo_api(app, "mentor").await);
        let client_id = text(&client.get("/api/v1/me").await.expect(200), "/id");

        // Identity.
        let me = api.get("/api/v1/me").await.expect(200);
        let patch = json!({ "display_name": NAME, "headline": "xyzzy headline", "bio": "xyzzy bio" });
        if_match(&api, "PATCH", "/api/v1/me", me["version"].as_i64().unwrap_or(1), &patch).await;
        // Chat: a room of hers, and a direct one; said, said otherwise, reacted, half said.
        let room = json!({ "kind": "group", "name": "A room", "member_ids": [client_id] });
        let group = text(&api.post("/api/v1/chat/rooms", &room).await.expect(201), "/id");
        let direct = json!({ "kind": "direct", "member_ids": [client_id] });
        let direct = text(&api.post("/api/v1/chat/rooms", &direct).await.expect_success(), "/id");
        for (n, room) in [&group, &direct].into_iter().enumerate() {
            let says = json!({ "client_msg_id": format!("m{n}"), "body": "xyzzy, said @client" });
            let said = api.post(&format!("/api/v1/chat/rooms/{room}/messages"), &says).await.expect(201);
            let message = format!("/api/v1/chat/rooms/{room}/messages/{}", text(&said, "/message_id"));
            let otherwise = json!({ "body": "xyzzy, said otherwise" });
            let edit = api.try_with("PATCH", &message, &[("if-match", "*")], Some(&otherwise)).await;
            edit.unwrap().expect_success();
        }
        // Gigs: one of hers, with an application of somebody; applied for one, contracted, paid for, reviewed.
        let gig = json!({
            "title": "Plugh", "description": "xyzzy description", "skills": ["rust"],
            "budget": { "amount_minor": 5_000, "currency": "EUR" }, "questions": ["xyzzy question?"],
        });
        let own = text(&api.post("/api/v1/gigs", &gig).await.expect(201), "/id");
        api.post(&format!("/api/v1/gigs/{own}/post"), &json!({})).await.expect(200);
        let sami = demo_api(app, "student").await;
        let applying = json!({ "proposal": "Take me", "answers": ["Yes"] });
        sami.post(&format!("/api/v1/gigs/{own}/applications"), &applying).await.expect(201);
        let theirs = json!({
            "title": "Theirs", "description": "Somebody else's", "skills": ["rust"],
            "budget": { "amount_minor": 5_000, "currency": "EUR" },
        });
        let theirs = text(&client.post("/api/v1/gigs", &theirs).await.expect(201), "/id");
        client.post(&format!("/api/v1/gigs/{theirs}/post"), &json!({})).await.expect(200);
        let applied = json!({ "proposal": "xyzzy proposal" });
        let applied = api.post(&format!("/api/v1/gigs/{theirs}/applications"), &applied).await.expect(201);
        let application = text(&applied, "/id");
        for (who, step) in [(&client, "shortlist"), (&client, "offer"), (&api, "accept")] {
            who.post(&format!("/api/v1/applications/{application}/{step}"), &json!({})).await.expect(200);
        }
        let contract = api.get(&format!("/api/v1/applications/{application}")).await.expect(200);
        let contract = text(&contract, "/contract_id");
        let seen = api.get(&format!("/api/v1/contracts/{contract}")).await.expect(200);
        let milestone = format!("/api/v1/milestones/{}", text(&seen, "/milestones/0/id"));
        client.post(&format!("{milestone}/fund"), &json!({})).await.expect(200);
        until(&api, &milestone, "funded").await;
        let work = json!({ "note": "xyzzy note" });
        api.post(&format!("{milestone}/submit"), &work).await.expect(200);
        client.post(&format!("{milestone}/approve"), &json!({})).await.expect(200);
        until(&api, &milestone, "released").await;
        until(&api, &format!("/api/v1/contracts/{contract}"), "completed").await;
        for (who, body) in [(&api, "xyzzy review"), (&client, "They were good")] {
            let review = json!({ "rating": 5, "body": body });
            who.post(&format!("/api/v1/contracts/{contract}/reviews"), &review).await.expect(201);
        }
        let search = json!({ "name": "xyzzy search", "q": "xyzzy" });
        api.post("/api/v1/saved-searches", &search).await.expect(201);
        // Objects.
        let body = b"xyzzy bytes".to_vec();
        let file = json!({ "name": "xyzzy.txt", "media_type": "text/plain", "size": body.len() });
        let upload = api.post("/api/v1/uploads", &file).await.expect(201);
        assert_eq!(send(&upload["put"], body).await, 200);
        let upload = text(&upload, "/id");
        api.post(&format!("/api/v1/uploads/{upload}/complete"), &json!({})).await.expect(200);
        // Learning.
        let courses = api.get("/api/v1/courses").await.expect(200);
        let course = text(&courses, "/items/0/id");
        api.post(&format!("/api/v1/courses/{course}/enrolments"), &json!({})).await.expect_success();
        // Careers: a portfolio, a session with a mentor, follows.
        let profile = json!({
            "slug": "xyzzy-page", "headline": "xyzzy profile", "about": "xyzzy about", "visibility": "public",
            "skills": [{ "skill": "rust", "level": 3 }],
        });
        if_match(&api, "PUT", "/api/v1/me/profile", 0, &profile).await;
        let project = json!({ "title": "xyzzy project", "summary": "xyzzy summary", "visibility": "public" });
        api.post("/api/v1/me/projects", &project).await.expect(201);
        api.call("PUT", &format!("/api/v1/me/follows/people/{client_id}"), None).await.expect_success();
        let mentor_id = text(&mentor.get("/api/v1/me").await.expect(200), "/id");
        let slots = api.get(&format!("/api/v1/mentors/{mentor_id}/slots")).await.expect(200);
        let booking = json!({
            "mentor_id": mentor_id, "start": slots["items"][0]["start"], "zone": "Europe/Berlin",
            "topic": "xyzzy topic", "request": true,
        });
        let booking = text(&api.post("/api/v1/bookings", &booking).await.expect(201), "/id");
        let confirm = format!("/api/v1/bookings/{booking}/confirm");
        let agreed = mentor.post(&confirm, &json!({})).await.expect(200);
        let together = text(&agreed, "/mentorship_id");
        eventually("they have a room of their own", Duration::from_secs(30), || async {
            let room = api.get(&format!("/api/v1/chat/rooms/{together}")).await;
            (room.status == 200).then_some(())
        })
        .await;
        let note = json!({ "body": "xyzzy session note" });
        api.post(&format!("/api/v1/bookings/{booking}/notes"), &note).await.expect_success();
        // Everybody has heard of it: she has been told, awarded and proven.
        eventually("she is told, and it is proven", Duration::from_secs(30), || async {
            let told = api.get("/api/v1/notifications").await.expect(200);
            let proven = api.get("/api/v1/me/profile").await.expect(200);
            let there = |value: &Value| value.as_array().is_some_and(|items| !items.is_empty());
            (there(&told["items"]) && there(&proven["evidence"])).then_some(())
        })
        .await;
        Self { id: id.parse().unwrap(), api, client }
    }
}

/// Waits until something is in a state.
async fn until(api: &Api, thing: &str, state: &str) {
    for _ in 0..300 {
        let seen = api.get(thing).await.expect(200);
        if seen["state"] == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{thing} is never {state}");
}
