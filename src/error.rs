//! The closed list of error kinds.
//!
//! Every context has an error enum of its own; what the outside sees of it is decided here, once:
//! [`ErrorKind`] maps to an HTTP status, a Centrifuge error code and a log level, and [`Fault`] is
//! how an error tells its kind.

use std::time::Duration;

use serde::Serialize;

/// What sort of failure an error is, as far as a caller is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request is malformed: it cannot be parsed or lacks a field.
    BadRequest,
    /// Well-formed, but a value is out of its bounds.
    Invalid,
    /// No valid credentials came with the request.
    Unauthenticated,
    /// The caller is known, and may not do this.
    Forbidden,
    /// There is no such thing, or none that the caller may see.
    NotFound,
    /// The path exists, the method on it does not.
    MethodNotAllowed,
    /// No representation that the caller accepts.
    NotAcceptable,
    /// The request contradicts the present state.
    Conflict,
    /// The thing was there and is gone for good (an expired link).
    Gone,
    /// `If-Match` names another version.
    PreconditionFailed,
    /// `If-Match` is required here.
    PreconditionRequired,
    /// The body or frame is over its limit.
    TooLarge,
    /// The body's media type is not one we read.
    UnsupportedMedia,
    /// Too many requests: come back later.
    RateLimited,
    /// A store or an actor cannot serve at the moment; a retry may succeed.
    Unavailable,
    /// Our own fault.
    Internal,
}

impl ErrorKind {
    /// Every kind, for tables and tests.
    pub const ALL: [ErrorKind; 16] = [
        Self::BadRequest,
        Self::Invalid,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotAcceptable,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::PreconditionRequired,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::RateLimited,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The HTTP status code (RFC 9110, RFC 6585).
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Invalid => 422,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::Conflict => 409,
            Self::Gone => 410,
            Self::PreconditionFailed => 412,
            Self::PreconditionRequired => 428,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    /// The Centrifuge client protocol's error code; codes of our own start at 400 and follow the
    /// HTTP status.
    pub const fn realtime_code(self) -> u32 {
        match self {
            Self::BadRequest | Self::Invalid => 107,
            Self::Unauthenticated => 101,
            Self::Forbidden => 103,
            Self::MethodNotAllowed => 104,
            Self::RateLimited => 111,
            Self::Internal | Self::Unavailable => 100,
            Self::TooLarge => 106,
            other => other.status() as u32,
        }
    }

    /// Whether the same request may succeed a little later.
    pub const fn temporary(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::Internal)
    }

    /// The level at which the failure is logged, once, where it is answered.
    pub const fn log_level(self) -> slog::Level {
        match self {
            Self::Internal => slog::Level::Error,
            Self::Unavailable => slog::Level::Warning,
            _ => slog::Level::Debug,
        }
    }

    /// The last segment of a problem's `type` where the error gives none of its own.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NotAcceptable => "not-acceptable",
            Self::Conflict => "conflict",
            Self::Gone => "gone",
            Self::PreconditionFailed => "precondition-failed",
            Self::PreconditionRequired => "precondition-required",
            Self::TooLarge => "too-large",
            Self::UnsupportedMedia => "unsupported-media",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// A short human title, the same for every occurrence (RFC 9457 §3.1.3).
    pub const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request could not be read",
            Self::Invalid => "A value is not acceptable",
            Self::Unauthenticated => "Sign in first",
            Self::Forbidden => "Not allowed",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::NotAcceptable => "No acceptable representation",
            Self::Conflict => "The request contradicts the present state",
            Self::Gone => "Gone",
            Self::PreconditionFailed => "Changed in the meantime",
            Self::PreconditionRequired => "If-Match is required",
            Self::TooLarge => "Too large",
            Self::UnsupportedMedia => "Unsupported media type",
            Self::RateLimited => "Too many requests",
            Self::Unavailable => "Temporarily unavailable",
            Self::Internal => "Something went wrong on our side",
        }
    }
}

/// One field that is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldError {
    /// A JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    #[schema(example = "/email")]
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// A field error at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// An error that the outside may see.
///
/// `Display` is the `detail` a caller reads: it must hold no SQL, no path and no secret. A cause
/// goes into `source()`, which is logged and never sent.
pub trait Fault: std::error::Error + Send + Sync + 'static {
    /// The kind, which decides status, code and log level.
    fn kind(&self) -> ErrorKind;

    /// The stable last segment of the problem's `type` URI.
    fn slug(&self) -> &'static str {
        self.kind().slug()
    }

    /// The fields that are wrong, where fields are.
    fn fields(&self) -> Vec<FieldError> {
        Vec::new()
    }

    /// Members that the problem has beside the standard ones (RFC 9457 §3.2): what the caller could
    /// do instead.
    fn extensions(&self) -> serde_json::Map<String, serde_json::Value> {
        serde_json::Map::new()
    }

    /// When a retry makes sense.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}
