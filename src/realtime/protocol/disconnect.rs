//! Why the server ends a connection or a subscription.
//!
//! The numbers are centrifugal/centrifuge's (`disconnect.go`, `unsubscribe.go`). A disconnect is a
//! WebSocket close code with a reason; the reason is never empty, because the JavaScript SDK takes a
//! final code with an empty reason for a lost transport and reconnects.

use std::borrow::Cow;

use super::errors::RtError;

/// A close code and its reason. 3000–3499 and 4000–4499 let the client reconnect, 3500–3999 and
/// 4500–4999 are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// The WebSocket close code.
    pub code: u16,
    /// For people and logs; 1 to 123 bytes.
    pub reason: Cow<'static, str>,
}

impl Disconnect {
    /// The peer closed in the ordinary way.
    pub const NORMAL: Self = Self::fixed(1000, "closed");
    /// The node stops.
    pub const SHUTDOWN: Self = Self::fixed(3001, "shutdown");
    /// Our own fault.
    pub const SERVER_ERROR: Self = Self::fixed(3004, "internal server error");
    /// The connection's time is up and was not extended.
    pub const EXPIRED: Self = Self::fixed(3005, "connection expired");
    /// The client does not read what it is sent.
    pub const SLOW: Self = Self::fixed(3008, "slow");
    /// The client's position in a stream is no longer certain; it recovers by reconnecting.
    pub const INSUFFICIENT_STATE: Self = Self::fixed(3010, "insufficient state");
    /// An operator or a crash asks for a new connection.
    pub const FORCE_RECONNECT: Self = Self::fixed(3011, "force reconnect");
    /// No pong came for a ping.
    pub const NO_PONG: Self = Self::fixed(3012, "no pong");
    /// Commands kept coming far over the rate.
    pub const TOO_MANY_REQUESTS: Self = Self::fixed(3013, "too many requests");
    /// A token that is not one.
    pub const INVALID_TOKEN: Self = Self::fixed(3500, "invalid token");
    /// A frame that breaks the protocol.
    pub const BAD_REQUEST: Self = Self::fixed(3501, "bad request");
    /// No `connect` in time.
    pub const STALE: Self = Self::fixed(3502, "stale");
    /// The session was revoked.
    pub const FORCED: Self = Self::fixed(3503, "force disconnect");
    /// One connection too many for its session.
    /// The sign-in behind the connection has ended; final.
    pub const REVOKED: Self = Self::fixed(3503, "session revoked");
    /// The session has too many connections; final.
    pub const CONNECTION_LIMIT: Self = Self::fixed(3504, "connection limit");
    /// A binary frame on a connection that was upgraded for JSON.
    pub const TEXT_ONLY: Self = Self::fixed(3501, "bad request: this connection speaks JSON, in text frames");
    /// A text frame on a connection that was upgraded for Protobuf.
    pub const BINARY_ONLY: Self =
        Self::fixed(3501, "bad request: this connection speaks Protobuf, in binary frames");

    const fn fixed(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// A disconnect with a reason of its own; an empty one is replaced, a long one cut.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason: Cow<'static, str> = reason.into();
        if reason.is_empty() {
            reason = Cow::Borrowed("closed by server");
        }
        if reason.len() > 123 {
            let cut = (0..=123).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
            reason = Cow::Owned(reason[..cut].to_owned());
        }
        Self { code, reason }
    }

    /// Whether an SDK connects again after it.
    pub const fn reconnects(&self) -> bool {
        !matches!(self.code, 3500..=3999 | 4500..=4999)
    }
}

impl From<&RtError> for Disconnect {
    fn from(error: &RtError) -> Self {
        match u16::try_from(error.code) {
            Ok(code @ 3000..=4999) => Self::new(code, error.message.clone()),
            _ => Self::BAD_REQUEST,
        }
    }
}

/// Why the server takes a subscription away. From 2500 on the SDK subscribes again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// 2000–2999.
    pub code: u32,
    /// For people and logs.
    pub reason: Cow<'static, str>,
}

impl Unsubscribe {
    /// The server decided so, for instance because a membership ended.
    pub const SERVER: Self = Self { code: 2000, reason: Cow::Borrowed("server unsubscribe") };
    /// The position is no longer certain: subscribe again and recover.
    pub const INSUFFICIENT: Self = Self { code: 2500, reason: Cow::Borrowed("insufficient state") };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_never_empty_and_fits_a_close_frame() {
        assert!(!Disconnect::new(4500, "").reason.is_empty());
        let long = Disconnect::new(4500, "ü".repeat(100));
        assert!(long.reason.len() <= 123 && long.reason.chars().all(|c| c == 'ü'));
    }

    #[test]
    fn final_codes_are_final() {
        for (disconnect, reconnects) in [
            (Disconnect::SHUTDOWN, true),
            (Disconnect::SLOW, true),
            (Disconnect::FORCED, false),
            (Disconnect::INVALID_TOKEN, false),
            (Disconnect::new(4400, "x"), true),
            (Disconnect::new(4500, "x"), false),
        ] {
            assert_eq!(disconnect.reconnects(), reconnects, "{disconnect:?}");
        }
    }
}
