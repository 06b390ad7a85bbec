//! The socket under a connection, reached beside the HTTP server.
//!
//! actix-web owns the stream until it has answered the upgrade. A duplicate of its descriptor, made when
//! it is accepted, then carries the connection, and is what a close for slowness shuts down.

use std::{
    any::Any,
    cell::RefCell,
    net,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use rustix::net::{Shutdown, sockopt};

/// What the kernel may buffer for a WebSocket connection that does not read. Small, so that our own
/// bounded queue sees a slow client early; Linux doubles it for its bookkeeping.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A handle on a connection's socket, of the connection's own thread. Cheap to clone; without one (a test's,
/// or a transport that is no TCP socket) every call does nothing.
#[derive(Clone, Default)]
pub struct Socket(Option<Rc<RefCell<Held>>>);

enum Held {
    /// The HTTP server reads and writes; this is a duplicate of its descriptor.
    Beside(OwnedFd),
    /// The HTTP server has let go.
    Ours(Rc<TcpStream>),
    Gone,
}

impl Held {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Beside(fd) => Some(fd.as_fd()),
            Self::Ours(stream) => Some(stream.as_fd()),
            Self::Gone => None,
        }
    }
}

impl Socket {
    /// Whether there is one.
    pub(super) const fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// The stream, when the HTTP server has let go of its own. `None` where there is none, or where the
    /// runtime refuses it, which ends the connection.
    pub(super) fn take_over(&self) -> Option<Rc<TcpStream>> {
        let mut held = self.0.as_ref()?.borrow_mut();
        match std::mem::replace(&mut *held, Held::Gone) {
            Held::Beside(fd) => {
                // It does not block: that is a property of the socket, which both descriptors share.
                let stream = Rc::new(TcpStream::from_std(net::TcpStream::from(fd)).ok()?);
                *held = Held::Ours(stream.clone());
                Some(stream)
            }
            other => {
                *held = other;
                None
            }
        }
    }

    /// Bounds the kernel's send buffer.
    pub fn bound_send_buffer(&self) {
        // Refused only for a dead socket, which the next read reports.
        self.with(|fd| sockopt::set_socket_send_buffer_size(fd, SEND_BUFFER_BYTES));
    }

    /// Says that nothing more will be sent, so that the peer sees the end.
    pub fn finish(&self) {
        self.with(|fd| rustix::net::shutdown(fd, Shutdown::Write));
    }

    /// Ends both directions now, whatever still waits.
    pub fn abort(&self) {
        // It may be gone already, which is what was wanted.
        self.with(|fd| rustix::net::shutdown(fd, Shutdown::Both));
    }

    fn with(&self, act: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<()>) {
        if let Some(held) = &self.0
            && let Some(fd) = held.borrow().fd()
        {
            let _ = act(fd);
        }
    }
}

/// For `HttpServer::on_connect`: keeps a duplicate of the descriptor for a later upgrade, and sends
/// small frames at once.
pub fn on_connect(connection: &dyn Any, data: &mut Extensions) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    // Nagle's algorithm would hold a small frame back until the last one is acknowledged.
    let _ = stream.set_nodelay(true);
    if let Ok(fd) = stream.as_fd().try_clone_to_owned() {
        data.insert(Socket(Some(Rc::new(RefCell::new(Held::Beside(fd))))));
    }
}
