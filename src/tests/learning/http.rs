//! Learning over HTTP, as a client sees it.

use std::sync::Arc;

use actix_web::{App, test, web};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, person};
use crate::telemetry::metrics::Metrics;
use crate::{
    contexts::{
        learning::{EnrolmentId, ItemId, consumers},
        objects::{CompleteForm, UploadForm},
    },
    error::ErrorKind,
    http::{Problem, extract::SessionLookup, router},
    ports::objects::contract::send,
    principal::{Principal, Role, SessionId, UserId},
    tests::chat::support::Node,
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
            .uri(&$path)
            .insert_header(("authorization", format!("Bearer {}", $who)))
            $(.insert_header(($name, $value)))*
            $(.set_json($body))?
            .to_request();
        let response = test::call_service(&$app, request).await;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        let bytes = test::read_body(response).await;
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        (status, body, etag.unwrap_or_default())
    }};
    ($app:expr, $who:expr, $method:ident $path:expr $(, $body:expr)?) => {
        call!($app, $who, $method $path, [] $(, $body)?)
    };
}

#[actix_web::test]
async fn a_course_from_its_draft_to_its_certificate() {
    let world = World::new().await;
    let node = Node::on(&world.test).await;
    let app = test::init_service(
        App::new()
            .app_data(web::Data::new(world.learning.clone()))
            .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
            .configure(router::configure),
    )
    .await;
    let (teacher, student) = (format!("instructor:{}", UserId::new()), format!("student:{}", UserId::new()));
    let api = |path: &str| format!("/api/v1{path}");
    let text = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();

    let card = json!({ "title": "Rust", "summary": "Own it." });
    assert_eq!(call!(app, student, post api("/courses"), &card).0, 403);
    assert_eq!(call!(app, teacher, post api("/courses"), json!({ "title": " " })).0, 422);
    let (status, made, tag) = call!(app, teacher, post api("/courses"), &card);
    assert_eq!((status, &made["state"]), (201, &json!("draft")));
    let course = text(&made, "id");
    let (status, bank, _) = call!(app, teacher, post api("/banks"), json!({ "title": "Bank" }));
    assert_eq!(status, 201);
    let bank = text(&bank, "id");
    let gift = json!({ "gift": "Who? {=I ~you}\n\nHow much? {#5:1}\n\n$CATEGORY: x\n" });
    let (status, read, _) = call!(app, teacher, post api(&format!("/banks/{bank}/import")), gift);
    assert_eq!((status, &read["imported"], &read["refused"][0]["line"]), (200, &json!(2), &json!(5)));
    let (_, written, _) = call!(app, teacher, get api(&format!("/banks/{bank}/export")));
    assert!(written.as_str().unwrap().contains("{#5:1}"), "{written}");
    assert_eq!(call!(app, student, get api(&format!("/banks/{bank}"))).0, 404);
    let content = json!({ "modules": [{ "title": "M", "items": [{ "title": "Quiz", "rule": { "scored": 100 },
        "body": { "type": "quiz", "shuffle": false, "draws": [{ "bank": bank }] } }] }] });
    let draft = api(&format!("/courses/{course}/draft"));
    assert_eq!(call!(app, teacher, put draft, &content).0, 428);
    let (status, _, _) = call!(app, teacher, put draft, ["if-match" => tag.clone()], &content);
    assert_eq!(status, 200);
    assert_eq!(call!(app, teacher, put draft, ["if-match" => tag], &content).0, 412);
    assert_eq!(
        call!(app, student, get api(&format!("/courses/{course}"))).0,
        404,
        "a draft is nobody else's"
    );
    let (status, shown, _) = call!(app, teacher, post api(&format!("/courses/{course}/publish")));
    assert_eq!((status, &shown["published"]), (200, &json!(1)));
    assert_eq!(call!(app, teacher, post api(&format!("/courses/{course}/fly"))).0, 404);
    let (_, list, _) = call!(app, student, get api("/courses?q=rus"));
    assert_eq!(list["items"].as_array().unwrap().len(), 1);

    let (status, mine, _) = call!(app, student, post api(&format!("/courses/{course}/enrolments")));
    assert_eq!((status, &mine["percent"]), (201, &json!(0)));
    assert_eq!(call!(app, student, post api(&format!("/courses/{course}/enrolments"))).0, 409);
    let enrolment = text(&mine, "id");
    let item = text(&mine["items"][0], "item_id");
    let (status, attempt, tag) =
        call!(app, student, post api(&format!("/enrolments/{enrolment}/items/{item}/attempts")));
    assert_eq!((status, attempt["paper"].as_array().unwrap().len()), (201, 2));
    let id = text(&attempt, "id");
    let right = json!({ "answers": { "0": { "choice": 0 }, "1": { "number": 5.5 } } });
    let save = api(&format!("/attempts/{id}/answers"));
    assert_eq!(call!(app, student, put save, &right).0, 428);
    let bad = json!({ "answers": { "0": { "choice": 9 } } });
    let (status, problem, _) = call!(app, student, put save, ["if-match" => tag.clone()], bad);
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/answers/0")));
    let (status, _, next) = call!(app, student, put save, ["if-match" => tag.clone()], &right);
    assert_eq!(status, 200);
    assert_eq!(call!(app, student, put save, ["if-match" => tag], &right).0, 412, "the other tab");
    let submit = api(&format!("/attempts/{id}/submit"));
    let (status, done, _) = call!(app, student, post submit, ["if-match" => next]);
    assert_eq!((status, &done["state"], &done["score"]), (200, &json!("graded"), &json!(200)), "{done}");
    let (_, mine, _) = call!(app, student, get api(&format!("/enrolments/{enrolment}")));
    assert_eq!((&mine["state"], &mine["grade"]), (&json!("completed"), &json!(10_000)));
    let (status, csv, _) = call!(app, teacher, get api(&format!("/courses/{course}/gradebook")));
    assert!(status == 200 && csv.as_str().unwrap().contains("Ada Lovelace"), "{csv}");

    let mut conn = world.database.conn().await.unwrap();
    let enrolment: EnrolmentId = enrolment.parse().unwrap();
    let certificate = world.learning.issue(&mut conn, enrolment).await.unwrap().unwrap();
    drop(conn);
    assert_eq!(consumers(&world.learning, &world.live, &node.chat, &Metrics::new()).len(), 4);
    let (status, one, _) = call!(app, student, get api(&format!("/certificates/{certificate}")));
    assert_eq!((status, &one["course_title"]), (200, &json!("Rust")));
    let verify = format!("/verify/{certificate}");
    let (status, json, _) = call!(app, student, get verify);
    assert_eq!((status, &json["valid"]), (200, &json!(true)));
    let (status, page, _) = call!(app, student, get verify, ["accept" => "text/html,*/*"]);
    assert!(status == 200 && page.as_str().unwrap().contains("This certificate is valid."), "{page}");
    let (_, document, _) = call!(app, student, get "/.well-known/did.json");
    assert_eq!(document["id"], json!("did:web:localhost%3A8080"));
    let (status, list, _) = call!(app, student, get "/credentials/status/0");
    assert!(status == 200 && list.as_str().unwrap().matches('.').count() == 2);
    assert_eq!(call!(app, student, get "/credentials/status/x").0, 404);
    assert_eq!(call!(app, student, get "/verify/x").0, 404);
    let revoke = api(&format!("/certificates/{certificate}/revoke"));
    assert_eq!(call!(app, student, post revoke, json!({ "reason": "x" })).0, 403);
    assert_eq!(call!(app, teacher, post revoke, json!({ "reason": "" })).0, 422);
    assert_eq!(call!(app, teacher, post revoke, json!({ "reason": "copied" })).0, 200);
    let (_, json, _) = call!(app, student, get verify);
    assert_eq!((&json["valid"], &json["state"]), (&json!(false), &json!("revoked")));
}

#[actix_web::test]
async fn an_instructor_reads_what_was_handed_in_and_grades_it() {
    let world = World::new().await;
    let app = test::init_service(
        App::new()
            .app_data(web::Data::new(world.learning.clone()))
            .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
            .configure(router::configure),
    )
    .await;
    let (ada, ben) = (person(Role::Student), person(Role::Student));
    let item = ItemId::new();
    let course = world
        .course(json!({ "modules": [{ "title": "M", "items": [{ "id": item, "title": "Essay",
            "body": { "type": "assignment", "markdown": "Write.",
            "rubric": { "criteria": [{ "name": "A", "points": 10 }] } } }] }] }))
        .await;
    let mine = world.enrol(&ada, course).await;
    world.enrol(&ben, course).await;
    let bytes = b"\0\0\0\x20ftypisom-a-video".to_vec();
    let form = UploadForm {
        name: "v.mp4".into(),
        media_type: "video/mp4".into(),
        size: bytes.len() as u64,
        sha256: None,
    };
    let upload = world.uploads.begin(&ada, Uuid::now_v7(), &form).await.unwrap();
    assert_eq!(send(&upload.put.unwrap(), bytes).await, 200);
    world.uploads.complete(&ada, upload.id, &CompleteForm::default()).await.unwrap();

    let student = |id: UserId| format!("student:{id}");
    let (learner, other, stranger) =
        (student(ada.user_id), student(ben.user_id), format!("instructor:{}", UserId::new()));
    let teacher = format!("instructor:{}", world.teacher.user_id);
    let path = format!("/api/v1/enrolments/{}/items/{item}/submissions", mine.id);
    let handed = json!({ "body": "My text", "files": [upload.id] });
    let (status, made, first) = call!(app, learner, post path, handed);
    assert_eq!(status, 201, "{made}");
    let path = format!("/api/v1/submissions/{}", made["id"].as_str().unwrap());
    let (status, read, tag) = call!(app, teacher, get path);
    assert_eq!((status, &tag), (200, &first));
    assert_eq!(
        (&read["body"], &read["files"], &read["state"]),
        (&json!("My text"), &json!([upload.id]), &json!("submitted"))
    );
    assert_eq!(call!(app, learner, get path).0, 200);
    for nobody in [&other, &stranger, &student(UserId::new())] {
        assert_eq!(call!(app, nobody, get path).0, 404);
    }
    for unknown in ["x".to_owned(), Uuid::now_v7().to_string()] {
        assert_eq!(call!(app, teacher, get format!("/api/v1/submissions/{unknown}")).0, 404);
    }

    let (grade, points) = (format!("{path}/grade"), json!({ "points": [7] }));
    assert_eq!(call!(app, teacher, post grade, &points).0, 428);
    assert_eq!(call!(app, learner, post grade, ["if-match" => tag.clone()], &points).0, 404);
    let (status, graded, next) = call!(app, teacher, post grade, ["if-match" => tag.clone()], &points);
    assert_eq!((status, &graded["score"]), (200, &json!(7_000)), "{graded}");
    assert_eq!(call!(app, teacher, post grade, ["if-match" => tag], &points).0, 412);
    let (_, read, tag) = call!(app, learner, get path);
    assert_eq!((&read["state"], &read["points"], tag), (&json!("graded"), &json!([7]), next));
}
