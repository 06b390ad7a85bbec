//! Meilisearch's adapter before a server that fails: a stand-in that speaks as much HTTP as it takes.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    config::MeiliConfig,
    ports::{
        Store,
        attributes::Attributes,
        text::{Document, Meilisearch, Query, TextError, TextIndex},
    },
    postgres::Database,
    tests::support::database::TestDatabase,
};

/// What the stand-in does with a request.
#[derive(Clone, Debug)]
enum Reply {
    /// Answers so.
    Json(u16, Value),
    /// Answers so, and asks to come back after so many seconds.
    Busy(u16, u64),
    /// Reads it, and says nothing.
    Silence,
    /// Closes the connection.
    Hangup,
    /// Something that is no JSON.
    Garbage,
}

/// What is answered to whom, in order.
type Replies = Vec<(&'static str, VecDeque<Reply>)>;

/// Requests as `GET /path`, and what answers those whose beginning is named; the last reply stays.
#[derive(Clone, Default)]
struct Script {
    replies: Arc<Mutex<Replies>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn on(self, begins: &'static str, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.replies.lock().unwrap().push((begins, replies.into_iter().collect()));
        self
    }

    fn take(&self, request: &str) -> Reply {
        self.seen.lock().unwrap().push(request.to_owned());
        let mut replies = self.replies.lock().unwrap();
        let known = replies.iter_mut().find(|(begins, _)| request.starts_with(begins));
        match known {
            Some((_, replies)) if replies.len() > 1 => replies.pop_front().unwrap(),
            Some((_, replies)) => replies.front().cloned().unwrap(),
            None => Reply::Json(
                404,
                json!({ "message": "no", "code": "not_found", "type": "invalid_request", "link": "" }),
            ),
        }
    }

    fn seen(&self, begins: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.starts_with(begins)).count()
    }

    /// Serves until the process ends; where.
    fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = self.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = script.clone();
                std::thread::spawn(move || answer(&script, stream));
            }
        });
        url
    }
}

fn answer(script: &Script, mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(n) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = n.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let request = first.rsplit_once(' ').map_or(first.clone(), |(start, _)| start.to_owned());
        let (status, extra, body) = match script.take(&request) {
            Reply::Json(status, body) => (status, String::new(), body.to_string()),
            Reply::Busy(status, seconds) => (status, format!("retry-after: {seconds}\r\n"), String::new()),
            Reply::Garbage => (200, String::new(), "<html>".to_owned()),
            Reply::Hangup => return,
            Reply::Silence => {
                std::thread::sleep(Duration::from_secs(20));
                return;
            }
        };
        let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{extra}\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn index(url: &str, timeout_ms: u64, database: &Database) -> TextIndex {
    let url = Some(url.parse().unwrap());
    let config = MeiliConfig { url, api_key: None, search_key: None, prefix: "t".into(), timeout_ms };
    TextIndex::over(Meilisearch::connect(&config, database).unwrap().unwrap())
}

fn query() -> Query {
    Query { text: "x".into(), limit: 5, ..Query::default() }
}

fn document() -> Document {
    Document {
        id: Uuid::from_u128(1),
        revision: 3,
        title: "x".into(),
        keywords: Vec::new(),
        body: String::new(),
        attributes: Attributes::default(),
    }
}

fn nothing() -> Reply {
    Reply::Json(200, json!({ "hits": [], "totalHits": 0, "processingTimeMs": 0, "query": "x" }))
}

fn task(status: &str) -> Value {
    let mut task = json!({
        "uid": 7, "status": status, "type": "documentAdditionOrUpdate", "enqueuedAt": "2026-01-01T00:00:00Z",
    });
    if status == "failed" {
        task["error"] = json!({ "message": "no room", "code": "no_space_left_on_device", "type": "internal", "link": "" });
    }
    task
}

fn named() -> Value {
    json!({ "uid": "t_gigs", "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "primaryKey": "id" })
}

fn accepted() -> Value {
    json!({ "taskUid": 7, "indexUid": "t_gigs", "status": "enqueued", "type": "documentAdditionOrUpdate", "enqueuedAt": "2026-01-01T00:00:00Z" })
}

/// A server that takes writes, with these looks at the task.
fn writing(tasks: impl IntoIterator<Item = Reply>) -> Script {
    Script::default()
        .on("GET /indexes/t_gigs", [Reply::Json(200, named())])
        .on("GET /indexes?", [Reply::Json(200, json!({ "results": [named()] }))])
        .on("GET /tasks?", [Reply::Json(200, json!({ "results": [] }))])
        .on("POST /indexes/t_gigs/documents/fetch", [Reply::Json(200, json!({ "results": [] }))])
        .on("POST /indexes/t_gigs/documents", [Reply::Json(202, accepted())])
        .on("GET /tasks/7", tasks)
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_broken_one_given_up() {
    let own = TestDatabase::new();
    let database = own.open().await;
    let busy = Script::default()
        .on("POST /indexes/t_gigs/search", [Reply::Busy(429, 0), Reply::Busy(503, 0), nothing()]);
    let found = index(&busy.serve(), 5_000, &database).search("gigs", &query()).await;
    assert_eq!(found.map(|found| found.total), Ok(0));
    assert_eq!(busy.seen("POST"), 3);

    for reply in [Reply::Busy(429, 0), Reply::Busy(503, 0), Reply::Json(500, json!({})), Reply::Hangup] {
        let script = Script::default().on("POST", [reply.clone()]);
        let found = index(&script.serve(), 5_000, &database).search("gigs", &query()).await;
        assert!(found.as_ref().is_err_and(TextError::is_transient), "{reply:?}: {found:?}");
        assert_eq!(script.seen("POST"), 3, "{reply:?}");
    }
    for reply in [Reply::Garbage, Reply::Json(401, json!({})), Reply::Json(302, json!({}))] {
        let script = Script::default().on("POST", [reply.clone()]);
        let found = index(&script.serve(), 5_000, &database).search("gigs", &query()).await;
        assert!(matches!(found, Err(TextError::Failed(_))), "{reply:?}: {found:?}");
        assert_eq!(script.seen("POST"), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline() {
    let own = TestDatabase::new();
    let database = own.open().await;
    let silent = Script::default().on("POST", [Reply::Silence]).on("GET", [Reply::Silence]);
    let index = index(&silent.serve(), 300, &database);
    let asked = Instant::now();
    let found = index.search("gigs", &query()).await;
    assert!(found.as_ref().is_err_and(TextError::is_transient), "{found:?}");
    assert_eq!(silent.seen("POST"), 1, "who did not answer in time is not asked again");
    let status = index.status().await;
    assert!(!status.reachable && status.mend.is_some(), "{status:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_write_is_done_when_its_task_is() {
    let own = TestDatabase::new();
    let database = own.open().await;
    let slow = writing(["enqueued", "processing", "succeeded"].map(|status| Reply::Json(200, task(status))));
    index(&slow.serve(), 5_000, &database).upsert("gigs", &[document()]).await.unwrap();
    assert_eq!(slow.seen("GET /tasks/7"), 3);

    for (status, why) in [("failed", "no room"), ("canceled", "canceled")] {
        let failing = writing([Reply::Json(200, task(status))]);
        let done = index(&failing.serve(), 5_000, &database).upsert("gigs", &[document()]).await;
        assert!(matches!(&done, Err(TextError::Failed(said)) if said.contains(why)), "{done:?}");
    }

    // One that never ends: it may still be done, so the caller has to come back.
    let stuck = writing([Reply::Json(200, task("processing"))]);
    let done = index(&stuck.serve(), 200, &database).upsert("gigs", &[document()]).await;
    assert!(done.as_ref().is_err_and(TextError::is_transient), "{done:?}");
}

#[tokio::test]
async fn a_task_that_nobody_waited_for_is_not_overtaken() {
    let own = TestDatabase::new();
    let database = own.open().await;
    let pending = Script::default()
        .on("GET /tasks?", [Reply::Json(200, json!({ "results": [task("processing")] }))])
        .on("GET /indexes/t_gigs", [Reply::Json(200, named())]);
    let done = index(&pending.serve(), 200, &database).upsert("gigs", &[document()]).await;
    assert!(done.as_ref().is_err_and(TextError::is_transient), "{done:?}");
    assert_eq!(pending.seen("POST"), 0, "nothing is written meanwhile");

    // An older revision than what is there is not sent at all.
    let there = json!({ "results": [{ "id": Uuid::from_u128(1), "revision": 4, "gone": false }] });
    let newer = Script::default()
        .on("GET /indexes/t_gigs", [Reply::Json(200, named())])
        .on("GET /indexes?", [Reply::Json(200, json!({ "results": [named()] }))])
        .on("GET /tasks?", [Reply::Json(200, json!({ "results": [] }))])
        .on("POST /indexes/t_gigs/documents/fetch", [Reply::Json(200, there)]);
    index(&newer.serve(), 5_000, &database).upsert("gigs", &[document()]).await.unwrap();
    assert_eq!((newer.seen("POST"), newer.seen("POST /indexes/t_gigs/documents/fetch")), (1, 1));
}

#[tokio::test]
async fn a_missing_index_is_told_apart() {
    let own = TestDatabase::new();
    let database = own.open().await;
    let no = json!({ "message": "no", "code": "index_not_found", "type": "invalid_request", "link": "" });
    let script =
        Script::default().on("POST", [Reply::Json(404, no.clone())]).on("GET", [Reply::Json(404, no)]);
    let index = index(&script.serve(), 5_000, &database);
    assert!(matches!(index.search("gigs", &query()).await, Err(TextError::Missing(_))));
    assert!(matches!(index.upsert("gigs", &[document()]).await, Err(TextError::Missing(_))));
    assert!(matches!(index.begin_rebuild("gigs").await, Err(TextError::Missing(_))));
}
