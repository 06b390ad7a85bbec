//! The floor: what any server on this machine at least has to do for a fan-out. One thread, an epoll
//! set, and for each publication one `write` of the same bytes, framed once, to every member's socket.
//! No protocol, no queues, no merging of writes.
//!
//! Members connect to one listener, the publisher to another. The publisher sends the frame once (its
//! length as four bytes, little-endian, then the bytes) and then one byte a publication; each is
//! answered by one byte when all members' writes are done.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use serde::{Deserialize, Serialize};

use super::kit::process::Process;
use super::kit::{Outcome, fail, frames, process};
use super::system::{Audience, Connecting, Processes, Publisher, System};
use crate::drain::{Drain, DrainOrder, Protocol};

/// This program's first argument in this role.
pub const ROLE: &str = "role:floor-server";

const MEMBERS: u64 = u64::MAX;
const PUBLISHERS: u64 = u64::MAX - 1;
const PUBLISHER: u64 = u64::MAX - 2;

/// Where the server listens, its first line of output.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Ports {
    members: SocketAddr,
    publisher: SocketAddr,
}

/// A member's socket, and how many bytes it is still owed because it was full.
struct Member {
    socket: TcpStream,
    owed: usize,
}

struct Server {
    epoll: OwnedFd,
    members: Vec<Option<Member>>,
    free: Vec<usize>,
    waiting: usize,
    publisher: Option<TcpStream>,
    frame: Vec<u8>,
    ticks: u64,
}

/// Runs the server until the parent ends it.
pub fn serve() -> Outcome<()> {
    process::end_with_parent()?;
    let members = TcpListener::bind("127.0.0.1:0")?;
    let publishers = TcpListener::bind("127.0.0.1:0")?;
    let ports = Ports { members: members.local_addr()?, publisher: publishers.local_addr()? };
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (listener, key) in [(&members, MEMBERS), (&publishers, PUBLISHERS)] {
        listener.set_nonblocking(true)?;
        epoll::add(&epoll, listener, EventData::new_u64(key), EventFlags::IN)?;
    }
    println!("{}", serde_json::to_string(&ports)?);
    let (members_of, free, frame) = (Vec::new(), Vec::new(), Vec::new());
    let mut server =
        Server { epoll, members: members_of, free, waiting: 0, publisher: None, frame, ticks: 0 };
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(&server.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in &events {
            match event.data.u64() {
                MEMBERS => server.accept_members(&members)?,
                PUBLISHERS => server.accept_publisher(&publishers)?,
                PUBLISHER => server.read_ticks()?,
                member => server.member_ready(member as usize, event.flags)?,
            }
        }
        server.run_ticks()?;
    }
}

impl Server {
    fn accept_members(&mut self, listener: &TcpListener) -> Outcome<()> {
        while let Ok((socket, _)) = listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or_else(|| {
                self.members.push(None);
                self.members.len() - 1
            });
            epoll::add(&self.epoll, &socket, EventData::new_u64(at as u64), EventFlags::IN)?;
            self.members[at] = Some(Member { socket, owed: 0 });
        }
        Ok(())
    }

    /// A new publisher brings a new frame.
    fn accept_publisher(&mut self, listener: &TcpListener) -> Outcome<()> {
        while let Ok((mut socket, _)) = listener.accept() {
            socket.set_nonblocking(false)?;
            socket.set_nodelay(true)?;
            let mut len = [0; 4];
            socket.read_exact(&mut len)?;
            self.frame = vec![0; u32::from_le_bytes(len) as usize];
            socket.read_exact(&mut self.frame)?;
            socket.set_nonblocking(true)?;
            epoll::add(&self.epoll, &socket, EventData::new_u64(PUBLISHER), EventFlags::IN)?;
            (self.publisher, self.ticks) = (Some(socket), 0);
        }
        Ok(())
    }

    fn read_ticks(&mut self) -> Outcome<()> {
        let mut bytes = [0; 4096];
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        match publisher.read(&mut bytes) {
            Ok(0) => self.publisher = None,
            Ok(n) => self.ticks += n as u64,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.publisher = None,
        }
        Ok(())
    }

    /// Publishes what was asked for, unless a member is behind by more than the kernel holds.
    fn run_ticks(&mut self) -> Outcome<()> {
        while self.ticks > 0 && self.waiting == 0 {
            for at in 0..self.members.len() {
                self.publish_to(at)?;
            }
            self.ticks -= 1;
            if let Some(publisher) = &mut self.publisher {
                let _ = publisher.write(&[1]);
            }
        }
        Ok(())
    }

    fn publish_to(&mut self, at: usize) -> Outcome<()> {
        let Some(member) = &mut self.members[at] else { return Ok(()) };
        match member.socket.write(&self.frame) {
            Ok(n) if n == self.frame.len() => return Ok(()),
            Ok(n) => member.owed = self.frame.len() - n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => member.owed = self.frame.len(),
            Err(_) => return Ok(()), // it goes when its end is read
        }
        self.waiting += 1;
        let flags = EventFlags::IN | EventFlags::OUT;
        Ok(epoll::modify(&self.epoll, &member.socket, EventData::new_u64(at as u64), flags)?)
    }

    fn member_ready(&mut self, at: usize, flags: EventFlags) -> Outcome<()> {
        let Some(member) = self.members.get_mut(at).and_then(Option::as_mut) else { return Ok(()) };
        let mut over = false;
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            over = match member.socket.read(&mut [0; 512]) {
                Ok(n) => n == 0,
                Err(e) => e.kind() != ErrorKind::WouldBlock,
            };
        }
        if flags.contains(EventFlags::OUT) {
            match member.socket.write(&self.frame[self.frame.len() - member.owed..]) {
                Ok(n) => member.owed -= n,
                Err(e) => over |= e.kind() != ErrorKind::WouldBlock,
            }
            if member.owed == 0 {
                self.waiting -= 1;
                epoll::modify(&self.epoll, &member.socket, EventData::new_u64(at as u64), EventFlags::IN)?;
            }
        }
        if over {
            self.waiting -= usize::from(member.owed > 0);
            self.members[at] = None;
            self.free.push(at);
        }
        Ok(())
    }
}

/// The floor as a system under test.
pub struct Floor {
    name: &'static str,
    running: Option<(Process, Ports)>,
}

impl Floor {
    /// Not started yet. A second floor, under another name, shows how far two equal systems differ.
    pub fn new(name: &'static str) -> Self {
        Self { name, running: None }
    }

    fn ports(&self) -> Outcome<Ports> {
        match &self.running {
            Some((_, ports)) => Ok(*ports),
            None => fail("the floor is not started"),
        }
    }
}

impl System for Floor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn is_floor(&self) -> bool {
        true
    }

    fn start(&mut self) -> Outcome<()> {
        let mut server = Process::role(ROLE, &[])?;
        let Some(line) = server.line(Duration::from_secs(5))? else { return fail("the floor did not start") };
        self.running = Some((server, serde_json::from_str(&line)?));
        Ok(())
    }

    fn processes(&self) -> Outcome<Processes> {
        match &self.running {
            Some((server, _)) => Ok(Processes { server: server.id(), helpers: Vec::new() }),
            None => fail("the floor is not started"),
        }
    }

    fn audience(&mut self, members: usize, frame_bytes: usize) -> Outcome<Audience> {
        let drain = self.idle(members, &mut |_| {})?;
        // Two bytes of head below 126 bytes of payload, four up to 64 KiB.
        let payload = frame_bytes.saturating_sub(if frame_bytes < 128 { 2 } else { 4 });
        let frame = frames::from_server(frames::TEXT, &vec![b'x'; payload]);
        let mut socket = TcpStream::connect(self.ports()?.publisher)?;
        socket.set_nodelay(true)?;
        socket.write_all(&u32::try_from(frame.len())?.to_le_bytes())?;
        socket.write_all(&frame)?;
        Ok(Audience { drain, publisher: Box::new(FloorPublisher { socket, acknowledged: 0 }) })
    }

    fn idle(&mut self, connections: usize, on: Connecting<'_>) -> Outcome<Drain> {
        let order = DrainOrder {
            protocol: Protocol::Raw,
            server: self.ports()?.members,
            tokens: Vec::new(),
            channel: None,
            connections,
        };
        Drain::start(&order, on)
    }

    fn stop(&mut self) {
        self.running = None;
    }
}

struct FloorPublisher {
    socket: TcpStream,
    acknowledged: u64,
}

impl Publisher for FloorPublisher {
    fn publish(&mut self, _number: u64, _body: &str) -> Outcome<()> {
        self.socket.set_nonblocking(false)?;
        Ok(self.socket.write_all(&[1])?)
    }

    fn acknowledged(&mut self, patience: Duration) -> Outcome<u64> {
        let mut bytes = [0; 4096];
        self.socket.set_nonblocking(patience.is_zero())?;
        if !patience.is_zero() {
            self.socket.set_read_timeout(Some(patience))?;
        }
        match self.socket.read(&mut bytes) {
            Ok(0) => return fail("the floor ended"),
            Ok(n) => self.acknowledged += n as u64,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => return Err(e.into()),
        }
        Ok(self.acknowledged)
    }
}
