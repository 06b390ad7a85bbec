//! Everybody's WebSocket on `course:<id>`, read by one thread.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};

use super::course::Learner;
use super::kit::frames::{self, Reader};
use super::kit::websocket::WebSocket;
use super::kit::{Outcome, fail, http};

const PATIENCE: Duration = Duration::from_secs(20);

/// Scoreboards that one learner got: when, and how many answers it counts.
pub type Boards = Vec<(Instant, usize)>;

/// Of each learner, by the question's number.
type Seen = Arc<Mutex<Vec<HashMap<usize, Boards>>>>;

/// The open connections. Dropping it closes them.
pub struct Watch {
    seen: Seen,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Connects and subscribes everybody.
    pub fn start(server: SocketAddr, learners: &[Learner], course: &str) -> Outcome<Self> {
        let sockets = learners
            .iter()
            .map(|learner| {
                let answer = http::call_ok(
                    server,
                    "POST",
                    "/api/v1/realtime/token",
                    Some(&learner.session),
                    Some(&json!({})),
                )?;
                join(server, answer["token"].as_str().unwrap_or_default(), &format!("course:{course}"))
            })
            .collect::<Outcome<Vec<_>>>()?;
        let seen: Seen = Arc::new(Mutex::new(vec![HashMap::new(); sockets.len()]));
        let stop = Arc::new(AtomicBool::new(false));
        let parts = sockets.into_iter().map(|socket| {
            let (stream, reader, _) = socket.into_parts();
            (stream, reader)
        });
        let mut parts: Vec<(TcpStream, Reader)> = parts.collect();
        let (kept, ended) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                if let Err(error) = round(&mut parts, &kept) {
                    eprintln!("learning: a WebSocket failed: {error}");
                    return;
                }
            }
        });
        Ok(Self { seen, stop, thread: Some(thread) })
    }

    /// Everybody's scoreboards of a question, once each has one that counts `all` answers.
    pub fn until(&self, number: usize, all: usize, patience: Duration) -> Outcome<Vec<Boards>> {
        let until = Instant::now() + patience;
        loop {
            let seen = self.seen.lock().map_err(|_| "the reading thread panicked")?;
            let whole = |boards: &HashMap<usize, Boards>| {
                boards
                    .get(&number)
                    .and_then(|boards| boards.last())
                    .is_some_and(|(_, answered)| *answered >= all)
            };
            let missing = seen.iter().filter(|boards| !whole(boards)).count();
            if missing == 0 {
                return Ok(seen
                    .iter()
                    .map(|boards| boards.get(&number).cloned().unwrap_or_default())
                    .collect());
            }
            drop(seen);
            if Instant::now() > until {
                return fail(format!("{missing} learners never saw a scoreboard with all {all} answers"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn join(server: SocketAddr, token: &str, channel: &str) -> Outcome<WebSocket> {
    let mut socket = WebSocket::open(server, "/connection/websocket", PATIENCE)?;
    let connect = json!({"id": 1, "connect": {"token": token, "name": "bench"}});
    socket.send(&format!("{connect}\n{}", json!({"id": 2, "subscribe": {"channel": channel}})))?;
    let mut missing = 2;
    while missing > 0 {
        let Some(message) = socket.receive(PATIENCE)? else { return fail("no answer to connect in time") };
        for line in message.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let reply: Value = serde_json::from_slice(line)?;
            if let Some(error) = reply.get("error") {
                return fail(format!("connect or subscribe refused: {error}"));
            }
            missing -= usize::from(reply.get("id").is_some());
        }
    }
    Ok(socket)
}

/// Reads what is there on every socket.
fn round(parts: &mut [(TcpStream, Reader)], seen: &Seen) -> Outcome<()> {
    let ready: Vec<bool> = {
        let mut waiting: Vec<PollFd<'_>> =
            parts.iter().map(|(stream, _)| PollFd::new(stream, PollFlags::IN)).collect();
        poll(&mut waiting, Some(&Timespec { tv_sec: 0, tv_nsec: 20_000_000 }))?;
        waiting.iter().map(|one| !one.revents().is_empty()).collect()
    };
    let mut buffer = vec![0; 64 * 1024];
    for (n, (stream, reader)) in parts.iter_mut().enumerate().filter(|(n, _)| ready[*n]) {
        let length = match stream.read(&mut buffer) {
            Ok(0) => return fail("the server closed it"),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error.into()),
        };
        let arrived = Instant::now();
        let (mut boards, mut pings) = (Vec::new(), 0);
        reader.feed(&buffer[..length], |frame| {
            if frame.opcode == frames::TEXT {
                for line in frame.payload.split(|byte| *byte == b'\n') {
                    match line {
                        b"{}" => pings += 1,
                        line => boards.extend(board(line)),
                    }
                }
            }
        });
        for _ in 0..pings {
            stream.write_all(&frames::from_client(frames::TEXT, b"{}"))?;
        }
        let mut seen = seen.lock().map_err(|_| "the measuring thread panicked")?;
        for (number, answered) in boards {
            seen[n].entry(number).or_default().push((arrived, answered));
        }
    }
    Ok(())
}

/// A scoreboard's question and its count of answers.
fn board(line: &[u8]) -> Option<(usize, usize)> {
    memchr::memmem::find(line, b"live.scoreboard")?;
    let push: Value = serde_json::from_slice(line).ok()?;
    let data = &push["push"]["pub"]["data"];
    let figure = |name: &str| data[name].as_u64().and_then(|figure| usize::try_from(figure).ok());
    Some((figure("number")?, figure("answered")?))
}
