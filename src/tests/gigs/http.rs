//! The marketplace over HTTP, as a client sees it.

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

/// A token is `<role>:<id>`, with `!` before it for an unverified address.
struct Tokens;

impl SessionLookup for Tokens {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move {
            let bad = || Problem::new(ErrorKind::Unauthenticated, "no such session");
            let (role, id) = token.trim_start_matches('!').split_once(':').ok_or_else(bad)?;
            Ok(Principal {
                user_id: id.parse().map_err(|_| bad())?,
                session_id: SessionId::new(),
                display_name: "Somebody".into(),
                roles: Role::parse(role).into_iter().collect(),
                email_verified: !token.starts_with('!'),
            })
        })
    }
}

macro_rules! app {
    ($world:expr) => {
        test::init_service(
            App::new()
                .app_data(web::Data::new($world.gigs.clone()))
                .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
                .configure(router::configure),
        )
        .await
    };
}

macro_rules! call {
    ($app:expr, $who:expr, $method:ident $path:expr, [$($name:expr => $value:expr),*] $(, $body:expr)?) => {{
        let request = test::TestRequest::$method()
            .uri(&format!("/api/v1{}", $path))
            .insert_header(("authorization", format!("Bearer {}", $who)))
            $(.insert_header(($name, $value)))*
            $(.set_json($body))?
            .to_request();
        let response = test::call_service(&$app, request).await;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let bytes = test::read_body(response).await;
        let body: Value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        (status, body, etag)
    }};
    ($app:expr, $who:expr, $method:ident $path:expr $(, $body:expr)?) => {
        call!($app, $who, $method $path, [] $(, $body)?)
    };
}

fn gig() -> Value {
    json!({
        "title": "A poster", "description": "For the concert", "skills": ["Design", "illustration"],
        "budget": { "amount_minor": 12_500, "currency": "EUR" },
    })
}

#[actix_web::test]
async fn the_documented_calls_answer_as_documented() {
    let world = World::new().await;
    let app = app!(world);
    let client = format!("client:{}", UserId::new());
    let student = format!("student:{}", UserId::new());

    let (status, skills, _) = call!(app, student, get "/skills");
    assert!(status == 200 && skills["items"].as_array().unwrap().len() > 40);
    assert_eq!(call!(app, student, post "/gigs", gig()).0, 403);
    let (status, made, etag) = call!(app, client, post "/gigs", gig());
    assert_eq!(
        (status, &made["state"], &made["skills"]),
        (201, &json!("draft"), &json!(["design", "illustration"]))
    );
    let id = made["id"].as_str().unwrap().to_owned();
    for (field, value, pointer) in [
        ("title", json!(" "), "/title"),
        ("skills", json!(["juggling"]), "/skills/0"),
        ("budget", json!({ "amount_minor": 0, "currency": "EUR" }), "/budget/amount_minor"),
        ("budget", json!({ "amount_minor": 5, "currency": "XXX" }), "/budget/currency"),
        ("slots", json!(0), "/slots"),
        ("deadline", json!("2001-01-01T00:00:00Z"), "/deadline"),
    ] {
        let mut bad = gig();
        bad[field] = value;
        let (status, problem, _) = call!(app, client, post "/gigs", bad);
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!(pointer)), "{problem}");
    }
    assert_eq!(call!(app, student, get format!("/gigs/{id}")).0, 404, "a draft is nobody else's");
    let (status, problem, _) = call!(app, format!("!{client}"), post format!("/gigs/{id}/post"));
    assert_eq!((status, &problem["type"]), (403, &json!("/problems/email-not-verified")));
    let patch = json!({ "slots": 2 });
    assert_eq!(call!(app, client, patch format!("/gigs/{id}"), &patch).0, 428);
    let tag = etag.unwrap();
    let (status, patched, _) =
        call!(app, client, patch format!("/gigs/{id}"), ["if-match" => tag.clone()], &patch);
    assert_eq!((status, &patched["slots"]), (200, &json!(2)));
    assert_eq!(call!(app, client, patch format!("/gigs/{id}"), ["if-match" => tag], &patch).0, 412);

    let (status, posted, _) = call!(app, client, post format!("/gigs/{id}/post"));
    assert_eq!((status, &posted["state"]), (200, &json!("open")));
    let (status, problem, _) = call!(app, client, post format!("/gigs/{id}/post"));
    assert_eq!(status, 409);
    assert_eq!(problem["allowed_transitions"], json!(["cancel", "pause"]));
    assert_eq!(problem["state"], json!("open"));
    assert_eq!(call!(app, student, post format!("/gigs/{id}/pause")).0, 403);
    assert_eq!(call!(app, student, post format!("/gigs/{id}/fly")).0, 404);

    for (query, hits) in [
        ("", 1),
        ("?q=poster", 1),
        ("?q=concert", 1),
        ("?q=opera", 0),
        ("?skill=design", 1),
        ("?skill=design,rust", 0),
        ("?budget_min=12500", 1),
        ("?budget_min=12501", 0),
        ("?budget_max=12499", 0),
        ("?kind=hourly", 0),
        ("?state=paused", 0),
        ("?currency=EUR&kind=fixed&state=open", 1),
        ("?q=%25", 0),
    ] {
        let (status, page, _) = call!(app, student, get format!("/gigs{query}"));
        assert_eq!((status, page["items"].as_array().unwrap().len()), (200, hits), "{query}");
    }
    for bad in ["?limit=0", "?cursor=x", "?state=sleeping", "?kind=x", "?budget_min=x", "?currency=XX"] {
        assert_eq!(call!(app, student, get format!("/gigs{bad}")).0, 422, "{bad}");
    }
    assert_eq!(call!(app, student, get "/gigs?state=draft").0, 403);

    let apply = json!({ "proposal": "I draw" });
    let (status, application, _) = call!(app, student, post format!("/gigs/{id}/applications"), &apply);
    assert_eq!((status, &application["state"]), (201, &json!("submitted")));
    let application = application["id"].as_str().unwrap().to_owned();
    let (status, problem, _) = call!(app, student, post format!("/gigs/{id}/applications"), &apply);
    assert_eq!((status, &problem["type"]), (409, &json!("/problems/already-applied")));
    assert_eq!(call!(app, client, post format!("/gigs/{id}/applications"), &apply).0, 403);
    assert_eq!(call!(app, client, post format!("/applications/{application}/offer")).0, 409);
    assert_eq!(call!(app, client, post format!("/applications/{application}/shortlist")).0, 200);
    let foreign = json!({ "milestones": [{ "title": "Sketch", "amount": { "amount_minor": 5_000, "currency": "USD" } }] });
    let (status, problem, _) =
        call!(app, client, post format!("/applications/{application}/offer"), &foreign);
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/milestones/0/amount/currency")));
    let offer = json!({ "milestones": [{ "title": "Sketch", "amount": { "amount_minor": 5_000, "currency": "EUR" } }] });
    assert_eq!(call!(app, client, post format!("/applications/{application}/offer"), &offer).0, 200);
    assert_eq!(call!(app, format!("!{student}"), post format!("/applications/{application}/accept")).0, 403);
    let (status, accepted, _) = call!(app, student, post format!("/applications/{application}/accept"));
    assert_eq!((status, &accepted["state"]), (200, &json!("accepted")));
    let contract = accepted["contract_id"].as_str().unwrap().to_owned();
    let (_, shown, _) = call!(app, client, get format!("/contracts/{contract}"));
    assert_eq!(shown["milestones"][0]["amount"], json!({ "amount_minor": 5_000, "currency": "EUR" }));
    let milestone = shown["milestones"][0]["id"].as_str().unwrap().to_owned();
    let (status, funding, _) = call!(app, client, post format!("/milestones/{milestone}/fund"));
    assert_eq!((status, &funding["state"]), (200, &json!("funding")));
    assert_eq!(
        call!(app, student, post format!("/milestones/{milestone}/submit"), json!({ "note": 5 })).0,
        422
    );
    let (status, money, _) = call!(app, student, get format!("/contracts/{contract}/ledger"));
    assert_eq!((status, &money["totals"]["funded"]["amount_minor"]), (200, &json!(0)));
    let stranger = format!("student:{}", UserId::new());
    for path in [
        format!("/contracts/{contract}"),
        format!("/milestones/{milestone}"),
        format!("/applications/{application}"),
    ] {
        assert_eq!(call!(app, stranger, get path).0, 404);
    }
    assert_eq!(call!(app, student, get "/disputes").0, 403);
    let review = json!({ "rating": 5 });
    assert_eq!(call!(app, student, post format!("/contracts/{contract}/reviews"), &review).0, 409);
}

#[actix_web::test]
async fn a_walk_over_the_board_shows_every_gig_once_while_it_changes() {
    let world = World::new().await;
    let app = app!(world);
    let client = format!("client:{}", UserId::new());
    let mut open = Vec::new();
    for _ in 0..7 {
        let id = call!(app, client, post "/gigs", gig()).1["id"].as_str().unwrap().to_owned();
        assert_eq!(call!(app, client, post format!("/gigs/{id}/post")).0, 200);
        open.push(id);
    }
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page, _) = call!(app, client, get format!("/gigs?limit=2{cursor}"));
        seen.extend(page["items"].as_array().unwrap().iter().map(|g| g["id"].as_str().unwrap().to_owned()));
        // New ones come, an unseen one goes.
        let id = call!(app, client, post "/gigs", gig()).1["id"].as_str().unwrap().to_owned();
        call!(app, client, post format!("/gigs/{id}/post"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    open.reverse();
    assert_eq!(seen, open);
}
