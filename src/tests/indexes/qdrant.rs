//! Qdrant's adapter before a server that fails: a stand-in that speaks HTTP/2 and as much gRPC as it takes.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use h2::{Reason, server::SendResponse};
use prost::Message;
use qdrant_client::qdrant::{
    CollectionExists, CollectionExistsResponse, HealthCheckReply, QueryResponse, UpdateBatchResponse,
    UpdateResult, UpdateStatus,
};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::{
    config::QdrantConfig,
    ports::{
        Store,
        attributes::{Attributes, Filter},
        vectors::{Collection, Point, Qdrant, VectorError, VectorStore},
    },
};

/// What the stand-in does with a call.
#[derive(Clone, Debug)]
enum Reply {
    /// This message.
    Message(Vec<u8>),
    /// This gRPC status, and what to wait for in seconds.
    Status(u8, Option<u64>),
    /// This HTTP status, as a proxy in between gives.
    Http(u16),
    /// Takes the call, and says nothing.
    Silence,
    /// Resets the stream.
    Reset,
    /// Closes the connection.
    Hangup,
}

/// What is answered to whom, in order.
type Replies = Vec<(&'static str, VecDeque<Reply>)>;

/// Replies in turn, by what the path ends with; the last one stays.
#[derive(Clone, Default)]
struct Script {
    replies: Arc<Mutex<Replies>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn on(self, ends: &'static str, replies: impl IntoIterator<Item = Reply>) -> Self {
        self.replies.lock().unwrap().push((ends, replies.into_iter().collect()));
        self
    }

    fn take(&self, path: &str) -> Reply {
        self.seen.lock().unwrap().push(path.to_owned());
        let mut replies = self.replies.lock().unwrap();
        match replies.iter_mut().find(|(ends, _)| path.ends_with(ends)) {
            Some((_, replies)) if replies.len() > 1 => replies.pop_front().unwrap(),
            Some((_, replies)) => replies.front().cloned().unwrap(),
            None => Reply::Status(12, None),
        }
    }

    fn seen(&self, ends: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|path| path.ends_with(ends)).count()
    }

    /// A store over the stand-in.
    async fn store(&self, timeout_ms: u64) -> VectorStore {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(script.clone(), stream));
            }
        });
        let url = Some(url.parse().unwrap());
        let config = QdrantConfig { url, api_key: Some("key".into()), prefix: "t".into(), timeout_ms };
        VectorStore::over(Qdrant::connect(&config).unwrap().unwrap())
    }
}

async fn serve(script: Script, stream: TcpStream) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    let mut held = Vec::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        match script.take(request.uri().path()) {
            Reply::Hangup => return,
            // Neither is dropped: that would reset the stream.
            Reply::Silence => held.push((request, respond)),
            reply => answer(respond, reply),
        }
    }
}

fn answer(mut respond: SendResponse<bytes::Bytes>, reply: Reply) {
    let response = http::Response::builder().header("content-type", "application/grpc");
    let _ = match reply {
        Reply::Message(message) => {
            let Ok(mut stream) = respond.send_response(response.body(()).unwrap(), false) else { return };
            let mut frame = vec![0];
            frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
            frame.extend(message);
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            stream.send_data(frame.into(), false).and_then(|()| stream.send_trailers(trailers))
        }
        Reply::Status(code, wait) => {
            let mut response = response.header("grpc-status", code.to_string());
            if let Some(wait) = wait {
                response = response.header("retry-after", wait.to_string());
            }
            respond.send_response(response.body(()).unwrap(), true).map(drop)
        }
        Reply::Http(status) => {
            let response = http::Response::builder().status(status);
            respond.send_response(response.body(()).unwrap(), true).map(drop)
        }
        Reply::Reset => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        Reply::Silence | Reply::Hangup => Ok(()),
    };
}

fn message(message: &impl Message) -> Reply {
    Reply::Message(message.encode_to_vec())
}

fn found() -> Reply {
    message(&QueryResponse::default())
}

fn batch(statuses: &[UpdateStatus]) -> Reply {
    let result = statuses.iter().map(|status| UpdateResult { operation_id: None, status: (*status).into() });
    message(&UpdateBatchResponse { result: result.collect(), ..UpdateBatchResponse::default() })
}

fn collection() -> Collection {
    Collection::new("gigs", "toy", 2)
}

fn point() -> Point {
    Point { id: Uuid::from_u128(1), revision: 1, vector: vec![1.0, 0.0], payload: Attributes::default() }
}

async fn nearest(store: &VectorStore) -> Result<usize, VectorError> {
    let hits = store.nearest(&collection(), &[1.0, 0.0], &Filter::default(), 3).await?;
    Ok(hits.len())
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_broken_one_given_up() {
    const EXHAUSTED: u8 = 8;
    const UNAVAILABLE: u8 = 14;
    let busy = Script::default()
        .on("/Query", [Reply::Status(UNAVAILABLE, None), Reply::Status(EXHAUSTED, Some(0)), found()]);
    assert_eq!(nearest(&busy.store(5_000).await).await, Ok(0));
    assert_eq!(busy.seen("/Query"), 3);

    for reply in [
        Reply::Status(UNAVAILABLE, None),
        Reply::Status(EXHAUSTED, None),
        Reply::Http(429),
        Reply::Http(503),
        Reply::Reset,
        Reply::Hangup,
    ] {
        let script = Script::default().on("/Query", [reply.clone()]);
        let said = nearest(&script.store(5_000).await).await;
        assert!(said.as_ref().is_err_and(VectorError::is_transient), "{reply:?}: {said:?}");
        assert!(script.seen("/Query") >= 3, "{reply:?}: {}", script.seen("/Query"));
    }
    // Not found, not allowed, not a valid argument: asked once.
    for (code, missing) in [(5, true), (7, false), (16, false), (3, false)] {
        let script = Script::default().on("/Query", [Reply::Status(code, None)]);
        let said = nearest(&script.store(5_000).await).await;
        match said {
            Err(VectorError::Missing(_)) => assert!(missing, "{code}"),
            Err(VectorError::Failed(_)) => assert!(!missing, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
        assert_eq!(script.seen("/Query"), 1, "{code}");
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_the_deadline() {
    let silent = Script::default().on("", [Reply::Silence]);
    let store = silent.store(300).await;
    let asked = Instant::now();
    let said = nearest(&store).await;
    assert!(said.as_ref().is_err_and(VectorError::is_transient), "{said:?}");
    let status = store.status().await;
    assert!(!status.reachable && status.mend.is_some(), "{status:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());

    // Nobody listens at all.
    let config = QdrantConfig {
        url: Some("http://127.0.0.1:1".parse().unwrap()),
        api_key: None,
        prefix: "t".into(),
        timeout_ms: 1_000,
    };
    let store = VectorStore::over(Qdrant::connect(&config).unwrap().unwrap());
    let said = nearest(&store).await;
    assert!(said.as_ref().is_err_and(VectorError::is_transient), "{said:?}");
}

#[tokio::test]
async fn a_write_counts_once_it_is_applied() {
    let whole = Script::default().on("/UpdateBatch", [batch(&[UpdateStatus::Completed])]);
    whole.store(5_000).await.upsert(&collection(), &[point()]).await.unwrap();
    for half in [
        batch(&[UpdateStatus::Acknowledged]),
        batch(&[UpdateStatus::WaitTimeout]),
        batch(&[UpdateStatus::ClockRejected]),
        batch(&[]),
    ] {
        let script = Script::default().on("/UpdateBatch", [half.clone()]);
        let said = script.store(5_000).await.upsert(&collection(), &[point()]).await;
        assert!(said.as_ref().is_err_and(VectorError::is_transient), "{half:?}: {said:?}");
    }
    let two = [point(), Point { id: Uuid::from_u128(2), ..point() }];
    let script =
        Script::default().on("/UpdateBatch", [batch(&[UpdateStatus::Completed, UpdateStatus::Acknowledged])]);
    let said = script.store(5_000).await.upsert(&collection(), &two).await;
    assert!(said.as_ref().is_err_and(VectorError::is_transient), "{said:?}");
}

#[tokio::test]
async fn what_the_server_refuses_is_not_tried_again() {
    // As it answers to a vector of another dimension than the collection's.
    let script = Script::default().on("/UpdateBatch", [Reply::Status(3, None)]);
    let store = script.store(5_000).await;
    let said = store.upsert(&collection(), &[point()]).await;
    assert!(matches!(said, Err(VectorError::Failed(_))), "{said:?}");
    assert_eq!(script.seen("/UpdateBatch"), 1);
    // One of another dimension than the collection is to have is not even sent.
    let wide = Point { vector: vec![1.0; 3], ..point() };
    let said = store.upsert(&collection(), &[wide]).await;
    assert_eq!(said, Err(VectorError::Dimension { wanted: 2, found: 3 }));
    assert_eq!(script.seen("/UpdateBatch"), 1);
}

#[tokio::test]
async fn an_old_server_is_refused_before_anything_is_made() {
    let reply = HealthCheckReply { version: "1.15.4".into(), ..HealthCheckReply::default() };
    let exists = CollectionExistsResponse {
        result: Some(CollectionExists { exists: false }),
        ..CollectionExistsResponse::default()
    };
    let old =
        Script::default().on("/HealthCheck", [message(&reply)]).on("/CollectionExists", [message(&exists)]);
    let store = old.store(5_000).await;
    let said = store.ready(&collection()).await;
    assert!(matches!(&said, Err(VectorError::Failed(why)) if why.contains("1.15.4")), "{said:?}");
    assert_eq!(old.seen("/Create"), 0);
}
