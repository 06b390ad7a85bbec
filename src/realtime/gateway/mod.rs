//! The HTTP side of `/connection/websocket`: who may upgrade, and the upgrade.

mod origin;
mod reader;
mod source;

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, body::MessageBody as _, http::header, web};
use actix_web_actors::ws;

use self::source::{Parting, Source};
use super::{
    core::Realtime,
    lanes::ConnHandle,
    outbound::Outbound,
    protocol::format::Format,
    queue::Queue,
    raw::RawLine,
    shard::{ConnSignal, LocalShard},
    socket::Socket,
};
use crate::{
    error::{ErrorKind, Fault},
    http::Problem,
};

/// The subprotocols, as the SDKs name them. Without one it is JSON.
const JSON: &str = "centrifuge-json";
const PROTOBUF: &str = "centrifuge-protobuf";

/// Why a connection is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// A page of another site asks (cross-site WebSocket hijacking).
    #[error("this origin may not connect")]
    Origin,
    /// Not a WebSocket handshake.
    #[error("this address speaks WebSocket (RFC 6455), version 13")]
    Handshake,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Draining,
    /// This thread has as many connections as it takes.
    #[error("there are too many connections")]
    Full,
    /// This thread has no shard.
    #[error("real-time connections are not served here")]
    NoShard,
}

impl Fault for UpgradeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Origin => ErrorKind::Forbidden,
            Self::Handshake => ErrorKind::BadRequest,
            Self::Draining | Self::Full | Self::NoShard => ErrorKind::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Origin => "origin-not-allowed",
            Self::Handshake => "websocket-required",
            _ => self.kind().slug(),
        }
    }
}

/// The handler of `GET /connection/websocket`.
///
/// # Errors
/// See [`UpgradeError`].
pub async fn websocket(
    request: HttpRequest,
    payload: web::Payload,
    realtime: web::Data<Realtime>,
) -> Result<HttpResponse, Problem> {
    Ok(upgrade(&request, payload, &realtime)?)
}

/// Upgrades a request. What [`LocalShard::start`] gave the worker must be in its `app_data`, as a
/// `web::Data<Option<LocalShard>>`.
///
/// # Errors
/// See [`UpgradeError`].
pub fn upgrade(
    request: &HttpRequest,
    payload: web::Payload,
    realtime: &Realtime,
) -> Result<HttpResponse, UpgradeError> {
    if realtime.is_draining() {
        return Err(UpgradeError::Draining);
    }
    if !origin::allowed(request.headers(), &realtime.settings().origins) {
        return Err(UpgradeError::Origin);
    }
    let mut response =
        ws::handshake_with_protocols(request, &[JSON, PROTOBUF]).map_err(|_| UpgradeError::Handshake)?;
    let format = format_of(request);
    let shard = request
        .app_data::<web::Data<Option<LocalShard>>>()
        .and_then(|shard| shard.as_ref().clone())
        .ok_or(UpgradeError::NoShard)?;
    if shard.shard().is_full() {
        return Err(UpgradeError::Full);
    }

    let socket = request.conn_data::<Socket>().cloned().unwrap_or_default();
    socket.bound_send_buffer();
    let signal = ConnSignal::default();
    let (settings, metrics) = (realtime.settings(), realtime.metrics());
    let open = |out: Box<dyn Outbound>| {
        let conn = shard.shard().open(out, socket.clone(), signal.clone(), format, Instant::now());
        conn.ok_or(UpgradeError::Draining)
    };
    let gone = |conn| {
        let shard = shard.clone();
        move || {
            if let Some(mut shard) = shard.try_shard() {
                shard.gone(conn);
            }
        }
    };
    let (conn, source, body) = if socket.is_some() {
        let line = RawLine::new(settings.queue_bytes, shard.flusher().clone());
        let conn = open(Box::new(line.clone()))?;
        let source = Source::Parting { early: payload, socket, line };
        (conn, source, Parting::new(gone(conn)).boxed())
    } else {
        // Without a descriptor of its own (no TCP) the HTTP server's body carries it.
        let queue = Queue::new(settings.queue_bytes);
        let conn = open(Box::new(queue.clone()))?;
        (conn, Source::Http(payload), queue.body(metrics.clone(), gone(conn)).boxed())
    };
    let cookie =
        request.headers().get(header::COOKIE).and_then(|cookie| cookie.to_str().ok()).map(ToOwned::to_owned);
    let reader = reader::Reader::new(reader::Parts {
        realtime: realtime.clone(),
        handle: ConnHandle::new(realtime.hub().clone(), shard.id(), conn, format),
        shard,
        conn,
        signal,
        cookie,
    });
    metrics.upgrades.with_label_values(&[format.name()]).inc();
    actix_web::rt::spawn(reader.run(source));
    Ok(response.message_body(body).unwrap_or_else(|_| HttpResponse::InternalServerError().finish()))
}

/// The form of the protocol that a client asks for: by the first of the subprotocols it names that we know,
/// or by its address (`?format=protobuf`, `?cf_protocol=protobuf`).
fn format_of(request: &HttpRequest) -> Format {
    let by_address = request
        .query_string()
        .split('&')
        .any(|pair| matches!(pair, "format=protobuf" | "cf_protocol=protobuf"));
    let by_name = || {
        let named = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
        named.split(',').map(str::trim).find(|name| [JSON, PROTOBUF].contains(name))
    };
    if by_address || by_name() == Some(PROTOBUF) { Format::Protobuf } else { Format::Json }
}
