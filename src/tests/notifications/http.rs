//! Notifications over HTTP, as a client sees them.

use std::sync::Arc;

use actix_web::{App, test, web};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{HOME, World, message};
use crate::{
    error::ErrorKind,
    http::{Problem, extract::SessionLookup, router},
    principal::{Principal, Role, SessionId, UserId},
};

/// A token is the person's id, perhaps with what they are.
struct Tokens;

impl SessionLookup for Tokens {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move {
            let (id, role) = token.split_once('+').unwrap_or((token, ""));
            Ok(Principal {
                user_id: id
                    .parse()
                    .map_err(|_| Problem::new(ErrorKind::Unauthenticated, "no such session"))?,
                session_id: SessionId::new(),
                display_name: "Somebody".into(),
                roles: Role::parse(role).into_iter().collect(),
                email_verified: true,
            })
        })
    }
}

macro_rules! app {
    ($world:expr) => {
        test::init_service(
            App::new()
                .app_data(web::Data::new($world.notifications.clone()))
                .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
                .configure(router::configure),
        )
        .await
    };
}

macro_rules! call {
    ($app:expr, $who:expr, $method:ident $path:expr, [$($name:expr => $value:expr),*] $(, $body:expr)?) => {{
        let request = test::TestRequest::default()
            .method(actix_web::http::Method::$method)
            .uri($path)
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

const LIST: &str = "/api/v1/notifications";
const READ: &str = "/api/v1/notifications/read";
const CHOICE: &str = "/api/v1/notifications/preferences";

#[actix_web::test]
async fn one_lists_and_reads_ones_own() {
    let world = World::new().await;
    let app = app!(world);
    let user = UserId::new();
    for _ in 0..3 {
        world.applied(user, Uuid::now_v7()).await;
    }
    let (status, page, _) = call!(app, user, GET "/api/v1/notifications?limit=2");
    assert_eq!((status, page["items"].as_array().unwrap().len(), &page["unread"]), (200, 2, &json!(3)));
    let next = format!("{LIST}?limit=2&cursor={}", page["next_cursor"].as_str().unwrap());
    let (_, last, _) = call!(app, user, GET & next);
    assert_eq!((last["items"].as_array().unwrap().len(), last.get("next_cursor")), (1, None));
    assert_eq!(page["items"][0]["kind"], "application.submitted");

    let (status, left, _) = call!(app, user, POST READ, json!({ "ids": [page["items"][0]["id"]] }));
    assert_eq!((status, left), (200, json!({ "unread": 2 })));
    let (_, unread, _) = call!(app, user, GET "/api/v1/notifications?unread=true");
    assert_eq!(unread["items"].as_array().unwrap().len(), 2);
    let (_, left, _) = call!(app, user, POST READ, json!({ "up_to": page["offset"] }));
    assert_eq!(left["unread"], 0);
    assert_eq!(call!(app, user, GET "/api/v1/notifications/unread").1, json!({ "unread": 0 }));
    assert_eq!(call!(app, user, POST READ, json!({ "all": true })).0, 200);

    for body in [
        json!({}),
        json!({ "all": false }),
        json!({ "all": true, "up_to": 1 }),
        json!({ "up_to": -1 }),
        json!({ "ids": ["x"] }),
        json!({ "ids": (0..101).map(|_| Uuid::now_v7()).collect::<Vec<_>>() }),
        json!({ "others": [] }),
    ] {
        let (status, said, _) = call!(app, user, POST READ, &body);
        assert_eq!(status, 422, "{body} {said}");
    }
    assert_eq!(call!(app, user, GET "/api/v1/notifications?cursor=x").0, 422);
    assert_eq!(call!(app, user, GET "/api/v1/notifications?limit=0").0, 422);
    assert_eq!(call!(app, "nobody", GET LIST).0, 401);
}

#[actix_web::test]
async fn preferences_are_changed_by_whoever_has_seen_them() {
    let world = World::new().await;
    let app = app!(world);
    let user = UserId::new();
    world.people.zones.lock().unwrap().insert(user, "Asia/Tokyo".into());
    let (status, first, etag) = call!(app, user, GET CHOICE);
    assert_eq!((status, &first["digest"], &first["zone"]), (200, &json!("immediate"), &json!("Asia/Tokyo")));
    assert_eq!(first["kinds"]["message.sent"], json!({ "in_app": true, "email": true, "push": true }));
    let seen = etag.unwrap();
    assert_eq!(call!(app, user, GET CHOICE, ["if-none-match" => seen.as_str()]).0, 304);

    let patch = json!({ "digest": "daily", "digest_hour": 7, "quiet_hours": { "from": "22:00", "to": "06:30" },
        "kinds": { "message.sent": { "in_app": true, "email": false } } });
    assert_eq!(call!(app, user, PATCH CHOICE, &patch).0, 428);
    let (status, changed, etag) = call!(app, user, PATCH CHOICE, ["if-match" => seen.as_str()], &patch);
    assert_eq!(status, 200, "{changed}");
    assert_eq!((&changed["digest_hour"], &changed["quiet_hours"]["to"]), (&json!(7), &json!("06:30")));
    assert_eq!(changed["kinds"]["message.sent"]["email"], false);
    assert_eq!(changed["zone"], "Asia/Tokyo");
    assert_eq!(call!(app, user, PATCH CHOICE, ["if-match" => seen.as_str()], &patch).0, 412);

    let seen = etag.unwrap();
    let ended = json!({ "quiet_hours": null, "email": false });
    let (_, ended, etag) = call!(app, user, PATCH CHOICE, ["if-match" => seen.as_str()], &ended);
    assert_eq!(
        (&ended["quiet_hours"], &ended["email"], &ended["digest"]),
        (&Value::Null, &json!(false), &json!("daily"))
    );
    let seen = etag.unwrap();
    let (_, replaced, etag) =
        call!(app, user, PUT CHOICE, ["if-match" => seen.as_str()], json!({ "zone": "Europe/Berlin" }));
    assert_eq!(
        (&replaced["digest"], &replaced["email"], &replaced["zone"]),
        (&json!("immediate"), &json!(true), &json!("Europe/Berlin"))
    );
    assert_eq!(replaced["kinds"]["message.sent"]["email"], true);

    let seen = etag.unwrap();
    for (body, place) in [
        (json!({ "zone": "Mars/Olympus" }), "/zone"),
        (json!({ "digest": "weekly" }), "/digest"),
        (json!({ "digest_hour": 24 }), "/digest_hour"),
        (json!({ "quiet_hours": { "from": "7:00", "to": "08:00" } }), "/quiet_hours/from"),
        (json!({ "quiet_hours": { "from": "08:00", "to": "08:00" } }), "/quiet_hours/to"),
        (json!({ "kinds": { "nobody/knows": { "in_app": true, "email": true } } }), "/kinds/nobody~1knows"),
        (json!({ "kinds": { "message.sent": { "in_app": true } } }), "/kinds/message.sent/email"),
        (json!({ "more": 1 }), "/more"),
    ] {
        let (status, said, _) = call!(app, user, PATCH CHOICE, ["if-match" => seen.as_str()], &body);
        assert_eq!((status, &said["errors"][0]["pointer"]), (422, &json!(place)), "{body} {said}");
    }
    let (_, kinds, _) = call!(app, user, GET "/api/v1/notifications/kinds");
    assert!(kinds["items"].as_array().unwrap().iter().any(|kind| kind["kind"] == "message.mentioned"));
}

/// RFC 8058: one POST, no session; a GET only asks.
#[actix_web::test]
async fn one_click_ends_mails_of_a_sort() {
    let world = World::new().await;
    let app = app!(world);
    let (user, ada) = (UserId::new(), UserId::new());
    world.applied(user, Uuid::now_v7()).await;
    world.mail().await;
    let mail = world.mails().remove(0);
    let header = crate::tests::support::smtp::header(&mail, "List-Unsubscribe").to_owned();
    let link = header.trim_matches(['<', '>']).strip_prefix(HOME).expect("on our host").to_owned();

    let (status, asked, _) = call!(app, "", GET & link);
    assert_eq!(status, 200);
    assert!(asked.as_str().unwrap().contains("New applications"), "{asked}");
    world.applied(user, Uuid::now_v7()).await;
    world.mail().await;
    assert_eq!(world.mails().len(), 2, "asking changes nothing");

    for _ in 0..2 {
        let request = test::TestRequest::post()
            .uri(&link)
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload("List-Unsubscribe=One-Click")
            .to_request();
        assert_eq!(test::call_service(&app, request).await.status(), 200);
    }
    world.applied(user, Uuid::now_v7()).await;
    world.tell("message.sent", message(Uuid::now_v7(), ada, user)).await;
    world.clock.advance(chrono::Duration::hours(2));
    world.mail().await;
    assert_eq!(world.mails().len(), 3, "other kinds still come");
    assert_eq!(world.list(user).await.len(), 4, "and everything here");

    for bad in ["/unsubscribe", "/unsubscribe?token=x", &link[..link.len() - 2]] {
        assert_eq!(call!(app, "", GET bad).0, 400, "{bad}");
        assert_eq!(call!(app, "", POST bad).0, 400, "{bad}");
    }
}

#[actix_web::test]
async fn operators_see_the_mails() {
    let world = World::new().await;
    let app = app!(world);
    let user = UserId::new();
    world.applied(user, Uuid::now_v7()).await;
    world.notifications.mail_due().await.unwrap();
    let (status, report, _) = call!(app, format!("{user}+operator"), GET "/api/v1/ops/mail");
    assert_eq!((status, &report["waiting"], &report["dead"]), (200, &json!(1), &json!([])));
    assert_eq!(call!(app, user, GET "/api/v1/ops/mail").0, 403);
}
