//! The members: a process that keeps N connections and counts what arrives on them, so that reading is
//! never charged to the server nor to the publisher. One thread, one epoll set.
//!
//! A publication's body carries `bench#` and ten digits, its number in the room from 0 on. By that, and
//! not by anything the server says of itself, each connection checks that nothing is lost, double or out
//! of order. The floor's frames are all the same bytes: there frames are counted.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use serde::{Deserialize, Serialize};

use super::kit::frames::{self, Reader};
use super::kit::process::{self, Process};
use super::kit::websocket::close_reason;
use super::kit::{Outcome, fail};
use crate::centrifuge;

/// This program's first argument in this role.
pub const ROLE: &str = "role:drain";

/// Stands before a publication's number.
pub const MARKER: &[u8] = b"bench#";

/// How often news is told at most.
const TELL: Duration = Duration::from_millis(10);

/// Gaps remembered in all, to tell a late publication from a double one.
const GAPS_KEPT: usize = 1 << 20;

/// What a drain shall do, one line of JSON on its standard input.
#[derive(Serialize, Deserialize)]
pub struct DrainOrder {
    /// How to speak.
    pub protocol: Protocol,
    /// Where.
    pub server: SocketAddr,
    /// Connection tokens, used in turn.
    pub tokens: Vec<String>,
    /// What every connection subscribes to.
    pub channel: Option<String>,
    /// How many.
    pub connections: usize,
}

/// How a server is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    /// The floor: no handshake; every text frame is a publication.
    Raw,
    /// The Centrifuge protocol in JSON.
    Centrifuge,
}

/// What has arrived since the start, one line of JSON on the drain's standard output.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Connections opened.
    pub connected: usize,
    /// Text frames.
    pub frames: u64,
    /// Bytes read from the sockets.
    pub bytes: u64,
    /// Publications, over all connections, each once.
    pub delivered: u64,
    /// Publications on the connection that has the fewest.
    pub slowest: u64,
    /// Publications passed over and not arrived since.
    pub lost: u64,
    /// Publications that had arrived before.
    pub duplicates: u64,
    /// Publications that came after a later one.
    pub misordered: u64,
    /// Connections that the server ended, with the reasons of the first few.
    pub closed: usize,
    /// See `closed`.
    pub reasons: Vec<String>,
}

/// A running drain, seen from the coordinator.
pub struct Drain {
    process: Process,
    progress: Progress,
}

impl Drain {
    /// Starts the process and waits until all connections stand.
    pub fn start(order: &DrainOrder, on: &mut dyn FnMut(usize)) -> Outcome<Self> {
        let mut drain = Self { process: Process::role(ROLE, &[])?, progress: Progress::default() };
        drain.process.tell(&serde_json::to_string(order)?)?;
        let until = Instant::now() + Duration::from_secs(120);
        while drain.progress.connected < order.connections {
            drain.hear(Duration::from_millis(200))?;
            on(drain.progress.connected);
            if Instant::now() > until {
                return fail(format!("only {} of {} connected", drain.progress.connected, order.connections));
            }
        }
        Ok(drain)
    }

    /// The latest news; waits at most `patience` for the first.
    pub fn hear(&mut self, patience: Duration) -> Outcome<&Progress> {
        let mut wait = patience;
        while let Some(line) = self.process.line(wait)? {
            self.progress = serde_json::from_str(&line)?;
            wait = Duration::ZERO;
        }
        if self.progress.closed > 0 {
            let Progress { closed, reasons, .. } = &self.progress;
            return fail(format!("the server ended {closed} connections: {}", reasons.join("; ")));
        }
        Ok(&self.progress)
    }
}

struct Member {
    socket: TcpStream,
    reader: Reader,
    received: u64,
    next: u64,
}

struct Room {
    protocol: Protocol,
    members: Vec<Option<Member>>,
    progress: Progress,
    gaps: std::collections::HashSet<(u32, u64)>,
}

/// Runs the drain until its standard input ends.
pub fn run() -> Outcome<()> {
    process::end_with_parent()?;
    let mut order = String::new();
    std::io::stdin().lock().read_line(&mut order)?;
    let order: DrainOrder = serde_json::from_str(&order)?;
    process::allow_descriptors(order.connections as u64 + 64)?;

    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let stdin = std::io::stdin();
    epoll::add(&epoll, &stdin, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let (progress, gaps) = (Progress::default(), std::collections::HashSet::new());
    let mut room = Room { protocol: order.protocol, members: Vec::new(), progress, gaps };
    for number in 0..order.connections {
        let member = room.join(&order, number)?;
        epoll::add(&epoll, &member.socket, EventData::new_u64(number as u64), EventFlags::IN)?;
        room.members.push(Some(member));
        if room.members.len().is_multiple_of(50) || room.members.len() == order.connections {
            room.tell()?;
        }
    }

    let mut events = Vec::with_capacity(512);
    let mut buffer = vec![0; 128 * 1024];
    let (mut told, mut news) = (Instant::now(), false);
    loop {
        events.clear();
        // Asleep while nothing arrives, unless there is something left to tell.
        let wait = news.then_some(rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 });
        match epoll::wait(&epoll, spare_capacity(&mut events), wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            match event.data.u64() {
                u64::MAX => return Ok(()),
                member => room.read(member as usize, &mut buffer),
            }
            news = true;
        }
        if news && told.elapsed() >= TELL {
            room.tell()?;
            (told, news) = (Instant::now(), false);
        }
    }
}

impl Room {
    /// Opens the next connection. What arrived during its handshake is counted too.
    fn join(&mut self, order: &DrainOrder, number: usize) -> Outcome<Member> {
        let (socket, reader, early) = match order.protocol {
            Protocol::Raw => {
                let socket = TcpStream::connect(order.server)?;
                socket.set_nonblocking(true)?;
                (socket, Reader::default(), Default::default())
            }
            Protocol::Centrifuge => {
                let Some(token) = order.tokens.get(number % order.tokens.len().max(1)) else {
                    return fail("no connection tokens");
                };
                centrifuge::join(order.server, token, order.channel.as_deref())?.into_parts()
            }
        };
        socket.set_nodelay(true)?;
        let mut member = Member { socket, reader, received: 0, next: 0 };
        for message in early {
            self.progress.frames += 1;
            take(self.protocol, number as u32, &mut member, &message, &mut self.progress, &mut self.gaps);
        }
        self.progress.connected += 1;
        Ok(member)
    }

    fn read(&mut self, number: usize, buffer: &mut [u8]) {
        let Some(slot) = self.members.get_mut(number) else { return };
        let Some(mut member) = slot.take() else { return };
        let n = match member.socket.read(buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                *slot = Some(member);
                return;
            }
            Err(_) => 0,
        };
        let (protocol, progress, gaps) = (self.protocol, &mut self.progress, &mut self.gaps);
        progress.bytes += n as u64;
        let mut reader = std::mem::take(&mut member.reader);
        let mut ended = (n == 0).then(|| "without a close frame".to_owned());
        reader.feed(&buffer[..n], |frame| match frame.opcode {
            frames::TEXT => {
                progress.frames += 1;
                take(protocol, number as u32, &mut member, frame.payload, progress, gaps);
            }
            frames::PING => answer(&mut member.socket, frames::PONG, frame.payload),
            frames::CLOSE => ended = Some(close_reason(frame.payload)),
            _ => {}
        });
        member.reader = reader;
        match ended {
            None => *slot = Some(member),
            Some(why) => {
                progress.closed += 1;
                if progress.reasons.len() < 3 {
                    progress.reasons.push(why);
                }
            }
        }
    }

    fn tell(&mut self) -> Outcome<()> {
        self.progress.slowest =
            self.members.iter().flatten().map(|member| member.received).min().unwrap_or(0);
        self.progress.delivered = self.members.iter().flatten().map(|member| member.received).sum();
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&self.progress)?)?;
        Ok(out.flush()?)
    }
}

/// Counts what one text frame holds. The Centrifuge protocol may join several messages by newlines.
fn take(
    protocol: Protocol,
    number: u32,
    member: &mut Member,
    payload: &[u8],
    progress: &mut Progress,
    gaps: &mut std::collections::HashSet<(u32, u64)>,
) {
    if protocol == Protocol::Raw {
        member.received += 1;
        return;
    }
    if payload == b"{}" {
        return answer(&mut member.socket, frames::TEXT, b"{}");
    }
    for at in memchr::memmem::find_iter(payload, MARKER) {
        let digits = payload.get(at + MARKER.len()..at + MARKER.len() + 10);
        let Some(publication) = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse::<u64>().ok()) else {
            continue;
        };
        if publication >= member.next {
            let passed = member.next..publication;
            progress.lost += publication - member.next;
            gaps.extend(passed.take(GAPS_KEPT.saturating_sub(gaps.len())).map(|gap| (number, gap)));
            member.next = publication + 1;
        } else if gaps.remove(&(number, publication)) {
            progress.lost -= 1;
            progress.misordered += 1;
        } else {
            progress.duplicates += 1;
            continue;
        }
        member.received += 1;
    }
}

/// A few bytes to the server; a socket so full that they do not fit has other troubles.
fn answer(socket: &mut TcpStream, opcode: u8, payload: &[u8]) {
    let _ = socket.write(&frames::from_client(opcode, payload));
}
