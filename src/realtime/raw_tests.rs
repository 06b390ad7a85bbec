//! A line over a pair of sockets.

use std::{
    io::{ErrorKind, Read},
    net::{self, TcpListener},
    time::Duration,
};

use super::*;
use crate::telemetry::metrics::Metrics;

struct Pair {
    line: RawLine,
    ours: Option<net::TcpStream>,
    peer: Option<net::TcpStream>,
}

fn pair(limit: usize) -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().unwrap();
    for socket in [&ours, &peer] {
        socket.set_nonblocking(true).unwrap();
        // So that a few megabytes are more than the kernel takes.
        rustix::net::sockopt::set_socket_send_buffer_size(socket, 64 * 1024).unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(socket, 64 * 1024).unwrap();
    }
    let line = RawLine::new(limit, Flusher::start(RealtimeMetrics::new(&Metrics::new())));
    Pair { line, ours: Some(ours), peer: Some(peer) }
}

impl Pair {
    fn attach(&mut self) -> Rc<TcpStream> {
        let socket = Rc::new(TcpStream::from_std(self.ours.take().unwrap()).unwrap());
        self.line.attach(socket.clone());
        socket
    }

    /// What the peer can read now; whether the end came.
    async fn read(&mut self) -> (Vec<u8>, bool) {
        let (mut got, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        let mut quiet = 0;
        while quiet < 5 {
            match self.peer.as_mut().unwrap().read(&mut buffer) {
                Ok(0) => return (got, true),
                Ok(n) => {
                    got.extend_from_slice(&buffer[..n]);
                    quiet = 0;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    quiet += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(e) => panic!("{e}"),
            }
        }
        (got, false)
    }
}

fn frame(mark: u8, len: usize) -> Bytes {
    Bytes::from(vec![mark; len])
}

#[actix_web::test]
async fn what_is_pushed_before_the_server_lets_go_waits_and_comes_in_order() {
    let mut pair = pair(1000);
    for mark in 1..=3 {
        assert_eq!(pair.line.push(frame(mark, 2)), Pushed::Queued);
    }
    assert_eq!(pair.read().await.0, b"", "nothing is written beside the HTTP server");
    assert_eq!((pair.line.queued(), pair.line.drained()), (6, 0));
    let _socket = pair.attach();
    pair.line.push_long(frame(4, 2));
    assert_eq!(pair.read().await, (vec![1, 1, 2, 2, 3, 3, 4, 4], false));
    assert_eq!((pair.line.queued(), pair.line.drained()), (0, 8));
}

#[actix_web::test]
async fn the_bound_is_exact_and_long_answers_leave_room_for_what_is_live() {
    let pair = pair(100);
    assert_eq!(pair.line.push(frame(1, 60)), Pushed::Queued);
    assert_eq!(pair.line.push(frame(1, 41)), Pushed::Overflow);
    assert_eq!(pair.line.push_long(frame(2, 5_000)), Pushed::Queued);
    assert_eq!(pair.line.push(frame(1, 40)), Pushed::Queued);
    assert_eq!(pair.line.push(frame(1, 1)), Pushed::Overflow);
    assert_eq!(pair.line.queued(), 5_100);
    pair.line.close(frame(3, 1), true);
    assert_eq!(pair.line.push(frame(1, 1)), Pushed::Closed);
    assert_eq!(pair.line.push_long(frame(1, 1)), Pushed::Closed);
    assert_eq!(pair.line.queued(), 1);
}

#[actix_web::test]
async fn a_full_socket_is_gone_on_with_and_nothing_is_lost_or_doubled() {
    let mut pair = pair(64 << 20);
    let _socket = pair.attach();
    let mut sent = Vec::new();
    for n in 0..3_000u32 {
        let mut bytes = n.to_be_bytes().to_vec();
        bytes.resize(1 + n as usize % 3_000, n as u8);
        sent.extend_from_slice(&bytes);
        assert_eq!(pair.line.push(Bytes::from(bytes)), Pushed::Queued);
        if n % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(pair.line.queued() > 0, "the socket took all of it");
    let (mut got, mut end) = (Vec::new(), false);
    while got.len() < sent.len() && !end {
        let (more, ended) = pair.read().await;
        got.extend_from_slice(&more);
        end = ended;
    }
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    assert_eq!((pair.line.queued(), pair.line.drained()), (0, sent.len() as u64));
}

#[actix_web::test]
async fn what_has_begun_is_ended_when_the_rest_is_thrown_away() {
    let mut pair = pair(64 << 20);
    let _socket = pair.attach();
    // One that does not fit, and more behind it.
    pair.line.push(frame(1, 8 << 20));
    pair.line.push(frame(2, 1000));
    tokio::time::sleep(Duration::from_millis(20)).await;
    pair.line.close(frame(3, 5), true);
    pair.line.close(frame(4, 5), true);
    let mut got = Vec::new();
    while got.len() < (8 << 20) + 5 {
        got.extend_from_slice(&pair.read().await.0);
    }
    assert!(got[..8 << 20].iter().all(|byte| *byte == 1), "the frame is whole");
    assert_eq!(got[8 << 20..], [3; 5], "then why, and nothing else");
}

#[actix_web::test]
async fn the_end_comes_after_what_waits_and_both_sides_see_it() {
    let mut pair = pair(1000);
    let socket = pair.attach();
    pair.line.push(frame(1, 3));
    pair.line.close(frame(2, 2), false);
    assert_eq!(pair.read().await, (vec![1, 1, 1, 2, 2], false), "held open for the peer's close");
    pair.line.end();
    assert_eq!(pair.read().await, (vec![], true));
    assert_eq!(read(&socket).await, None, "the reader ends, too");
}

#[actix_web::test]
async fn a_peer_that_went_takes_what_waits_with_it() {
    let mut pair = pair(1000);
    let socket = pair.attach();
    drop(pair.peer.take());
    // The first one may still be taken by the kernel; what comes back for it ends the line.
    for _ in 0..3 {
        pair.line.push(frame(1, 3));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(pair.line.push(frame(1, 3)), Pushed::Closed);
    assert_eq!((pair.line.queued(), read(&socket).await), (0, None));
}

#[actix_web::test]
async fn others_get_their_turn_within_a_round_and_a_shard_waits_for_all_of_it() {
    let flusher = Flusher::start(RealtimeMetrics::new(&Metrics::new()));
    let lines: Vec<RawLine> = (0..300).map(|_| RawLine::new(100, flusher.clone())).collect();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let other = {
        let (seen, flusher) = (seen.clone(), flusher.clone());
        actix_web::rt::spawn(async move {
            loop {
                seen.borrow_mut().push(flusher.0.flushed.get());
                tokio::task::yield_now().await;
            }
        })
    };
    for line in &lines {
        assert_eq!(line.push(frame(1, 10)), Pushed::Queued);
    }
    flusher.settle().await;
    assert_eq!(flusher.0.flushed.get(), 300);
    assert!(seen.borrow().iter().any(|flushed| (1..300).contains(flushed)), "{:?}", seen.borrow());
    other.abort();
    // Nothing is marked: nothing to wait for.
    tokio::time::timeout(Duration::from_secs(5), flusher.settle()).await.unwrap();
}
