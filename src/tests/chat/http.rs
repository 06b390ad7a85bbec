//! Chat over HTTP, as a client sees it.

use std::sync::Arc;

use actix_web::{App, test, web};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::support::Node;
use crate::{
    contexts::chat::{RoomKind, handlers as chat},
    error::ErrorKind,
    http::{Problem, extract::SessionLookup},
    principal::{Principal, SessionId, UserId},
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
                roles: Vec::new(),
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
                .service(
                    web::scope("/api/v1/chat/rooms")
                        .route("", web::post().to(chat::rooms::create))
                        .route("", web::get().to(chat::rooms::list))
                        .route("/{id}", web::get().to(chat::rooms::get))
                        .route("/{id}", web::patch().to(chat::rooms::patch))
                        .route("/{id}/archive", web::post().to(chat::rooms::archive))
                        .route("/{id}/typing", web::post().to(chat::rooms::typing))
                        .route("/{id}/presence", web::get().to(chat::rooms::presence))
                        .route("/{id}/read", web::post().to(chat::rooms::read))
                        .route("/{id}/join", web::post().to(chat::members::join))
                        .route("/{id}/members", web::get().to(chat::members::list))
                        .route("/{id}/members", web::post().to(chat::members::add))
                        .route("/{id}/members/{user_id}", web::delete().to(chat::members::remove))
                        .route("/{id}/members/{user_id}", web::patch().to(chat::members::set_role))
                        .route("/{id}/messages", web::post().to(chat::messages::send))
                        .route("/{id}/messages", web::get().to(chat::messages::list)),
                ),
        )
        .await
    };
}

macro_rules! call {
    ($app:expr, $who:expr, $method:ident $path:expr, [$($name:expr => $value:expr),*] $(, $body:expr)?) => {{
        let request = test::TestRequest::$method()
            .uri(&format!("/api/v1/chat/rooms{}", $path))
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
