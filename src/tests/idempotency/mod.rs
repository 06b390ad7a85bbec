//! Idempotency-Key, invariant 12: the same key and body give the same answer and one effect; another
//! body gives 422; one in flight 409.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    middleware::from_fn,
    test::{TestRequest, init_service, read_body},
    web,
};
use futures_util::future::{BoxFuture, join_all};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    clock::ManualClock,
    error::ErrorKind,
    http::{
        Idempotent, Json, Problem, SignedIn,
        extract::SessionLookup,
        idempotency::{self, Idempotency},
    },
    postgres::Database,
    principal::{Principal, SessionId, UserId},
    tests::support::database::TestDatabase,
};

/// A token is the person's id.
struct Tokens;

impl SessionLookup for Tokens {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move {
            Ok(Principal {
                user_id: token
                    .parse()
                    .map_err(|_| Problem::new(ErrorKind::Unauthenticated, "no such session"))?,
                session_id: SessionId::new(),
                display_name: "Somebody".into(),
                roles: vec![crate::principal::Role::Student],
                email_verified: true,
            })
        })
    }
}

/// Counts what was done.
#[derive(Clone, Default)]
struct Effects {
    done: Arc<AtomicUsize>,
    made: Arc<Mutex<HashMap<Uuid, usize>>>,
}

/// Makes something under the request's id; the body says how it ends.
async fn make(
    effects: web::Data<Effects>,
    _who: SignedIn,
    key: Idempotent,
    body: Json<Value>,
) -> Result<HttpResponse, Problem> {
    if let Some(wait) = body.0["wait_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    if body.0["invalid"] == true {
        return Err(Problem::field(ErrorKind::Invalid, "/invalid", "is true"));
    }
    let number = effects.done.fetch_add(1, Ordering::SeqCst);
    *effects.made.lock().unwrap().entry(key.resource_id()).or_default() += 1;
    if body.0["fail"] == true {
        // After the effect: as when the answer to a commit is lost.
        return Err(Problem::new(ErrorKind::Unavailable, "later"));
    }
    Ok(HttpResponse::Created().insert_header(("location", format!("/things/{number}"))).json(number))
}

struct World {
    effects: Effects,
    idempotency: Idempotency,
    clock: ManualClock,
    _database: Database,
    _own: TestDatabase,
}

async fn world() -> World {
    let own = TestDatabase::new();
    let database = own.open().await;
    let clock = ManualClock::default();
    let idempotency = Idempotency::new(database.clone(), clock.clock());
    World { effects: Effects::default(), idempotency, clock, _database: database, _own: own }
}

macro_rules! app {
    ($w:expr) => {
        init_service(
            App::new()
                .app_data(web::Data::new($w.effects.clone()))
                .app_data(web::Data::new($w.idempotency.clone()))
                .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
                .wrap(from_fn(idempotency::guard))
                .route("/api/v1/things", web::post().to(make))
                .route("/api/v1/things/{id}/{do}", web::post().to(make))
                .route("/api/v1/auth/register", web::post().to(make)),
        )
        .await
    };
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    location: Option<String>,
    replayed: bool,
    body: String,
}

struct Ask<'a> {
    path: &'a str,
    who: UserId,
    key: &'a str,
    body: &'a str,
}

async fn send<S, B>(app: &S, ask: Ask<'_>) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    let mut request = TestRequest::post()
        .uri(ask.path)
        .insert_header(("authorization", format!("Bearer {}", ask.who)))
        .insert_header(("content-type", "application/json"))
        .set_payload(ask.body.to_owned());
    if !ask.key.is_empty() {
        request = request.insert_header(("idempotency-key", ask.key));
    }
    let response = app.call(request.to_request()).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: response.status().as_u16(),
        location: header("location"),
        replayed: header("idempotency-replayed").is_some(),
        body: String::from_utf8(read_body(response).await.to_vec()).unwrap(),
    }
}

const THINGS: &str = "/api/v1/things";

#[actix_web::test]
async fn the_table_of_what_a_repetition_gets() {
    let w = world().await;
    let app = app!(w);
    let (ada, ben) = (UserId::new(), UserId::new());
    let ask = |path, who, key, body| send(&app, Ask { path, who, key, body });

    let first = ask(THINGS, ada, "k1", r#"{"n":1}"#).await;
    assert_eq!((first.status, first.location.as_deref()), (201, Some("/things/0")));
    for key in ["k1", "\"k1\""] {
        let again = ask(THINGS, ada, key, r#"{"n":1}"#).await;
        assert!(again.replayed);
        assert_eq!(Answer { replayed: false, ..again }, first, "{key}");
    }
    assert_eq!(ask(THINGS, ada, "k1", r#"{"n":2}"#).await.status, 422);
    // Scoped by person and route.
    assert_eq!(ask(THINGS, ben, "k1", r#"{"n":1}"#).await.body, "1");
    assert_eq!(ask("/api/v1/things/1/do", ada, "k1", r#"{"n":1}"#).await.body, "2");
    // The same route for another thing is another request.
    assert_eq!(ask("/api/v1/things/2/do", ada, "k1", r#"{"n":1}"#).await.status, 422);
    // A refusal is an answer too.
    let refused = ask(THINGS, ada, "k2", r#"{"invalid":true}"#).await;
    let again = ask(THINGS, ada, "k2", r#"{"invalid":true}"#).await;
    assert_eq!((refused.status, again.body == refused.body, again.replayed), (422, true, true));
    // Without a key, or where answers hold tokens, nothing is kept.
    for (path, key) in [(THINGS, ""), ("/api/v1/auth/register", "k3")] {
        let (one, two) = (ask(path, ada, key, "{}").await, ask(path, ada, key, "{}").await);
        assert_ne!(one.body, two.body, "{path}");
    }
    for key in ["\"open", "", " "].into_iter().filter(|key| !key.is_empty()) {
        assert_eq!(ask(THINGS, ada, key, "{}").await.status, 400, "{key:?}");
    }
    let stranger = TestRequest::post()
        .uri(THINGS)
        .insert_header(("idempotency-key", "k1"))
        .insert_header(("authorization", "Bearer x"))
        .insert_header(("content-type", "application/json"))
        .set_payload("{}");
    assert_eq!(app.call(stranger.to_request()).await.unwrap().status(), 401);

    // Kept for at least a day, and not for ever.
    w.clock.advance(chrono::Duration::hours(25));
    assert!(ask(THINGS, ada, "k1", r#"{"n":1}"#).await.replayed);
    w.clock.advance(chrono::Duration::hours(24));
    assert!(w.idempotency.tidy().await.unwrap() >= 4);
    assert!(!ask(THINGS, ada, "k1", r#"{"n":1}"#).await.replayed);
}

#[actix_web::test]
async fn of_many_at_once_one_runs_and_the_others_are_told_so() {
    let w = world().await;
    let app = app!(w);
    let ada = UserId::new();
    let body = r#"{"wait_ms":300}"#;
    let all = join_all((0..6).map(|_| send(&app, Ask { path: THINGS, who: ada, key: "k", body }))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 201).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|answer| answer.status == 409).count(), 5, "{all:?}");
    let other = Ask { path: THINGS, who: ada, key: "k", body: "{}" };
    assert_eq!(send(&app, other).await.status, 422);
    assert_eq!(send(&app, Ask { path: THINGS, who: ada, key: "k", body }).await.status, 201);
    assert_eq!(w.effects.done.load(Ordering::SeqCst), 1);
}

#[actix_web::test]
async fn after_a_failure_the_request_runs_again_with_the_same_id() {
    let w = world().await;
    let app = app!(w);
    let ada = UserId::new();
    let ask = || send(&app, Ask { path: THINGS, who: ada, key: "k", body: r#"{"fail":true}"# });
    assert_eq!(ask().await.status, 503);
    assert_eq!(ask().await.status, 503);
    {
        let made = w.effects.made.lock().unwrap();
        assert_eq!(made.values().copied().collect::<Vec<_>>(), [2], "two ids for one request");
    }
    // An attempt that died keeps its key until its lock runs out.
    let slow = r#"{"wait_ms":60000}"#;
    let died = tokio::time::timeout(
        Duration::from_millis(500),
        send(&app, Ask { path: THINGS, who: ada, key: "d", body: slow }),
    );
    assert!(died.await.is_err());
    let ask = |body| send(&app, Ask { path: THINGS, who: ada, key: "d", body });
    assert_eq!(ask(slow).await.status, 409);
    w.clock.advance(chrono::Duration::seconds(91));
    assert_eq!(ask("{}").await.status, 422);
}

/// One request of a random history.
#[derive(Clone, Debug)]
struct Request {
    who: usize,
    key: usize,
    body: usize,
    quoted: bool,
}

const BODIES: [&str; 3] = [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"invalid":true}"#];

/// Batches of requests at once: whatever comes when, a key's first body is the one that counts.
async fn history(w: &World, batches: &[Vec<Request>]) -> Result<(), String> {
    let app = app!(w);
    let people = [UserId::new(), UserId::new()];
    let begun = w.effects.done.load(Ordering::SeqCst);
    // What each key got: its body and its answer.
    let mut known: HashMap<(usize, usize), (usize, Answer)> = HashMap::new();
    for batch in batches {
        let answers = join_all(batch.iter().map(|request| {
            let key = if request.quoted {
                format!("\"key-{}\"", request.key)
            } else {
                format!("key-{}", request.key)
            };
            let (app, who, body) = (&app, people[request.who], BODIES[request.body]);
            async move { send(app, Ask { path: THINGS, who, key: &key, body }).await }
        }))
        .await;
        for (request, answer) in batch.iter().zip(&answers) {
            let refused = request.body == 2 && answer.body.contains("\"errors\"");
            let answered = matches!(answer.status, 201) || refused;
            if answered && !answer.replayed {
                let first = known.insert((request.who, request.key), (request.body, answer.clone()));
                if first.is_some() {
                    return Err(format!("{request:?} had a second effect: {answer:?}"));
                }
            }
        }
        for (request, answer) in batch.iter().zip(&answers) {
            let Some((body, first)) = known.get(&(request.who, request.key)) else {
                return Err(format!("{request:?} was never answered: {answer:?}"));
            };
            let same = (answer.status, &answer.body, &answer.location)
                == (first.status, &first.body, &first.location);
            let sound = match answer.status {
                409 => batch.iter().filter(|r| (r.who, r.key) == (request.who, request.key)).count() > 1,
                _ if request.body == *body => same,
                422 => !same,
                _ => false,
            };
            if !sound {
                return Err(format!("{request:?} after {first:?} of body {body} got {answer:?}"));
            }
        }
    }
    let effects = known.values().filter(|(_, answer)| answer.status == 201).count();
    let done = w.effects.done.load(Ordering::SeqCst) - begun;
    if done == effects { Ok(()) } else { Err(format!("{done} effects for {effects} answers")) }
}

#[test]
fn the_same_key_and_body_have_one_effect_whatever_comes_when() {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 48;
    }
    config.max_shrink_iters = 200;
    config.failure_persistence = None;
    let request = (0..2_usize, 0..3_usize, 0..3_usize, any::<bool>())
        .prop_map(|(who, key, body, quoted)| Request { who, key, body, quoted });
    let batches = prop::collection::vec(prop::collection::vec(request, 1..5), 1..6);
    let system = actix_web::rt::System::new();
    let w = system.block_on(world());
    let outcome = TestRunner::new(config)
        .run(&batches, |batches| system.block_on(history(&w, &batches)).map_err(TestCaseError::fail));
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
