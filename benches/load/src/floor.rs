//! The floor: what any server on this machine at least has to do for a fan-out. One thread, an epoll
//! set, and for each publication one `write` of the same bytes, framed once, to every member's socket.
//! No protocol, no queues, no merging of writes.
//!
//! Members connect to one listener, the publisher to another. The publisher sends the frame's length and how
//! many members a room has (four bytes each, little-endian), the frame, and then a room's number (four bytes)
//! for each publication, which is answered by one byte when all its members' writes are done. Members are
//! of a room in the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use serde::{Deserialize, Serialize};

use crate::kit::process::Process;
use crate::kit::{Outcome, fail, frames, process};
use crate::speech::{Speech, Way};
use crate::system::{Processes, Publisher, System};

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
    /// The least free place is given next, so that rooms stay whole.
    free: BinaryHeap<Reverse<usize>>,
    waiting: usize,
    publisher: Option<TcpStream>,
    frame: Vec<u8>,
    room: usize,
    asked: Vec<u8>,
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
    let mut server = Server {
        epoll,
        members: Vec::new(),
        free: BinaryHeap::new(),
        waiting: 0,
        publisher: None,
        frame: Vec::new(),
        room: 1,
        asked: Vec::new(),
    };
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
            let at = self.free.pop().map(|Reverse(at)| at).unwrap_or_else(|| {
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
            let mut word = [0; 4];
            socket.read_exact(&mut word)?;
            self.frame = vec![0; u32::from_le_bytes(word) as usize];
            socket.read_exact(&mut word)?;
            self.room = (u32::from_le_bytes(word) as usize).max(1);
            socket.read_exact(&mut self.frame)?;
            socket.set_nonblocking(true)?;
            epoll::add(&self.epoll, &socket, EventData::new_u64(PUBLISHER), EventFlags::IN)?;
            self.publisher = Some(socket);
            self.asked.clear();
        }
        Ok(())
    }

    fn read_ticks(&mut self) -> Outcome<()> {
        let mut bytes = [0; 4096];
        let Some(publisher) = &mut self.publisher else { return Ok(()) };
        match publisher.read(&mut bytes) {
            Ok(0) => self.publisher = None,
            Ok(n) => self.asked.extend_from_slice(&bytes[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.publisher = None,
        }
        Ok(())
    }

    /// Publishes what was asked for, unless a member is behind by more than the kernel holds.
    fn run_ticks(&mut self) -> Outcome<()> {
        let mut done = 0;
        while let Some([a, b, c, d]) = self.asked.get(done..done + 4)
            && self.waiting == 0
        {
            let first = u32::from_le_bytes([*a, *b, *c, *d]) as usize * self.room;
            for at in first..(first + self.room).min(self.members.len()) {
                self.publish_to(at)?;
            }
            done += 4;
            if let Some(publisher) = &mut self.publisher {
                let _ = publisher.write(&[1]);
            }
        }
        self.asked.drain(..done);
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
            self.free.push(Reverse(at));
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

    fn speech(&self) -> Speech {
        Speech::Raw
    }

    fn way(&self, _kept: bool) -> Option<Way> {
        Some(Way::Publish)
    }

    fn authenticates(&self) -> bool {
        false
    }

    fn start(&mut self) -> Outcome<()> {
        let mut server = Process::role(ROLE, &[])?;
        let Some(line) = server.line(Duration::from_secs(5))? else { return fail("the floor did not start") };
        self.running = Some((server, serde_json::from_str(&line)?));
        Ok(())
    }

    fn processes(&self) -> Outcome<Processes> {
        match &self.running {
            Some((server, _)) => Ok(Processes { server: vec![server.id()], helpers: Vec::new() }),
            None => fail("the floor is not started"),
        }
    }

    fn address(&self) -> Outcome<SocketAddr> {
        Ok(self.ports()?.members)
    }

    fn rooms(&mut self, count: usize, _kept: bool) -> Outcome<Vec<String>> {
        Ok((0..count).map(|n| n.to_string()).collect())
    }

    fn tokens(&self, _count: usize) -> Outcome<Vec<String>> {
        Ok(Vec::new())
    }

    fn publisher(&mut self, _way: Way, frame: usize, room: usize) -> Outcome<Box<dyn Publisher>> {
        // Two bytes of head below 126 bytes of payload, four up to 64 KiB.
        let payload = frame.saturating_sub(if frame < 128 { 2 } else { 4 });
        let frame = frames::from_server(frames::TEXT, &vec![b'x'; payload]);
        let mut socket = TcpStream::connect(self.ports()?.publisher)?;
        socket.set_nodelay(true)?;
        socket.write_all(&u32::try_from(frame.len())?.to_le_bytes())?;
        socket.write_all(&u32::try_from(room)?.to_le_bytes())?;
        socket.write_all(&frame)?;
        Ok(Box::new(FloorPublisher { socket, acknowledged: 0 }))
    }

    fn ask_to_stop(&mut self) -> Outcome<()> {
        self.running = None;
        Ok(())
    }

    fn kill(&mut self) -> Outcome<()> {
        self.running = None;
        Ok(())
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
    fn publish(&mut self, room: usize, _channel: &str, _body: &str, _due: u64) -> Outcome<()> {
        self.socket.set_nonblocking(false)?;
        Ok(self.socket.write_all(&u32::try_from(room)?.to_le_bytes())?)
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
