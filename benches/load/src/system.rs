//! What the harness asks of a server that it measures, and the members and publishers that go with it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::kit::process::Process;
use crate::kit::usage::{CpuReading, resident_kib};
use crate::kit::websocket::WebSocket;
use crate::kit::{Outcome, fail};
use crate::marks;
use crate::members::{Order, Plan, Progress, Times};
use crate::speech::{Speech, Ticket, Way};

/// This program's first argument when it keeps members.
pub const MEMBERS: &str = "role:members";

/// A server under test.
pub trait System {
    /// As the results name it.
    fn name(&self) -> &'static str;

    /// Its version.
    fn version(&self) -> String;

    /// How it is spoken to.
    fn speech(&self) -> Speech;

    /// How one publishes in it; nothing where it cannot do that.
    fn way(&self, kept: bool) -> Option<Way>;

    /// Whether what was kept can be recovered after a kill.
    fn recovers(&self) -> bool {
        false
    }

    /// Whether tokens are checked.
    fn authenticates(&self) -> bool {
        true
    }

    /// What has to be there once: accounts, say. `sessions` is how many different sign-ins are wanted.
    fn prepare(&mut self, _sessions: usize, _on: &mut dyn FnMut(usize)) -> Outcome<()> {
        Ok(())
    }

    /// Starts the server, afresh after a stop, and waits until it serves.
    fn start(&mut self) -> Outcome<()>;

    /// The processes whose work is counted: the server's, and what it runs beside itself.
    fn processes(&self) -> Outcome<Processes>;

    /// Where clients connect.
    fn address(&self) -> Outcome<SocketAddr>;

    /// Makes rooms and answers the names of their channels.
    fn rooms(&mut self, count: usize, kept: bool) -> Outcome<Vec<String>>;

    /// Tokens of as many different sign-ins as there are, at most `count`.
    fn tokens(&self, count: usize) -> Outcome<Vec<String>>;

    /// Something that publishes. `frame` is how long a frame is for the system that the floor stands
    /// beside, and `room` how many members a room has; only the floor needs them.
    fn publisher(&mut self, way: Way, _frame: usize, _room: usize) -> Outcome<Box<dyn Publisher>> {
        let token = self.tokens(1)?.into_iter().next().unwrap_or_default();
        Ok(Box::new(SocketPublisher::new(self.speech(), way, self.address()?, &token)?))
    }

    /// Asks it to stop in order (SIGTERM) and does not wait.
    fn ask_to_stop(&mut self) -> Outcome<()>;

    /// Ends it at once (SIGKILL).
    fn kill(&mut self) -> Outcome<()>;

    /// Stops it and waits until it is gone.
    fn stop(&mut self);
}

/// Whose work is counted.
pub struct Processes {
    /// The server's.
    pub server: Vec<u32>,
    /// What it keeps rows or history in, reported apart.
    pub helpers: Vec<u32>,
}

/// The CPU time of a system at one moment.
pub struct Reading {
    server: CpuReading,
    helpers: CpuReading,
}

/// CPU time between two moments.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// The server's.
    pub server: Duration,
    /// Of what it keeps rows or history in.
    pub helpers: Duration,
}

impl Reading {
    /// Now.
    pub fn of(system: &dyn System) -> Outcome<Self> {
        let processes = system.processes()?;
        Ok(Self { server: CpuReading::of(&processes.server), helpers: CpuReading::of(&processes.helpers) })
    }

    /// From `self` until now.
    pub fn cost(&self, system: &dyn System) -> Outcome<Cost> {
        let now = Self::of(system)?;
        Ok(Cost { server: now.server.since(&self.server), helpers: now.helpers.since(&self.helpers) })
    }
}

/// Resident memory of the server's processes, in KiB.
pub fn resident(system: &dyn System) -> Outcome<u64> {
    Ok(system.processes()?.server.iter().filter_map(|pid| resident_kib(*pid)).sum())
}

/// A running members' process, seen from the coordinator.
pub struct Members {
    process: Process,
    progress: Progress,
    wanted: usize,
    /// Whether a connection that ends is a failure of the run.
    pub strict: bool,
}

impl Members {
    /// Starts the process and waits until all connections stand.
    pub fn open(plan: &Plan) -> Outcome<Self> {
        let mut members = Self {
            process: Process::role(MEMBERS, &[])?,
            progress: Progress::default(),
            wanted: plan.connections,
            strict: true,
        };
        members.order(&Order::Open(plan.clone()))?;
        members.wait_all(Duration::from_secs(180))?;
        Ok(members)
    }

    /// Tells it something.
    pub fn order(&mut self, order: &Order) -> Outcome<()> {
        self.process.tell(&serde_json::to_string(order)?)
    }

    /// Waits until all connections stand.
    pub fn wait_all(&mut self, patience: Duration) -> Outcome<()> {
        let until = Instant::now() + patience;
        while self.progress.connected < self.wanted {
            self.hear(Duration::from_millis(100))?;
            if Instant::now() > until {
                let Progress { connected, reasons, .. } = &self.progress;
                return fail(format!("only {connected} of {} stand: {}", self.wanted, reasons.join("; ")));
            }
        }
        Ok(())
    }

    /// The latest news; waits at most `patience` for the first.
    pub fn hear(&mut self, patience: Duration) -> Outcome<&Progress> {
        let mut wait = patience;
        while let Some(line) = self.process.line(wait)? {
            self.progress = serde_json::from_str(&line)?;
            wait = Duration::ZERO;
        }
        if self.strict && self.progress.closed > 0 {
            let Progress { closed, reasons, .. } = &self.progress;
            return fail(format!("the server ended {closed} connections: {}", reasons.join("; ")));
        }
        Ok(&self.progress)
    }

    /// What was measured since the last mark.
    pub fn times(&mut self) -> Outcome<Times> {
        self.order(&Order::Report)?;
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if let Some(line) = self.process.line(Duration::from_millis(500))? {
                self.progress = serde_json::from_str(&line)?;
                if let Some(times) = self.progress.report.take() {
                    return Ok(times);
                }
            }
        }
        fail("the members do not report")
    }
}

/// Publishes, many publications on the way at once.
pub trait Publisher {
    /// Sends a publication without waiting for its acknowledgement. `room` is the channel's number.
    fn publish(&mut self, room: usize, channel: &str, body: &str, due: u64) -> Outcome<()>;

    /// How many have been acknowledged in all; waits at most `patience` for news.
    fn acknowledged(&mut self, patience: Duration) -> Outcome<u64>;

    /// Microseconds from when a publication was due until it was acknowledged, since they were last taken.
    fn take_times(&mut self) -> Vec<u64> {
        Vec::new()
    }
}

const QUIET: &[u8] = b"\"verbose\":false";
const LOUD: &[u8] = b"\"verbose\":true ";

/// Publishes over a connection like any other.
pub struct SocketPublisher {
    socket: WebSocket,
    speech: Speech,
    way: Way,
    sent: u64,
    acknowledged: u64,
    due: HashMap<u64, u64>,
    times: Vec<u64>,
}

impl SocketPublisher {
    /// A connection of its own, in no channel.
    pub fn new(speech: Speech, way: Way, server: SocketAddr, token: &str) -> Outcome<Self> {
        let ticket = Ticket { token, channel: None, since: None };
        let Some(upgrade) = speech.upgrade(server, &ticket) else {
            return fail("no handshake to publish by");
        };
        let mut socket = WebSocket::open_with(server, &upgrade, Duration::from_secs(20))?;
        if let Some(hello) = speech.hello(&ticket) {
            socket.send_frame(&hello)?;
        }
        let until = Instant::now() + Duration::from_secs(20);
        let (mut ready, mut missing) = (speech.stands_at_upgrade(), 1);
        while !ready {
            let Some(message) = socket.receive(until.saturating_duration_since(Instant::now()))? else {
                return fail("no answer to connect in time");
            };
            match speech.greet(&message, &ticket, &mut missing) {
                crate::speech::Heard::Nothing => {}
                crate::speech::Heard::Answer(mut answer) => {
                    // A NATS publisher is to hear of each publication.
                    if let Some(at) = memchr::memmem::find(&answer, QUIET) {
                        answer[at..at + QUIET.len()].copy_from_slice(LOUD);
                    }
                    socket.send_frame(&answer)?;
                }
                crate::speech::Heard::Ready => ready = true,
                crate::speech::Heard::Refused(why) => return fail(why),
            }
        }
        let (due, times) = (HashMap::new(), Vec::new());
        Ok(Self { socket, speech, way, sent: 0, acknowledged: 0, due, times })
    }
}

impl Publisher for SocketPublisher {
    fn publish(&mut self, _room: usize, channel: &str, body: &str, due: u64) -> Outcome<()> {
        self.sent += 1;
        // 1 and 2 are the greeting's.
        let id = self.sent + 10;
        self.due.insert(id, due);
        self.socket.send_frame(&self.speech.publish(self.way, id, channel, body))
    }

    fn acknowledged(&mut self, patience: Duration) -> Outcome<u64> {
        let mut patience = patience;
        while let Some(message) = self.socket.receive(patience)? {
            patience = Duration::ZERO;
            if let Some(answer) = self.speech.alive(&message) {
                self.socket.send_frame(&answer)?;
            }
            let (now, before) = (marks::now(), self.acknowledged);
            let (acknowledged, due, times) = (&mut self.acknowledged, &mut self.due, &mut self.times);
            self.speech.acknowledged(&message, |id| {
                *acknowledged += 1;
                // Those that name none answer in order.
                let id = if id == 0 { *acknowledged + 10 } else { id };
                if let Some(due) = due.remove(&id) {
                    times.push(now.saturating_sub(due) / 1_000);
                }
            })?;
            // The greeting's own +OK of a NATS publisher.
            if self.speech == Speech::Nats && before == 0 {
                self.acknowledged = self.acknowledged.min(self.sent);
            }
        }
        Ok(self.acknowledged)
    }

    fn take_times(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.times)
    }
}
