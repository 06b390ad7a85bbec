//! Chat over HTTP, as a client sees it.

use std::sync::Arc;

use actix_web::{App, test, web};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::support::Node;
use crate::{
    contexts::chat::RoomKind,
    error::ErrorKind,
    http::{Problem, extract::SessionLookup},
    principal::{Principal, Role, SessionId, UserId},
    tests::support::database::TestDatabase,
};

/// A token is the person's id.
struct Tokens;

impl SessionLookup for Tokens {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move {
            let user_id =
                token.parse().map_err(|_| Problem::new(ErrorKind::Unauthenticated, "no such session"))?;
            Ok(Principal {
                user_id,
                session_id: SessionId::new(),
                display_name: "Somebody".into(),
                // Whoever's id ends so moderates the platform.
                roles: if token.ends_with("abcd") { vec![Role::Moderator] } else { vec![Role::Student] },
                email_verified: false,
            })
        })
    }
}

struct Answer {
    status: u16,
    etag: Option<String>,
    body: Value,
}

macro_rules! app {
    ($node:expr) => {
        test::init_service(
            App::new()
                .app_data(web::Data::new($node.chat.clone()))
                .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
                .configure(crate::http::router::configure),
        )
        .await
    };
}

macro_rules! call {
    ($app:expr, $who:expr, $method:ident $path:expr, [$($name:expr => $value:expr),*] $(, $body:expr)?) => {{
        let request = test::TestRequest::$method()
            .uri(&format!("/api/v1/chat/rooms{}", $path).replace("/rooms/../", "/"))
            .insert_header(("authorization", format!("Bearer {}", $who)))
            $(.insert_header(($name, $value)))*
            $(.set_json($body))?
            .to_request();
        let response = test::call_service(&$app, request).await;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let bytes = test::read_body(response).await;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, etag, body }
    }};
    ($app:expr, $who:expr, $method:ident $path:expr $(, $body:expr)?) => {
        call!($app, $who, $method $path, [] $(, $body)?)
    };
}

#[actix_web::test]
async fn the_documented_calls_answer_as_documented() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let app = app!(node);
    let (ann, ben, eve, nobody) = (UserId::new(), UserId::new(), UserId::new(), UserId::new());
    node.town.unknown.lock().unwrap().insert(nobody);

    let made = call!(app, ann, post "", json!({ "kind": "group", "name": "Team", "member_ids": [ben] }));
    assert_eq!(made.status, 201);
    let room = made.body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&made.body["kind"], &made.body["name"], &made.body["member_count"]),
        (&json!("group"), &json!("Team"), &json!(2))
    );
    let unknown = call!(app, ann, post "", json!({ "kind": "group", "member_ids": [ben, nobody] }));
    assert_eq!((unknown.status, &unknown.body["errors"][0]["pointer"]), (422, &json!("/member_ids/1")));
    let broken = call!(app, ann, post "", json!({ "kind": "group", "member_ids": [ben, "x"] }));
    assert_eq!((broken.status, &broken.body["errors"][0]["pointer"]), (422, &json!("/member_ids/1")));
    let first = call!(app, ann, post "", json!({ "kind": "direct", "member_ids": [ben] }));
    let second = call!(app, ben, post "", json!({ "kind": "direct", "member_ids": [ann] }));
    assert_eq!((first.status, second.status, &first.body["id"]), (201, 200, &second.body["id"]));

    let message = json!({ "client_msg_id": "m1", "body": "hello" });
    let sent = call!(app, ben, post format!("/{room}/messages"), &message);
    assert_eq!((sent.status, &sent.body["seq"], &sent.body["duplicate"]), (201, &json!(1), &json!(false)));
    let again = call!(app, ben, post format!("/{room}/messages"), &message);
    assert_eq!((again.status, &again.body["message_id"]), (200, &sent.body["message_id"]));
    assert_eq!(call!(app, eve, post format!("/{room}/messages"), &message).status, 403);
    assert_eq!(call!(app, "junk", post format!("/{room}/messages"), &message).status, 401);
    assert_eq!(call!(app, ann, post "/not-an-id/messages", &message).status, 404);
    let empty =
        call!(app, ben, post format!("/{room}/messages"), json!({ "client_msg_id": "m2", "body": " " }));
    assert_eq!((empty.status, &empty.body["errors"][0]["pointer"]), (422, &json!("/body")));
    for n in 2..=5 {
        let message = json!({ "client_msg_id": format!("m{n}"), "body": "more" });
        call!(app, ann, post format!("/{room}/messages"), &message);
    }
    let page = call!(app, ben, get format!("/{room}/messages?limit=2"));
    assert_eq!((&page.body["items"][0]["seq"], &page.body["items"][1]["seq"]), (&json!(5), &json!(4)));
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = call!(app, ben, get format!("/{room}/messages?limit=9&cursor={cursor}"));
    assert_eq!(next.body["items"].as_array().unwrap().len(), 3);
    assert!(next.body.get("next_cursor").is_none());
    let forward = call!(app, ben, get format!("/{room}/messages?after=2"));
    assert_eq!(forward.body["items"][0]["seq"], json!(3));
    for bad in ["limit=0", "limit=101", "cursor=x", "after=-1", "after=1&cursor=x"] {
        assert_eq!(call!(app, ben, get format!("/{room}/messages?{bad}")).status, 422, "{bad}");
    }

    let shown = call!(app, ann, get format!("/{room}"));
    let tag = shown.etag.unwrap();
    assert_eq!(shown.body["members"].as_array().unwrap().len(), 2);
    assert_eq!(call!(app, ann, get format!("/{room}"), ["if-none-match" => tag.clone()]).status, 304);
    let patch = json!({ "topic": "Something new" });
    assert_eq!(call!(app, ann, patch format!("/{room}"), &patch).status, 428);
    assert_eq!(call!(app, ann, patch format!("/{room}"), ["if-match" => "\"v99\""], &patch).status, 412);
    let patched = call!(app, ann, patch format!("/{room}"), ["if-match" => tag.clone()], &patch);
    assert_eq!((patched.status, &patched.body["topic"]), (200, &json!("Something new")));
    assert_eq!(call!(app, ann, patch format!("/{room}"), ["if-match" => tag], &patch).status, 412);

    let added = call!(app, ann, post format!("/{room}/members"), json!({ "user_ids": [eve] }));
    assert_eq!((added.status, &added.body["items"][0]["user_id"]), (200, &json!(eve)));
    assert_eq!(
        call!(app, ann, patch format!("/{room}/members/{eve}"), json!({ "role": "admin" })).status,
        200
    );
    assert_eq!(call!(app, eve, post format!("/{room}/typing")).status, 204);
    let read = call!(app, eve, post format!("/{room}/read"), json!({ "seq": 3 }));
    assert_eq!((&read.body["read_seq"], &read.body["unread"]), (&json!(3), &json!(2)));
    assert_eq!(call!(app, eve, get format!("/{room}/presence")).body["num_clients"], json!(0));
    let members = call!(app, eve, get format!("/{room}/members?limit=2"));
    assert!(members.body["next_cursor"].is_string() && members.body["items"].as_array().unwrap().len() == 2);
    assert_eq!(call!(app, eve, delete format!("/{room}/members/me")).status, 204);
    assert_eq!(call!(app, eve, get format!("/{room}/messages")).status, 403);
    assert_eq!(call!(app, eve, post format!("/{room}/join")).status, 403);
    assert_eq!(call!(app, ann, post format!("/{room}/archive")).status, 200);
    assert_eq!(
        call!(app, ben, post format!("/{room}/messages"), json!({ "client_msg_id": "z", "body": "z" }))
            .status,
        409
    );

    let lobby = node.room(RoomKind::Public, ann, &[]).await.id;
    assert_eq!(call!(app, eve, get "?scope=public").body["items"][0]["id"], json!(lobby));
    assert_eq!(call!(app, eve, get "?scope=secret").status, 422);
    assert_eq!(call!(app, eve, post format!("/{lobby}/join")).status, 200);
    let mine = call!(app, eve, get "");
    assert_eq!(mine.body["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn what_happens_to_messages_has_its_calls() {
    let database = TestDatabase::new();
    let node = Node::on(&database).await;
    let app = app!(node);
    let (ann, ben, eve) = (UserId::new(), UserId::new(), UserId::new());
    let made = call!(app, ann, post "", json!({ "kind": "group", "name": "Team", "member_ids": [ben] }));
    let room = made.body["id"].as_str().unwrap().to_owned();
    let send = |name: &str, more: Value| {
        let mut body = json!({ "client_msg_id": name, "body": format!("words of {name}") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let sent = call!(app, ben, post format!("/{room}/messages"), send("one", json!({})));
    let one = sent.body["message_id"].as_str().unwrap().to_owned();
    let message = format!("/{room}/messages/{one}");
    let other = json!({ "body": "other `words`" });
    assert_eq!(call!(app, ben, patch message, &other).status, 428);
    assert_eq!(call!(app, ben, patch message, ["if-match" => "\"v9\""], &other).status, 412);
    let tag = call!(app, ben, get message).etag.unwrap();
    let edited = call!(app, ben, patch message, ["if-match" => tag.clone()], &other);
    assert_eq!(edited.etag.as_deref(), Some("\"v2\""));
    assert_eq!(call!(app, ben, patch message, ["if-match" => tag.clone()], &other).status, 412);
    assert_eq!(call!(app, ben, get message, ["if-none-match" => "\"v2\""]).status, 304);
    assert_eq!(call!(app, ben, get message, ["if-none-match" => tag]).status, 200);
    assert_eq!(
        (edited.status, &edited.body["seq"], &edited.body["unchanged"]),
        (200, &json!(2), &json!(false))
    );
    assert_eq!(call!(app, ann, patch message, ["if-match" => "*"], json!({ "body": "x" })).status, 403);
    let shown = call!(app, ann, get message);
    assert_eq!(
        (&shown.body["html"], &shown.body["changed_seq"]),
        (&json!("other <code>words</code>"), &json!(2))
    );
    let thumb = format!("{message}/reactions/%F0%9F%91%8D");
    assert_eq!(call!(app, ann, put thumb).status, 200);
    assert_eq!(call!(app, ann, get message).body["reactions"][0]["mine"], json!(true));
    assert_eq!(call!(app, ann, delete thumb).body["seq"], json!(4));
    assert_eq!(call!(app, ann, put format!("{message}/reactions/x")).status, 422);
    assert_eq!(call!(app, ben, put format!("{message}/pin")).status, 403);
    assert_eq!(call!(app, ann, put format!("{message}/pin")).status, 200);
    assert_eq!(call!(app, ben, get format!("/{room}/pins")).body["items"][0]["id"], json!(one));
    assert_eq!(call!(app, ann, delete format!("{message}/pin")).status, 200);
    call!(app, ann, post format!("/{room}/messages"), send("two", json!({ "reply_to": one })));
    let thread = call!(app, ben, get format!("{message}/thread?limit=1"));
    assert_eq!(
        (&thread.body["root"]["replies"], &thread.body["items"][0]["reply_to"]),
        (&json!(1), &json!(one))
    );
    let found = call!(app, ben, get format!("/{room}/search?q=OTHER"));
    assert_eq!(found.body["items"][0]["id"], json!(one));
    assert_eq!(call!(app, ben, get format!("/{room}/search?q=")).status, 422);
    assert_eq!(call!(app, eve, get format!("/{room}/search?q=x")).status, 403);

    let own = call!(app, ben, patch format!("/{room}/me"), json!({ "muted": true, "draft": "so" }));
    assert_eq!((own.status, &own.body["muted"], &own.body["draft"]), (200, &json!(true), &json!("so")));
    assert_eq!(call!(app, ben, get format!("/{room}/me")).body, own.body);
    assert_eq!(call!(app, ben, get format!("/{room}/receipts")).status, 200);
    let elsewhere = |path: &str| format!("/../{path}");
    let exported = call!(app, ben, get elsewhere("export"));
    assert_eq!((exported.status, &exported.body["id"]), (200, &json!(one)), "one line: one message");
    assert_eq!(call!(app, ann, put elsewhere(&format!("blocks/{ben}"))).status, 204);
    assert_eq!(call!(app, ann, get elsewhere("blocks")).body["items"][0]["user_id"], json!(ben));
    assert_eq!(call!(app, ann, delete elsewhere(&format!("blocks/{ben}"))).status, 204);
    let privacy = json!({ "last_seen_to": "contacts", "receipts": false });
    assert_eq!(call!(app, ann, put elsewhere("privacy"), &privacy).status, 200);
    assert_eq!(call!(app, ann, get elsewhere("privacy")).body, privacy);
    assert_eq!(call!(app, ann, put elsewhere("status"), json!({ "status": "dnd" })).status, 204);

    let moderator = format!("{}abcd", &UserId::new().to_string()[..32]);
    let report = json!({ "reason": "abuse" });
    let filed = call!(app, ann, post format!("{message}/reports"), &report);
    assert_eq!(
        (filed.status, call!(app, ann, post format!("{message}/reports"), &report).status),
        (201, 200)
    );
    assert_eq!(call!(app, ben, get elsewhere("reports")).status, 403);
    assert_eq!(call!(app, moderator, get elsewhere("reports")).body["items"][0]["message_id"], json!(one));
    assert_eq!(call!(app, ann, get format!("/{room}/reports")).body["items"].as_array().unwrap().len(), 1);
    let id = filed.body["report_id"].as_str().unwrap();
    let resolve = elsewhere(&format!("reports/{id}/resolve"));
    let settled = call!(app, moderator, post resolve, json!({ "resolution": "removed", "note": "no" }));
    assert_eq!((settled.status, &settled.body["resolution"]), (200, &json!("removed")));
    assert_eq!(call!(app, ann, get message).body["deleted_by"], json!(moderator));
    let against = json!({ "user_id": ben, "minutes": 5 });
    assert_eq!(call!(app, ann, post format!("/{room}/suspensions"), &against).status, 200);
    let refused = call!(app, ben, post format!("/{room}/messages"), send("three", json!({})));
    assert_eq!((refused.status, refused.body["type"].as_str().unwrap().ends_with("suspended")), (403, true));
    assert_eq!(call!(app, ann, delete format!("/{room}/suspensions/{ben}")).status, 200);
    assert_eq!(call!(app, ann, post format!("/{room}/bans"), &against).status, 204);
    assert_eq!(call!(app, ann, get format!("/{room}/bans")).body["items"][0]["user_id"], json!(ben));
    assert_eq!(call!(app, ann, delete format!("/{room}/bans/{ben}")).status, 204);
    let trail = call!(app, moderator, get elsewhere("audit"));
    assert_eq!(trail.body["items"].as_array().unwrap().len(), 6, "{}", trail.body);
    assert_eq!(call!(app, ann, get format!("/{room}/audit")).status, 200);
    assert_eq!(call!(app, ann, get elsewhere("audit")).status, 403);
    assert_eq!(call!(app, ben, delete message).status, 403, "a member no more");
}
