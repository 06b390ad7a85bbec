//! The protocol's numbered errors.

use std::borrow::Cow;

use crate::error::Fault;

/// An error that a client sees: in a reply's `error`, or, with a code from 3000 on, as the
/// disconnect it causes.
///
/// Codes below 400 are the protocol's (centrifugal/centrifuge, `errors.go`); 400 to 1999 are ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RtError {
    /// The number, by which clients decide.
    pub code: u32,
    /// A short text for people.
    pub message: Cow<'static, str>,
    /// Whether the SDK may try the same again.
    pub temporary: bool,
}

impl RtError {
    /// Our own fault.
    pub const INTERNAL: Self = Self::fixed(100, "internal server error", true);
    /// No valid credentials.
    pub const UNAUTHORIZED: Self = Self::fixed(101, "unauthorized", false);
    /// No such channel, or no namespace of that name.
    pub const UNKNOWN_CHANNEL: Self = Self::fixed(102, "unknown channel", false);
    /// The caller may not.
    pub const PERMISSION_DENIED: Self = Self::fixed(103, "permission denied", false);
    /// No such rpc method.
    pub const METHOD_NOT_FOUND: Self = Self::fixed(104, "method not found", false);
    /// The connection holds this channel already.
    pub const ALREADY_SUBSCRIBED: Self = Self::fixed(105, "already subscribed", false);
    /// A configured limit is reached.
    pub const LIMIT_EXCEEDED: Self = Self::fixed(106, "limit exceeded", false);
    /// The request's data makes no sense.
    pub const BAD_REQUEST: Self = Self::fixed(107, "bad request", false);
    /// The channel does not offer this.
    pub const NOT_AVAILABLE: Self = Self::fixed(108, "not available", false);
    /// A connection token is past its time; the SDK fetches another.
    pub const TOKEN_EXPIRED: Self = Self::fixed(109, "token expired", false);
    /// The connection is past its time.
    pub const EXPIRED: Self = Self::fixed(110, "expired", false);
    /// Over the rate.
    pub const TOO_MANY_REQUESTS: Self = Self::fixed(111, "too many requests", true);
    /// The log does not hold what was asked for.
    pub const UNRECOVERABLE_POSITION: Self = Self::fixed(112, "unrecoverable position", false);
    /// A token that is not one: ends the connection for good.
    pub const INVALID_TOKEN: Self = Self::fixed(3500, "invalid token", false);
    /// The connection is one too many for its session.
    pub const CONNECTION_LIMIT: Self = Self::fixed(3504, "connection limit", false);

    const fn fixed(code: u32, message: &'static str, temporary: bool) -> Self {
        Self { code, message: Cow::Borrowed(message), temporary }
    }

    /// An error of our own (codes 400 to 1999).
    pub fn new(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), temporary: false }
    }

    /// The protocol's bad request, saying what is wrong.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(107, message)
    }

    /// Whether the error ends the connection instead of being answered.
    pub const fn disconnects(&self) -> bool {
        self.code >= 3000
    }
}

impl<E: Fault> From<E> for RtError {
    fn from(fault: E) -> Self {
        let kind = fault.kind();
        Self {
            code: kind.realtime_code(),
            message: Cow::Owned(fault.to_string()),
            temporary: kind.temporary(),
        }
    }
}
