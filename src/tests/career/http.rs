//! Mentorship over HTTP, as a client sees it.

use std::sync::Arc;

use actix_web::{App, test, web};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::world::World;
use crate::{
    error::ErrorKind,
    http::{Problem, extract::SessionLookup, router},
    principal::{Principal, Role, SessionId, UserId},
};

/// A token is `<role>:<id>`.
struct Tokens;

impl SessionLookup for Tokens {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move {
            let bad = || Problem::new(ErrorKind::Unauthenticated, "no such session");
            let (role, id) = token.split_once(':').ok_or_else(bad)?;
            Ok(Principal {
                user_id: id.parse().map_err(|_| bad())?,
                session_id: SessionId::new(),
                display_name: "Somebody".into(),
                roles: Role::parse(role).into_iter().collect(),
                email_verified: true,
            })
        })
    }
}

macro_rules! call {
    ($app:expr, $who:expr, $method:ident $path:expr, [$($name:expr => $value:expr),*] $(, $body:expr)?) => {{
        let request = test::TestRequest::$method()
            .uri(&$path.to_string())
            .insert_header(("authorization", format!("Bearer {}", $who)))
            $(.insert_header(($name, $value)))*
            $(.set_json($body))?
            .to_request();
        let response = test::call_service(&$app, request).await;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let bytes = test::read_body(response).await;
        let body: Value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        (status, body, etag)
    }};
    ($app:expr, $who:expr, $method:ident $path:expr $(, $body:expr)?) => {
        call!($app, $who, $method $path, [] $(, $body)?)
    };
}

#[actix_web::test]
async fn the_documented_calls_answer_as_documented() {
    let world = World::new().await;
    let app = test::init_service(
        App::new()
            .app_data(web::Data::new(world.career.clone()))
            .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
            .configure(router::configure),
    )
    .await;
    let (mentor_id, student_id) = (UserId::new(), UserId::new());
    let (mentor, student) = (format!("mentor:{mentor_id}"), format!("student:{student_id}"));
    let operator = format!("operator:{}", UserId::new());

    let form = json!({
        "headline": "Backend", "languages": ["en"], "skills": ["Rust", "sql"], "zone": "Europe/Berlin",
        "notice_minutes": 0,
    });
    for (field, value, pointer) in [
        ("headline", json!(" "), "/headline"),
        ("languages", json!(["english"]), "/languages/0"),
        ("languages", json!([]), "/languages"),
        ("skills", json!(["juggling"]), "/skills/0"),
        ("zone", json!("Mars/Olympus"), "/zone"),
        ("minutes", json!(5), "/minutes"),
        ("seats", json!(0), "/seats"),
        ("meeting_url", json!("javascript:alert(1)"), "/meeting_url"),
        ("price", json!({ "amount_minor": -1, "currency": "EUR" }), "/price/amount_minor"),
    ] {
        let mut bad = form.clone();
        bad[field] = value;
        let (status, problem, _) = call!(app, mentor, post "/api/v1/mentors", bad);
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    let (status, made, etag) = call!(app, mentor, post "/api/v1/mentors", &form);
    assert_eq!((status, &made["state"], &made["skills"]), (201, &json!("applied"), &json!(["rust", "sql"])));
    let hours = json!({ "rules": [{ "weekday": 2, "from": "09:00", "to": "12:00" }] });
    let path = "/api/v1/me/mentor/availability";
    assert_eq!(call!(app, mentor, put path, &hours).0, 428);
    let tag = etag.unwrap();
    for (bad, pointer) in [
        (json!({ "rules": [{ "weekday": 8, "from": "09:00", "to": "12:00" }] }), "/rules/0/weekday"),
        (json!({ "rules": [{ "weekday": 1, "from": "12:00", "to": "12:00" }] }), "/rules/0/to"),
        (json!({ "rules": [{ "weekday": 1, "from": "9:00", "to": "12:00" }] }), "/rules/0/from"),
        (
            json!({ "rules": [{ "weekday": 1, "from": "09:00", "to": "12:00" }, { "weekday": 1, "from": "11:00", "to": "13:00" }] }),
            "/rules/1",
        ),
    ] {
        let (status, problem, _) = call!(app, mentor, put path, ["if-match" => tag.clone()], bad);
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    assert_eq!(call!(app, mentor, put path, ["if-match" => tag.clone()], &hours).0, 200);
    assert_eq!(call!(app, mentor, put path, ["if-match" => tag], &hours).0, 412);
    assert_eq!(call!(app, student, get format!("/api/v1/mentors/{mentor_id}")).0, 404);
    assert_eq!(call!(app, student, post format!("/api/v1/mentors/{mentor_id}/approve")).0, 404);
    assert_eq!(call!(app, operator, post format!("/api/v1/mentors/{mentor_id}/approve")).0, 200);
    let (_, listed, _) = call!(app, student, get "/api/v1/mentors?skill=rust&language=en&free=true");
    assert_eq!(listed["items"][0]["id"], json!(mentor_id));
    assert_eq!(call!(app, student, get "/api/v1/mentors?state=applied").0, 403);

    let slots = format!("/api/v1/mentors/{mentor_id}/slots?from=2027-03-22&to=2027-03-31&zone=Asia/Tokyo");
    let (status, shown, _) = call!(app, student, get slots);
    assert_eq!((status, shown["items"].as_array().unwrap().len()), (200, 6), "{shown}");
    assert_eq!(shown["items"][0]["local_start"], "2027-03-23T17:00:00+09:00");
    assert_eq!(shown["items"][3]["start"], "2027-03-30T07:00:00Z", "summer time");
    for bad in ["zone=Mars/Olympus", "from=yesterday", "from=2027-03-22&to=2027-03-22", "to=9999-12-31"] {
        let (status, problem, _) =
            call!(app, student, get format!("/api/v1/mentors/{mentor_id}/slots?{bad}"));
        assert_eq!(status, 422, "{bad}: {problem}");
    }
    let book = json!({ "mentor_id": mentor_id, "start": shown["items"][0]["start"], "zone": "Asia/Tokyo" });
    let (status, booking, _) = call!(app, student, post "/api/v1/bookings", &book);
    assert_eq!((status, &booking["state"]), (201, &json!("held")), "{booking}");
    let other = format!("student:{}", UserId::new());
    let (status, problem, _) = call!(app, other, post "/api/v1/bookings", &book);
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/slot-taken")));
    let id = booking["id"].as_str().unwrap();
    assert_eq!(call!(app, other, get format!("/api/v1/bookings/{id}")).0, 404);
    assert_eq!(call!(app, student, get format!("/api/v1/bookings/{id}/calendar")).0, 404);
    let (status, problem, _) = call!(app, student, post format!("/api/v1/bookings/{id}/contest"));
    assert_eq!((status, &problem["state"]), (409, &json!("held")));
    assert_eq!(call!(app, student, post format!("/api/v1/bookings/{id}/request")).0, 200);
    let (_, theirs, _) = call!(app, mentor, get "/api/v1/bookings?as=mentor&state=requested");
    assert_eq!(theirs["items"][0]["id"], json!(id));
    let (status, agreed, _) = call!(app, mentor, post format!("/api/v1/bookings/{id}/confirm"));
    assert_eq!((status, &agreed["state"]), (200, &json!("confirmed")));
    let (status, file, _) = call!(app, student, get format!("/api/v1/bookings/{id}/calendar"));
    assert!(status == 200 && file.as_str().unwrap().starts_with("BEGIN:VCALENDAR"));
    let mentorship = agreed["mentorship_id"].as_str().unwrap();
    let items = format!("/api/v1/mentorships/{mentorship}/items");
    let (status, item, etag) = call!(app, student, post items, json!({ "kind": "action", "title": "Read" }));
    assert_eq!(status, 201);
    let one = format!("{items}/{}", item["id"].as_str().unwrap());
    assert_eq!(call!(app, mentor, patch one, json!({ "done": true })).0, 428);
    assert_eq!(call!(app, mentor, patch one, ["if-match" => etag.unwrap()], json!({ "done": true })).0, 200);
    assert_eq!(call!(app, mentor, delete one).0, 204);
    assert_eq!(call!(app, mentor, delete one).0, 404);
    let (status, feed, _) = call!(app, student, post "/api/v1/me/calendar");
    let path = feed["url"].as_str().unwrap().strip_prefix("https://gigsy.example.org").unwrap().to_owned();
    assert_eq!(status, 201);
    let (status, calendar, _) = call!(app, "nobody", get path);
    assert!(status == 200 && calendar.as_str().unwrap().contains(id), "{calendar}");
    assert_eq!(call!(app, student, delete "/api/v1/me/calendar").0, 204);
    assert_eq!(call!(app, "nobody", get path).0, 404);
    let wait = json!({ "from": "2027-03-23T00:00:00Z", "to": "2027-03-24T00:00:00Z" });
    let (status, place, _) = call!(app, other, post format!("/api/v1/mentors/{mentor_id}/waitlist"), &wait);
    assert_eq!((status, &place["state"]), (201, &json!("waiting")));
    let place = format!("/api/v1/me/waitlist/{}", place["id"].as_str().unwrap());
    assert_eq!(call!(app, student, delete place).0, 404);
    assert_eq!(call!(app, other, delete place).0, 204);
}
