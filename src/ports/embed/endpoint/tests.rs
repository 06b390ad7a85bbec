//! The endpoint's client, against a stand-in on loopback that fails in every way.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::*;
use crate::ports::embed::Embedder;

const KEY: &str = "sk-a-key-nobody-may-see";
const DIMENSION: usize = 8;

/// What the stand-in does with the next call; the last goes on for ever.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Answer,
    Backwards,
    Status(u16, Option<&'static str>),
    Hang,
    Dimension(usize),
    OneShort,
    Twice,
    Foreign,
    Null,
    /// Fewer bytes than announced.
    Cut,
    /// A whole answer of half a document.
    Half,
    Html,
}

struct StandIn {
    url: Url,
    calls: Arc<AtomicUsize>,
    wrong: Arc<Mutex<Vec<String>>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl StandIn {
    fn start(turns: &'static [Turn]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://user:secret-in-the-url@{}/v1", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let (wrong, batches) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<usize>>>::default());
        let shared = (calls.clone(), wrong.clone(), batches.clone());
        // Ends with the process: an accept is not worth interrupting.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (calls, wrong, batches) = shared.clone();
                thread::spawn(move || {
                    let _ = serve(stream, turns, &calls, &wrong, &batches);
                });
            }
        });
        Self { url: url.parse().unwrap(), calls, wrong, batches }
    }

    fn embedder(&self) -> Embedder {
        self.with(|_| {})
    }

    fn with(&self, change: impl FnOnce(&mut EndpointSettings)) -> Embedder {
        let mut settings = EndpointSettings {
            key: Some(KEY.to_owned()),
            batch: 3,
            per_minute: 60_000,
            timeout: Duration::from_millis(400),
            first_wait: Duration::from_millis(5),
            longest_wait: Duration::from_secs(2),
            ..EndpointSettings::new(self.url.clone(), "small".to_owned(), DIMENSION)
        };
        change(&mut settings);
        Embedder::endpoint(settings).unwrap()
    }

    fn calls(&self) -> usize {
        assert_eq!(*self.wrong.lock().unwrap(), Vec::<String>::new());
        self.calls.load(SeqCst)
    }
}

fn serve(
    stream: TcpStream,
    turns: &[Turn],
    calls: &AtomicUsize,
    wrong: &Mutex<Vec<String>>,
    batches: &Mutex<Vec<usize>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut stream = stream;
    loop {
        let (mut length, mut authorised) = (0, false);
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim().to_owned();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            authorised |= line.to_ascii_lowercase() == format!("authorization: bearer {KEY}");
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body)?;
        let texts: Vec<&str> =
            body["input"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        if !authorised || first.trim() != "POST /v1/embeddings HTTP/1.1" || body["model"] != "small" {
            wrong.lock().unwrap().push(format!("{first} {body}"));
        }
        if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
            wrong.lock().unwrap().push("an empty text".to_owned());
        }
        batches.lock().unwrap().push(texts.len());
        let turn = turns[calls.fetch_add(1, SeqCst).min(turns.len() - 1)];
        let one = |index: usize, text: &str, dimension: usize| {
            // The text's length is the first number, so that order can be told.
            let mut vector = vec![1.0; dimension];
            vector[0] = 100.0 * text.len() as f32;
            json!({"object": "embedding", "index": index, "embedding": vector})
        };
        let whole = |dimension| -> Vec<Value> {
            texts.iter().enumerate().map(|(at, text)| one(at, text, dimension)).collect()
        };
        let mut data = whole(DIMENSION);
        let (mut status, mut extra, mut cut) = (200, String::new(), None);
        match turn {
            Turn::Answer => {}
            Turn::Backwards => data.reverse(),
            Turn::Status(code, retry) => {
                status = code;
                extra = retry.map(|value| format!("retry-after: {value}\r\n")).unwrap_or_default();
            }
            Turn::Hang => {
                thread::sleep(Duration::from_secs(3));
                return Ok(());
            }
            Turn::Dimension(dimension) => data = whole(dimension),
            Turn::OneShort => drop(data.pop()),
            Turn::Twice => data.push(one(0, "x", DIMENSION)),
            Turn::Foreign => data[0]["index"] = json!(99),
            Turn::Null => data[0]["embedding"] = json!(vec![0.0; DIMENSION]),
            Turn::Cut => cut = Some(20),
            Turn::Half | Turn::Html => {}
        }
        let mut text = json!({"object": "list", "data": data, "model": "small"}).to_string();
        match turn {
            // What endpoints say of a bad key often holds it.
            Turn::Status(..) => text = json!({"error": {"message": format!("bad key {KEY}")}}).to_string(),
            Turn::Half => text.truncate(text.len() / 2),
            Turn::Html => text = "<html>".to_owned(),
            _ => {}
        }
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{extra}content-length: {}\r\n\r\n",
            text.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&text.as_bytes()[..cut.unwrap_or(text.len())])?;
        if cut.is_some() {
            return Ok(());
        }
    }
}

fn texts(of: &[&str]) -> Vec<String> {
    of.iter().map(|text| (*text).to_owned()).collect()
}

/// Lengths of texts by the vectors' first numbers, which are in the order of lengths.
fn order(vectors: &[Vec<f32>]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..vectors.len()).collect();
    places.sort_by(|a, b| vectors[*a][0].total_cmp(&vectors[*b][0]));
    places
}

#[actix_web::test]
async fn vectors_come_in_order_whatever_the_endpoint_does_in_batches() {
    for turns in [&[Turn::Answer] as &[Turn], &[Turn::Backwards]] {
        let there = StandIn::start(Box::leak(turns.to_vec().into_boxed_slice()));
        let embedder = there.embedder();
        assert_eq!(embedder.model().name, "small-8");
        let asked = texts(&["aaaaaaa", "a", "aaaaa", "", "aaa", "aa", "aaaa", "  "]);
        let vectors = embedder.embed(&asked).await.unwrap();
        assert_eq!(vectors.len(), 8);
        assert!(vectors.iter().all(|v| v.len() == DIMENSION));
        // Texts without a word have the null vector, and were not sent.
        assert!(vectors[3].iter().chain(&vectors[7]).all(|x| *x == 0.0));
        for vector in [0, 1, 2, 4, 5, 6].map(|at: usize| &vectors[at]) {
            assert!((vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
        }
        let of_words: Vec<Vec<f32>> =
            [0, 1, 2, 4, 5, 6].iter().map(|at: &usize| vectors[*at].clone()).collect();
        assert_eq!(order(&of_words), [1, 4, 3, 5, 2, 0]);
        assert_eq!(there.calls(), 2);
        assert_eq!(*there.batches.lock().unwrap(), [3, 3]);
        assert!(embedder.embed(&[]).await.unwrap().is_empty());
    }
}

#[actix_web::test]
async fn what_fails_for_the_moment_is_asked_again() {
    static TURNS: [Turn; 7] = [
        Turn::Status(503, None),
        Turn::Status(429, None),
        Turn::Answer,
        Turn::Hang,
        Turn::Cut,
        Turn::Half,
        Turn::Answer,
    ];
    let there = StandIn::start(&TURNS);
    let embedder = there.embedder();
    embedder.embed(&texts(&["a"])).await.unwrap();
    assert_eq!(there.calls(), 3);
    embedder.embed(&texts(&["b"])).await.unwrap();
    assert_eq!(there.calls(), 7);
}

#[actix_web::test]
async fn it_comes_back_when_it_is_told_to_and_gives_up_in_the_end() {
    static ONCE: [Turn; 2] = [Turn::Status(429, Some("1")), Turn::Answer];
    let there = StandIn::start(&ONCE);
    let begun = Instant::now();
    there.embedder().embed(&texts(&["a"])).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(there.calls(), 2);

    // Longer than we wait: the caller is told.
    static LATER: [Turn; 1] = [Turn::Status(503, Some("120"))];
    let there = StandIn::start(&LATER);
    let error = there.embedder().embed(&texts(&["a"])).await.unwrap_err();
    assert!(
        matches!(error, EmbedError::Unavailable { retry_after: Some(wait), .. } if wait.as_secs() == 120)
    );
    assert_eq!(there.calls(), 1);

    static NEVER: [Turn; 1] = [Turn::Status(500, None)];
    let there = StandIn::start(&NEVER);
    assert!(there.embedder().embed(&texts(&["a"])).await.unwrap_err().is_transient());
    assert_eq!(there.calls(), 4);
}

#[actix_web::test]
async fn one_that_hangs_does_not_hang_us() {
    static TURNS: [Turn; 1] = [Turn::Hang];
    let there = StandIn::start(&TURNS);
    let embedder = there.with(|settings| settings.attempts = 2);
    let begun = Instant::now();
    assert!(embedder.embed(&texts(&["a"])).await.unwrap_err().is_transient());
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[actix_web::test]
async fn what_cannot_be_believed_is_refused_at_once() {
    for turn in [Turn::OneShort, Turn::Twice, Turn::Foreign, Turn::Null, Turn::Html, Turn::Status(401, None)]
    {
        let there = StandIn::start(Box::leak(vec![turn].into_boxed_slice()));
        let error = there.embedder().embed(&texts(&["a", "b"])).await.unwrap_err();
        assert!(matches!(error, EmbedError::Rejected { .. }), "{turn:?}: {error:?}");
        assert_eq!(there.calls(), 1, "{turn:?}");
    }
    for found in [4, 16] {
        let there = StandIn::start(Box::leak(vec![Turn::Dimension(found)].into_boxed_slice()));
        let error = there.embedder().check().await.unwrap_err();
        assert!(
            matches!(error, EmbedError::Dimension { expected: DIMENSION, found: n } if n == found),
            "{error:?}"
        );
    }
}

#[actix_web::test]
async fn no_error_and_no_status_tells_the_key() {
    for turn in [Turn::Status(401, None), Turn::Status(500, None), Turn::Hang, Turn::Html, Turn::Cut] {
        let there = StandIn::start(Box::leak(vec![turn].into_boxed_slice()));
        let embedder = there.with(|settings| settings.attempts = 1);
        let error = embedder.embed(&texts(&["a"])).await.unwrap_err();
        let status = embedder.status().await;
        let said = format!("{error} {error:?} {} {status:?}", error.reason());
        assert!(!said.contains(KEY) && !said.contains("secret-in-the-url"), "{said}");
        assert!(!status.reachable && status.mend.is_some());
    }
    let there = StandIn::start(&[Turn::Answer]);
    let status = there.embedder().status().await;
    assert!(status.reachable && status.detail.unwrap().contains("127.0.0.1"));
}

#[actix_web::test]
async fn a_minute_holds_no_more_calls_than_agreed() {
    let there = StandIn::start(&[Turn::Answer]);
    let embedder = there.with(|settings| {
        settings.per_minute = 10;
        settings.batch = 1;
    });
    // One a six seconds, and a burst of as many seconds: the third is told to come back.
    let error = embedder.embed(&texts(&["a", "b", "c", "d"])).await.unwrap_err();
    assert!(matches!(error, EmbedError::Unavailable { retry_after: Some(_), .. }), "{error:?}");
    assert!(there.calls() < 4);
}

#[test]
fn when_to_come_back_may_be_a_date() {
    let now = chrono::DateTime::parse_from_rfc3339("2026-11-23T01:00:00Z").unwrap().to_utc();
    let told = |value: &str| {
        let mut headers = header::HeaderMap::new();
        headers.insert(header::RETRY_AFTER, value.parse().unwrap());
        answer::retry_after(&headers, now)
    };
    assert_eq!(told("7"), Some(Duration::from_secs(7)));
    assert_eq!(told("Mon, 23 Nov 2026 01:00:30 GMT"), Some(Duration::from_secs(30)));
    assert_eq!(told("Mon, 23 Nov 2026 00:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(told("soon"), None);
}
