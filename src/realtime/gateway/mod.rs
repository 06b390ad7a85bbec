//! The HTTP side of `/connection/websocket`: who may upgrade, and the upgrade.

mod origin;
mod reader;

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{
    core::Realtime,
    lanes::ConnHandle,
    queue::Queue,
    shard::{ConnSignal, LocalShard},
    socket::Socket,
};
use crate::{
    error::{ErrorKind, Fault},
    http::Problem,
};

/// Why a connection is not upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// A page of another site asks (cross-site WebSocket hijacking).
    #[error("this origin may not connect")]
    Origin,
    /// Not a WebSocket handshake.
    #[error("this address speaks WebSocket (RFC 6455), version 13")]
    Handshake,
    /// A format other than JSON.
    #[error("only the JSON format is served here")]
    Format,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Draining,
    /// This thread has no shard.
    #[error("real-time connections are not served here")]
    NoShard,
}

impl Fault for UpgradeError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Origin => ErrorKind::Forbidden,
            Self::Handshake | Self::Format => ErrorKind::BadRequest,
            Self::Draining | Self::NoShard => ErrorKind::Unavailable,
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::Origin => "origin-not-allowed",
            Self::Handshake => "websocket-required",
            Self::Format => "format-not-served",
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
    if wants_protobuf(request) {
        return Err(UpgradeError::Format);
    }
    let mut response = actix_web_actors::ws::handshake(request).map_err(|_| UpgradeError::Handshake)?;
    let shard = request
        .app_data::<web::Data<Option<LocalShard>>>()
        .and_then(|shard| shard.as_ref().clone())
        .ok_or(UpgradeError::NoShard)?;

    let socket = request.conn_data::<Socket>().cloned().unwrap_or_default();
    socket.bound_send_buffer();
    let queue = Queue::new(realtime.settings().queue_bytes);
    let signal = ConnSignal::default();
    let conn = shard
        .shard()
        .open(queue.clone(), socket, signal.clone(), Instant::now())
        .ok_or(UpgradeError::Draining)?;
    let cookie =
        request.headers().get(header::COOKIE).and_then(|cookie| cookie.to_str().ok()).map(ToOwned::to_owned);
    let gone = shard.clone();
    let body = queue.body(realtime.metrics().clone(), move || {
        if let Some(mut shard) = gone.try_shard() {
            shard.gone(conn);
        }
    });
    let reader = reader::Reader::new(reader::Parts {
        realtime: realtime.clone(),
        handle: ConnHandle::new(realtime.hub().clone(), shard.id(), conn),
        shard,
        conn,
        signal,
        cookie,
    });
    actix_web::rt::spawn(reader.run(payload));
    Ok(response
        .message_body(body)
        .map_or_else(|_| HttpResponse::InternalServerError().finish(), |r| r.map_into_boxed_body()))
}

fn wants_protobuf(request: &HttpRequest) -> bool {
    let by_query = request.query_string().split('&').any(|pair| pair == "format=protobuf");
    by_query
        || request
            .headers()
            .get(header::SEC_WEBSOCKET_PROTOCOL)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.split(',').any(|name| name.trim() == "centrifuge-protobuf"))
}
