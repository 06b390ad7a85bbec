//! The socket under a connection, reached beside the HTTP server.
//!
//! actix-web owns the stream; what a close for slowness needs (shutting down a socket that takes no
//! more bytes) goes through a duplicate of its descriptor, taken when it is accepted.

use std::{
    any::Any,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use actix_web::{dev::Extensions, rt::net::TcpStream};
use rustix::net::{Shutdown, sockopt};

/// What the kernel may buffer for a WebSocket connection that does not read. Small, so that our own
/// bounded queue sees a slow client early; Linux doubles it for its bookkeeping.
const SEND_BUFFER_BYTES: usize = 128 * 1024;

/// A handle on a connection's socket. Cheap to clone; without one (a test's, or a transport that is
/// no TCP socket) every call does nothing.
#[derive(Clone, Default)]
pub struct Socket(Option<Arc<OwnedFd>>);

impl Socket {
    /// Bounds the kernel's send buffer.
    pub fn bound_send_buffer(&self) {
        if let Some(fd) = &self.0 {
            // Refused only for a dead socket, which the next read reports.
            let _ = sockopt::set_socket_send_buffer_size(fd, SEND_BUFFER_BYTES);
        }
    }

    /// Says that nothing more will be sent, so that the peer sees the end.
    pub fn finish(&self) {
        self.shutdown(Shutdown::Write);
    }

    /// Ends both directions now, whatever still waits.
    pub fn abort(&self) {
        self.shutdown(Shutdown::Both);
    }

    fn shutdown(&self, how: Shutdown) {
        if let Some(fd) = &self.0 {
            // It may be gone already, which is what was wanted.
            let _ = rustix::net::shutdown(fd, how);
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
        data.insert(Socket(Some(Arc::new(fd))));
    }
}
