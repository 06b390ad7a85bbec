//! Where a connection's bytes come from, and how the HTTP server lets go of its socket.

use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    rt::net::TcpStream,
    web,
};
use bytes::Bytes;
use futures_util::StreamExt;

use crate::realtime::{
    raw::{self, RawLine},
    socket::Socket,
};

/// The bytes that a connection receives.
pub(super) enum Source {
    /// As the HTTP server hands them on, to the end.
    Http(web::Payload),
    /// What the HTTP server has read already; then the socket itself.
    Parting {
        /// The former.
        early: web::Payload,
        /// The latter.
        socket: Socket,
        /// What is to write to it.
        line: RawLine,
    },
    /// The socket itself.
    Raw(Rc<TcpStream>),
    /// Nothing more.
    Ended,
}

impl Source {
    /// The next bytes; `None` at the end. A call that is dropped loses nothing.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self {
                Self::Http(payload) => return payload.next().await?.ok(),
                Self::Parting { early, socket, line } => {
                    if let Some(Ok(chunk)) = early.next().await {
                        return Some(chunk);
                    }
                    match socket.take_over() {
                        Some(raw) => {
                            line.attach(raw.clone());
                            *self = Self::Raw(raw);
                        }
                        None => {
                            line.drop_socket();
                            *self = Self::Ended;
                        }
                    }
                }
                Self::Raw(socket) => match raw::read(socket).await {
                    Some(bytes) => return Some(bytes),
                    None => *self = Self::Ended,
                },
                Self::Ended => return None,
            }
        }
    }
}

/// The body of an upgrade's answer, by which the HTTP server lets the socket go: once the head is out the
/// body fails, the server drops its end of the connection without a word on the wire, and the duplicate
/// of the descriptor carries on.
pub(super) struct Parting {
    polled: bool,
    gone: Option<Box<dyn FnOnce()>>,
}

impl Parting {
    /// `gone` runs if the connection is lost before.
    pub(super) fn new(gone: impl FnOnce() + 'static) -> Self {
        Self { polled: false, gone: Some(Box::new(gone)) }
    }
}

/// The HTTP server's part is over; no failure.
#[derive(Debug)]
pub(super) struct LetGo;

impl fmt::Display for LetGo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the socket was let go")
    }
}

impl std::error::Error for LetGo {}

impl MessageBody for Parting {
    type Error = LetGo;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, LetGo>>> {
        if self.polled {
            self.gone = None;
            return Poll::Ready(Some(Err(LetGo)));
        }
        // The server writes the head out after this call, and polls again after that.
        self.polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            gone();
        }
    }
}
