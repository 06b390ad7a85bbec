//! The members: a process that keeps N connections and checks what arrives on them, so that reading is
//! never charged to the server nor to the publisher. One thread, one epoll set.
//!
//! It takes orders, a line of JSON each, on its standard input, and tells [`Progress`] on its output.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use serde::{Deserialize, Serialize};

use crate::kit::frames::{self, Reader};
use crate::kit::websocket::close_reason;
use crate::kit::{Outcome, fail, process};
use crate::ledger::{Ledger, Tally};
use crate::marks;
use crate::speech::{Heard, Speech, Ticket};

/// How often news is told at most.
const TELL: Duration = Duration::from_millis(10);

/// What a members' process is told.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Open all connections. The first order.
    Open(Plan),
    /// Forget the times measured so far.
    Mark,
    /// Tell the times measured since the last mark.
    Report,
    /// Close all connections and keep their positions.
    Drop,
    /// Connect those that are closed again, from where they were.
    Reopen(SocketAddr),
    /// From now on connections that the server ends come back by themselves, after a moment.
    ComeBack(bool),
    /// Read the stalled ones again.
    ReadAll,
}

/// Connections to be opened.
#[derive(Clone, Serialize, Deserialize)]
pub struct Plan {
    /// How to speak.
    pub speech: Speech,
    /// Where.
    pub server: SocketAddr,
    /// Connection tokens, used in turn.
    pub tokens: Vec<String>,
    /// What connections subscribe to: the first `connections / channels` the first, and so on.
    pub channels: Vec<String>,
    /// How many.
    pub connections: usize,
    /// Handshakes under way at once.
    pub window: usize,
    /// The first so many of each channel's never read once they stand.
    pub stalled: usize,
}

/// What has happened since the start.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Connections that stand.
    pub connected: usize,
    /// Text and binary frames.
    pub frames: u64,
    /// Bytes read from the sockets.
    pub bytes: u64,
    /// What was checked.
    #[serde(flatten)]
    pub tally: Tally,
    /// Connections that the server ended, with the reasons of the first few.
    pub closed: usize,
    /// Of those, by 3008 (slow).
    pub closed_slow: usize,
    /// See `closed`.
    pub reasons: Vec<String>,
    /// The answer to [`Order::Report`].
    pub report: Option<Times>,
}

/// Times in microseconds, sorted.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Times {
    /// From when a publication was due until the last member of its room had it.
    pub last_member: Vec<u64>,
    /// From the first byte sent to a connection that stands.
    pub connects: Vec<u64>,
    /// When each connection stood, since the mark.
    pub stood: Vec<u64>,
    /// From a connection's end to its being back.
    pub gaps: Vec<u64>,
}

enum State {
    Closed,
    Upgrading(Vec<u8>),
    Greeting(usize),
    Open,
}

struct Member {
    socket: Option<TcpStream>,
    reader: Reader,
    state: State,
    since: Instant,
    ended: Option<Instant>,
    /// The last offset and the epoch, where the protocol has them.
    offset: u64,
    epoch: String,
    /// What may be the beginning of a mark (NATS alone splits messages over frames).
    tail: Vec<u8>,
}

struct Room {
    plan: Plan,
    epoll: OwnedFd,
    members: Vec<Member>,
    ledger: Ledger,
    progress: Progress,
    times: Times,
    mark: Instant,
    /// Next to be opened, while a storm is under way.
    queue: std::collections::VecDeque<usize>,
    under_way: usize,
    come_back: bool,
    retries: BinaryHeap<Reverse<(Instant, usize)>>,
    silent: Vec<usize>,
}

/// Runs until the standard input ends.
pub fn run() -> Outcome<()> {
    process::end_with_parent()?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let stdin = std::io::stdin();
    epoll::add(&epoll, &stdin, EventData::new_u64(u64::MAX), EventFlags::IN)?;
    let mut lines = Vec::new();
    let mut room: Option<Room> = None;
    let mut epoll = Some(epoll);
    let mut events = Vec::with_capacity(512);
    let mut buffer = vec![0; 128 * 1024];
    let (mut told, mut news) = (Instant::now(), false);
    loop {
        events.clear();
        let waits = room.as_ref().is_some_and(|room| !room.retries.is_empty());
        let wait = (news || waits).then_some(rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 });
        let set = room.as_ref().map(|room| &room.epoll).or(epoll.as_ref());
        let Some(set) = set else { return fail("no epoll set") };
        match epoll::wait(set, spare_capacity(&mut events), wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut asked = false;
        for event in &events {
            match event.data.u64() {
                u64::MAX => {
                    match rustix::io::read(&stdin, &mut buffer)? {
                        0 => return Ok(()),
                        n => lines.extend_from_slice(&buffer[..n]),
                    }
                    while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                        let order: Order = serde_json::from_slice(&lines[..end])?;
                        lines.drain(..=end);
                        asked |= matches!(order, Order::Report);
                        match (order, &mut room) {
                            (Order::Open(plan), None) => {
                                let Some(epoll) = epoll.take() else { return fail("no epoll set") };
                                room = Some(Room::open(plan, epoll)?);
                            }
                            (order, Some(room)) => room.obey(order)?,
                            _ => return fail("the first order is to open"),
                        }
                    }
                }
                member => {
                    if let Some(room) = &mut room {
                        room.ready(member as usize, &mut buffer)?;
                    }
                }
            }
            news = true;
        }
        let Some(room) = &mut room else { continue };
        room.go_on()?;
        if asked || (news && told.elapsed() >= TELL) {
            room.tell(asked)?;
            (told, news) = (Instant::now(), false);
        }
    }
}

impl Room {
    fn open(plan: Plan, epoll: OwnedFd) -> Outcome<Self> {
        process::allow_descriptors(plan.connections as u64 + 64)?;
        let member = || Member {
            socket: None,
            reader: Reader::default(),
            state: State::Closed,
            since: Instant::now(),
            ended: None,
            offset: 0,
            epoch: String::new(),
            tail: Vec::new(),
        };
        let rooms = plan.channels.len().max(1);
        let size = plan.connections.div_ceil(rooms);
        let mut room = Self {
            members: (0..plan.connections).map(|_| member()).collect(),
            ledger: Ledger::new(plan.connections, size, plan.stalled),
            queue: (0..plan.connections).collect(),
            plan,
            epoll,
            progress: Progress::default(),
            times: Times::default(),
            mark: Instant::now(),
            under_way: 0,
            come_back: false,
            retries: BinaryHeap::new(),
            silent: Vec::new(),
        };
        room.go_on()?;
        Ok(room)
    }

    fn obey(&mut self, order: Order) -> Outcome<()> {
        match order {
            Order::Open(_) => return fail("opened already"),
            Order::Mark => {
                (self.times, self.mark) = (Times::default(), Instant::now());
            }
            Order::Report => {}
            Order::Drop => {
                for number in 0..self.members.len() {
                    self.end(number);
                }
            }
            Order::Reopen(server) => {
                self.plan.server = server;
                let closed = |member: &Member| matches!(member.state, State::Closed);
                self.queue = (0..self.members.len()).filter(|n| closed(&self.members[*n])).collect();
                self.retries.clear();
            }
            Order::ComeBack(yes) => self.come_back = yes,
            Order::ReadAll => {
                for number in std::mem::take(&mut self.silent) {
                    if let Some(socket) = &self.members[number].socket {
                        // A window as small as it was opens again only by the sender's slow probes.
                        let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, 1 << 20);
                        let data = EventData::new_u64(number as u64);
                        epoll::add(&self.epoll, socket, data, EventFlags::IN)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens what is due, as many at once as the plan allows.
    fn go_on(&mut self) -> Outcome<()> {
        let now = Instant::now();
        while let Some(Reverse((due, number))) = self.retries.peek().copied() {
            if due > now {
                break;
            }
            self.retries.pop();
            self.queue.push_back(number);
        }
        while self.under_way < self.plan.window.max(1) {
            let Some(number) = self.queue.pop_front() else { return Ok(()) };
            self.connect(number)?;
        }
        Ok(())
    }

    fn connect(&mut self, number: usize) -> Outcome<()> {
        let since = Instant::now();
        self.under_way += 1;
        let connected = TcpStream::connect(self.plan.server);
        let mut socket = match connected {
            Ok(socket) => socket,
            Err(_) if self.come_back => {
                self.under_way -= 1;
                self.try_again(number);
                return Ok(());
            }
            Err(e) => return Err(e.into()),
        };
        socket.set_nodelay(true)?;
        if self.ledger.is_stalled(number) {
            // So that the kernel does not hide for megabytes that nobody reads.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 16 * 1024);
        }
        let upgrade = {
            let member = &self.members[number];
            let ticket = ticket(&self.plan, self.ledger.room_of(number), number, member);
            self.plan.speech.upgrade(self.plan.server, &ticket)
        };
        if let Some(upgrade) = &upgrade {
            socket.write_all(upgrade.as_bytes())?;
        }
        socket.set_nonblocking(true)?;
        epoll::add(&self.epoll, &socket, EventData::new_u64(number as u64), EventFlags::IN)?;
        let member = &mut self.members[number];
        member.socket = Some(socket);
        member.reader = Reader::default();
        member.tail.clear();
        member.since = since;
        member.state = State::Upgrading(Vec::new());
        if upgrade.is_none() {
            self.stands(number)?;
        }
        Ok(())
    }

    fn stands(&mut self, number: usize) -> Outcome<()> {
        self.under_way -= 1;
        self.progress.connected += 1;
        let member = &mut self.members[number];
        member.state = State::Open;
        let micros = |since: Instant| since.elapsed().as_micros() as u64;
        self.times.connects.push(micros(member.since));
        self.times.stood.push(micros(self.mark));
        if let Some(ended) = member.ended.take() {
            self.times.gaps.push(micros(ended));
        }
        if self.ledger.is_stalled(number)
            && let Some(socket) = &member.socket
        {
            epoll::delete(&self.epoll, socket)?;
            self.silent.push(number);
        }
        Ok(())
    }

    fn ready(&mut self, number: usize, buffer: &mut [u8]) -> Outcome<()> {
        let Some(member) = self.members.get_mut(number) else { return Ok(()) };
        let Some(socket) = &mut member.socket else { return Ok(()) };
        let n = match socket.read(buffer) {
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => 0,
        };
        if n == 0 {
            return self.lost(number, "without a close frame".to_owned());
        }
        self.progress.bytes += n as u64;
        let bytes = &buffer[..n];
        if let State::Upgrading(head) = &mut member.state {
            head.extend_from_slice(bytes);
            let Some(end) = memchr::memmem::find(head, b"\r\n\r\n") else { return Ok(()) };
            if !head.starts_with(b"HTTP/1.1 101") {
                let line = String::from_utf8_lossy(head).lines().next().unwrap_or_default().to_owned();
                return self.lost(number, format!("upgrade refused: {line}"));
            }
            let rest = head.split_off(end + 4);
            let ticket = ticket(&self.plan, self.ledger.room_of(number), number, &self.members[number]);
            let hello = self.plan.speech.hello(&ticket);
            let missing = if ticket.channel.is_some() { 2 } else { 1 };
            self.members[number].state = State::Greeting(missing);
            if let Some(hello) = hello {
                self.send(number, &hello);
            } else if self.plan.speech.stands_at_upgrade() {
                self.stands(number)?;
            }
            return self.take(number, &rest);
        }
        let bytes = bytes.to_vec();
        self.take(number, &bytes)
    }

    /// Takes what came on a connection that is upgraded.
    fn take(&mut self, number: usize, bytes: &[u8]) -> Outcome<()> {
        let now = marks::now();
        let mut reader = std::mem::take(&mut self.members[number].reader);
        let mut ended = None;
        let (speech, raw) = (self.plan.speech, self.plan.speech == Speech::Raw);
        reader.feed(bytes, |frame| match frame.opcode {
            frames::TEXT | frames::BINARY | 0 => {
                self.progress.frames += 1;
                if raw {
                    return self.ledger.count(number);
                }
                if let State::Greeting(mut missing) = self.members[number].state {
                    let ticket =
                        ticket(&self.plan, self.ledger.room_of(number), number, &self.members[number]);
                    let heard = speech.greet(frame.payload, &ticket, &mut missing);
                    self.members[number].state = State::Greeting(missing);
                    match heard {
                        Heard::Nothing => {}
                        Heard::Answer(answer) => return self.send(number, &answer),
                        Heard::Ready => {
                            if let Err(error) = self.stands(number) {
                                ended = Some(error.to_string());
                            }
                        }
                        Heard::Refused(why) => ended = Some(why),
                    }
                }
                if let Some(answer) = speech.alive(frame.payload) {
                    self.send(number, &answer);
                }
                self.publications(number, frame.payload, now);
            }
            frames::PING => {
                let pong = frames::from_client(frames::PONG, frame.payload);
                self.send(number, &pong);
            }
            frames::CLOSE => ended = Some(close_reason(frame.payload)),
            _ => {}
        });
        match ended {
            None => self.members[number].reader = reader,
            Some(why) => self.lost(number, why)?,
        }
        Ok(())
    }

    fn publications(&mut self, number: usize, payload: &[u8], now: u64) {
        let member = &mut self.members[number];
        let (ledger, times) = (&mut self.ledger, &mut self.times.last_member);
        let mut on = |publication, due| ledger.arrived(number, publication, due, now, times);
        match self.plan.speech {
            Speech::Nats => {
                member.tail.extend_from_slice(payload);
                let end = marks::each(&member.tail, on);
                let keep = end.max(member.tail.len().saturating_sub(marks::LENGTH - 1));
                member.tail.drain(..keep);
            }
            Speech::Centrifuge => {
                marks::each(payload, &mut on);
                if let Some(at) = memchr::memmem::rfind(payload, b"\"offset\":") {
                    let digits = payload[at + 9..].iter().take_while(|byte| byte.is_ascii_digit());
                    member.offset = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
                }
                if let Some(at) = memchr::memmem::rfind(payload, b"\"epoch\":\"") {
                    let text = payload[at + 9..].split(|byte| *byte == b'"').next().unwrap_or_default();
                    member.epoch = String::from_utf8_lossy(text).into_owned();
                }
            }
            _ => drop(marks::each(payload, on)),
        }
    }

    /// A few bytes to the server; a socket so full that they do not fit has other troubles.
    fn send(&mut self, number: usize, bytes: &[u8]) {
        if let Some(socket) = &mut self.members[number].socket {
            let _ = socket.write(bytes);
        }
    }

    /// The server ended a connection.
    fn lost(&mut self, number: usize, why: String) -> Outcome<()> {
        self.progress.closed += 1;
        self.progress.closed_slow += usize::from(why.starts_with("3008"));
        if self.progress.reasons.len() < 3 {
            self.progress.reasons.push(why);
        }
        self.end(number);
        if self.come_back {
            self.try_again(number);
        }
        Ok(())
    }

    fn end(&mut self, number: usize) {
        let member = &mut self.members[number];
        match member.state {
            State::Closed => return,
            State::Open => self.progress.connected -= 1,
            _ => self.under_way -= 1,
        }
        member.state = State::Closed;
        member.socket = None;
        member.ended.get_or_insert_with(Instant::now);
    }

    /// As the SDKs do it: after half a second to a second, each in its own time.
    fn try_again(&mut self, number: usize) {
        let spread = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 55;
        self.retries.push(Reverse((Instant::now() + Duration::from_millis(500 + spread), number)));
    }

    fn tell(&mut self, with_report: bool) -> Outcome<()> {
        self.progress.tally = self.ledger.tally();
        self.progress.report = with_report.then(|| {
            let mut times = self.times.clone();
            for list in [&mut times.last_member, &mut times.connects, &mut times.stood, &mut times.gaps] {
                list.sort_unstable();
            }
            times
        });
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(&self.progress)?)?;
        Ok(out.flush()?)
    }
}

fn ticket<'a>(plan: &'a Plan, room: usize, number: usize, member: &'a Member) -> Ticket<'a> {
    let token = plan.tokens.get(number % plan.tokens.len().max(1)).map_or("", String::as_str);
    let since = (!member.epoch.is_empty()).then_some((member.offset, member.epoch.as_str()));
    Ticket { token, channel: plan.channels.get(room).map(String::as_str), since }
}
