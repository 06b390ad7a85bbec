//! A small WebSocket client over one non-blocking socket.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frames::{self, Reader};
use super::{Outcome, fail};

/// One open connection.
pub struct WebSocket {
    stream: TcpStream,
    reader: Reader,
    inbox: VecDeque<Vec<u8>>,
}

impl WebSocket {
    /// Connects and upgrades; waits at most `deadline` for the answer.
    pub fn open(addr: SocketAddr, path: &str, deadline: Duration) -> Outcome<Self> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        Self::open_with(addr, &request, deadline)
    }

    /// [`open`](Self::open) by this request.
    pub fn open_with(addr: SocketAddr, request: &str, deadline: Duration) -> Outcome<Self> {
        let mut stream = TcpStream::connect_timeout(&addr, deadline)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(deadline))?;
        stream.write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let body = loop {
            if let Some(end) = memchr::memmem::find(&head, b"\r\n\r\n") {
                break end + 4;
            }
            let mut some = [0; 1024];
            match stream.read(&mut some)? {
                0 => return fail("the server closed during the upgrade"),
                n => head.extend_from_slice(&some[..n]),
            }
        };
        if !head.starts_with(b"HTTP/1.1 101") {
            let line = String::from_utf8_lossy(&head[..body]);
            return fail(format!("upgrade refused: {}", line.lines().next().unwrap_or_default()));
        }
        stream.set_nonblocking(true)?;
        let mut socket = Self { stream, reader: Reader::default(), inbox: VecDeque::new() };
        socket.take_in(&head[body..])?;
        Ok(socket)
    }

    /// Sends one text frame whole, waiting while the socket is full.
    pub fn send(&mut self, text: &str) -> Outcome<()> {
        self.write_all(&frames::from_client(frames::TEXT, text.as_bytes()))
    }

    /// Sends a frame that is made already.
    pub fn send_frame(&mut self, frame: &[u8]) -> Outcome<()> {
        self.write_all(frame)
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> Outcome<()> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    // The peer may itself wait for us to read.
                    wait(&self.stream, PollFlags::OUT | PollFlags::IN, Duration::from_secs(5))?;
                    self.read_ready()?;
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// The next text message, or none when `patience` is over.
    pub fn receive(&mut self, patience: Duration) -> Outcome<Option<Vec<u8>>> {
        let until = Instant::now() + patience;
        loop {
            if let Some(message) = self.inbox.pop_front() {
                return Ok(Some(message));
            }
            self.read_ready()?;
            if !self.inbox.is_empty() {
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            wait(&self.stream, PollFlags::IN, left)?;
        }
    }

    /// The raw parts, for a loop of one's own: the socket, its reader, and messages already here.
    pub fn into_parts(self) -> (TcpStream, Reader, VecDeque<Vec<u8>>) {
        (self.stream, self.reader, self.inbox)
    }

    fn read_ready(&mut self) -> Outcome<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return fail("the server closed the connection"),
                Ok(n) => self.take_in(&buffer[..n])?,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn take_in(&mut self, bytes: &[u8]) -> Outcome<()> {
        let (mut pongs, mut closed) = (Vec::new(), None);
        self.reader.feed(bytes, |frame| match frame.opcode {
            frames::TEXT | frames::BINARY => self.inbox.push_back(frame.payload.to_vec()),
            frames::PING => pongs.push(frames::from_client(frames::PONG, frame.payload)),
            frames::CLOSE => closed = Some(close_reason(frame.payload)),
            _ => {}
        });
        for pong in pongs {
            self.write_all(&pong)?;
        }
        match closed {
            Some(why) => fail(format!("the server closed the connection: {why}")),
            None => Ok(()),
        }
    }
}

/// A close frame's code and reason, to be read.
pub fn close_reason(payload: &[u8]) -> String {
    match payload {
        [a, b, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*a, *b]), String::from_utf8_lossy(reason))
        }
        _ => "without a code".to_owned(),
    }
}

fn wait(stream: &TcpStream, flags: PollFlags, patience: Duration) -> Outcome<()> {
    let timeout = Timespec::try_from(patience).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    poll(&mut [PollFd::new(stream, flags)], Some(&timeout))?;
    Ok(())
}
