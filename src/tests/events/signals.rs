//! Words between nodes over a real server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use rustix::process::Signal;

use super::outbox::LIMIT;
use crate::{
    events::TOPICS,
    ports::bus::{BusSettings, NatsBus, Signals},
    telemetry::metrics::Metrics,
    tests::support::{
        nats::{NatsServer, installed},
        skip::skip,
        wait::eventually,
    },
};

struct Node {
    signals: Signals,
    metrics: Metrics,
    heard: Arc<Mutex<Vec<Bytes>>>,
    gaps: Arc<AtomicUsize>,
    _bus: NatsBus,
}

impl Node {
    async fn on(server: &NatsServer, prefix: &str) -> Self {
        let settings = BusSettings { url: server.url(), prefix: prefix.into(), topics: TOPICS };
        let bus = NatsBus::connect(settings).await.unwrap();
        let metrics = Metrics::new();
        let signals = bus.signals(&metrics);
        let heard: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let gaps = Arc::new(AtomicUsize::new(0));
        let (list, count) = (heard.clone(), gaps.clone());
        signals.on("test", move |body| list.lock().unwrap().push(body));
        signals.on_gap(move || {
            count.fetch_add(1, Relaxed);
        });
        let node = Self { signals, metrics, heard, gaps, _bus: bus };
        node.looked_again(0).await;
        node
    }

    fn heard(&self) -> Vec<Bytes> {
        self.heard.lock().unwrap().clone()
    }

    async fn looked_again(&self, before: usize) {
        eventually("a node looks again", LIMIT, || async {
            (self.gaps.load(Relaxed) > before).then_some(())
        })
        .await;
    }

    async fn hears(&self, word: &'static [u8]) {
        eventually("the word is heard", LIMIT, || async {
            self.heard().contains(&Bytes::from_static(word)).then_some(())
        })
        .await;
    }
}

#[actix_web::test]
async fn words_cross_and_a_gap_is_told_to_all() {
    let Some(bin) = installed() else { skip!("words between nodes", "no nats-server 2.10 or later") };
    let mut server = NatsServer::start(&bin).await;
    let (a, b) = (Node::on(&server, "words").await, Node::on(&server, "words").await);
    let stranger = Node::on(&server, "").await;

    for n in 0..200u8 {
        a.signals.send("test", Bytes::copy_from_slice(&[n]));
    }
    a.signals.send("test", Bytes::from_static(b"last"));
    b.hears(b"last").await;
    assert_eq!(b.heard()[..200], (0..200u8).map(|n| vec![n]).collect::<Vec<_>>());
    assert!(a.heard().is_empty(), "nobody hears their own words");
    assert!(stranger.heard().is_empty(), "another installation's");

    let before = (a.gaps.load(Relaxed), b.gaps.load(Relaxed));
    server.down(Signal::KILL);
    tokio::time::sleep(Duration::from_millis(300)).await;
    a.signals.send("test", Bytes::from_static(b"lost"));
    server.up().await;
    a.looked_again(before.0).await;
    b.looked_again(before.1).await;
    a.signals.send("test", Bytes::from_static(b"after"));
    b.hears(b"after").await;
    assert!(!b.heard().contains(&Bytes::from_static(b"lost")), "words are not kept");

    // Somebody who does not say who they are, and a hello of a third node.
    let client = async_nats::connect(server.url().as_str()).await.unwrap();
    client.publish("words.signal.test", "nameless".into()).await.unwrap();
    client.flush().await.unwrap();
    eventually("it is counted", LIMIT, || async {
        let text = String::from_utf8(b.metrics.render()).unwrap();
        text.contains("gigsy_signals_dropped_total{why=\"malformed\"} 1").then_some(())
    })
    .await;
    let before = b.gaps.load(Relaxed);
    let _third = Node::on(&server, "words").await;
    b.looked_again(before).await;
}
