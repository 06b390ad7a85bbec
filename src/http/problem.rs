//! `application/problem+json` (RFC 9457) for everything that is not a success.

use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;

use crate::{
    error::{ErrorKind, Fault, FieldError},
    telemetry::{correlation, log},
};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// A failure as a client sees it. Any [`Fault`] turns into one with `?`.
#[derive(Debug)]
pub struct Problem {
    kind: ErrorKind,
    slug: &'static str,
    detail: String,
    fields: Vec<FieldError>,
    retry_after: Option<Duration>,
    allow: Option<String>,
    // Boxed: few problems have any, and every `Result` carries the room for it.
    extensions: Option<Box<serde_json::Map<String, serde_json::Value>>>,
}

/// The body's shape, for the API document.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// A stable URI that names the sort of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid")]
    kind: String,
    /// The same for every occurrence of the type.
    title: &'static str,
    /// The HTTP status code.
    status: u16,
    /// What happened this time.
    detail: String,
    /// The fields that are wrong, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// Quote it when reporting the problem: it finds the log lines.
    correlation_id: String,
    /// What a type of problem has beside these: `allowed_transitions` of a step that is not possible
    /// now.
    #[serde(flatten)]
    extensions: serde_json::Map<String, serde_json::Value>,
}

impl Problem {
    /// A problem of that kind.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            slug: kind.slug(),
            detail: detail.into(),
            fields: Vec::new(),
            retry_after: None,
            allow: None,
            extensions: None,
        }
    }

    /// One field is wrong.
    pub fn field(kind: ErrorKind, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let error = FieldError::new(pointer, detail);
        let mut problem = Self::new(kind, format!("{}: {}", error.pointer, error.detail));
        problem.fields.push(error);
        problem
    }

    /// The method is not one of the path's; `methods` are those that are.
    pub fn method_not_allowed(methods: &[&str]) -> Self {
        let allow = methods.join(", ");
        let mut problem = Self::new(ErrorKind::MethodNotAllowed, format!("this path takes {allow}"));
        problem.allow = Some(allow);
        problem
    }

    /// Says when to come back.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl<E: Fault> From<E> for Problem {
    /// The failure is logged here, once, with its causes; the client gets only `Display`.
    fn from(fault: E) -> Self {
        let kind = fault.kind();
        let mut causes = Vec::new();
        let mut cause = fault.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        match kind.log_level() {
            slog::Level::Error => {
                slog::error!(log(), "request failed"; "problem" => fault.slug(), "detail" => %fault, "causes" => causes.join(": "));
            }
            slog::Level::Warning => {
                slog::warn!(log(), "request not served"; "problem" => fault.slug(), "detail" => %fault, "causes" => causes.join(": "));
            }
            _ => slog::debug!(log(), "request refused"; "problem" => fault.slug(), "detail" => %fault),
        }
        let detail = match kind {
            ErrorKind::Internal => "the request could not be completed; quote the correlation id".to_owned(),
            _ => fault.to_string(),
        };
        Self {
            kind,
            slug: fault.slug(),
            detail,
            fields: fault.fields(),
            retry_after: fault.retry_after(),
            allow: None,
            extensions: Some(fault.extensions()).filter(|more| !more.is_empty()).map(Box::new),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.slug, self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type(MEDIA_TYPE);
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: coming back a little late beats coming back too early.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        if self.kind == ErrorKind::Unauthenticated {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"gigsy\""));
        }
        let body = ProblemBody {
            kind: format!("/problems/{}", self.slug),
            title: self.kind.title(),
            status: self.kind.status(),
            detail: self.detail.clone(),
            errors: self.fields.clone(),
            correlation_id: correlation::current().map_or_else(String::new, |id| id.to_string()),
            extensions: self.extensions.as_deref().cloned().unwrap_or_default(),
        };
        match serde_json::to_vec(&body) {
            Ok(bytes) => response.body(bytes),
            Err(_) => response.finish(),
        }
    }
}
