//! What surrounds every request: correlation, the access log and its metrics, security headers,
//! the rate limit, and the origin check.

use std::time::Instant;

use actix_web::{
    Error, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};

use super::{
    Problem,
    extract::{ClientAddr, session_credential},
    health::Health,
    limits::{Allowance, Limits, announce},
};
use crate::{
    events,
    telemetry::{
        correlation::{self, CorrelationId},
        log,
        metrics::Metrics,
        tracing::{Span, SpanContext, SpanKind},
    },
};

/// The header that carries the correlation id, both ways.
pub const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// HTTP's counters.
#[derive(Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl HttpMetrics {
    /// Declares them.
    ///
    /// # Panics
    /// When the declaration itself is wrong: found by the first test.
    #[expect(clippy::expect_used, reason = "constant declarations")]
    pub fn new(metrics: &Metrics) -> Self {
        let requests = Opts::new("gigsy_http_requests_total", "Requests by method, route and status.");
        let seconds = HistogramOpts::new("gigsy_http_request_seconds", "Time to the response's head.")
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);
        let this = Self {
            requests: metrics.register(
                IntCounterVec::new(requests, &["method", "route", "status"]).expect("valid metric"),
            ),
            seconds: metrics
                .register(HistogramVec::new(seconds, &["method", "route"]).expect("valid metric")),
        };
        // There from the first scrape on.
        this.requests.with_label_values(&["GET", "/metrics", "200"]);
        this.seconds.with_label_values(&["GET", "/metrics"]);
        this
    }
}

/// The outermost middleware: gives the request its correlation id, logs and counts its answer.
pub async fn observe<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let id = req
        .headers()
        .get(&CORRELATION)
        .and_then(|v| v.to_str().ok())
        .and_then(CorrelationId::parse)
        .unwrap_or_else(CorrelationId::fresh);
    let incoming = trace_context(&req);
    let parent = incoming.as_deref().and_then(SpanContext::parse);
    let mut span = Span::begin(SpanKind::Server, parent, || req.method().as_str().to_owned().into());
    // Where it is traced, what follows from the request follows from its span.
    let traceparent = span.as_ref().map_or(incoming, |span| Some(span.context().to_traceparent()));
    let id = match &span {
        Some(span) => id.under(span.context()),
        None => id,
    };
    correlation::scope(
        id.clone(),
        events::traced(traceparent, async move {
            let started = Instant::now();
            let method = req.method().clone();
            let metrics = req.app_data::<web::Data<HttpMetrics>>().cloned();
            let mut response = guard(req, next).await?;
            // The matched pattern, never the raw path: ids would make a series each.
            let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".into());
            let status = response.status();
            if let Ok(value) = HeaderValue::from_str(id.as_str()) {
                response.headers_mut().insert(CORRELATION, value);
            }
            secure(&mut response);
            let health = response.request().app_data::<web::Data<Health>>();
            if status != StatusCode::SWITCHING_PROTOCOLS && health.is_some_and(|h| h.is_draining()) {
                // A proxy's idle connections to a node that stops would be cut under its next request.
                response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
            }
            let elapsed = started.elapsed();
            if let Some(metrics) = metrics {
                metrics.requests.with_label_values(&[method.as_str(), &route, status.as_str()]).inc();
                metrics.seconds.with_label_values(&[method.as_str(), &route]).observe(elapsed.as_secs_f64());
            }
            if let Some(span) = &mut span {
                span.rename(format!("{method} {route}"));
                span.note("http.request.method", method.as_str().to_owned());
                span.note("http.route", route.clone());
                span.note("http.response.status_code", status.as_u16());
                span.note("gigsy.correlation_id", id.as_str().to_owned());
                if status.is_server_error() {
                    span.fail();
                }
            }
            slog::debug!(log(), "request";
            "method" => method.as_str(), "route" => route, "status" => status.as_u16(),
            "ms" => elapsed.as_secs_f64() * 1000.0);
            Ok(response)
        }),
    )
    .await
}

/// W3C trace context, if the request brings one of the form `00-<32 hex>-<16 hex>-<2 hex>`: events
/// that the request causes carry it on.
fn trace_context(req: &ServiceRequest) -> Option<String> {
    let text = req.headers().get("traceparent")?.to_str().ok()?;
    let widths = [2, 32, 16, 2];
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fits = parts.len() == widths.len()
        && parts.iter().zip(widths).all(|(part, width)| part.len() == width && hex(part));
    fits.then(|| text.to_owned())
}

/// The rate limit of the API and the origin check of everything unsafe.
async fn guard<B: MessageBody + 'static>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, Error> {
    let mut allowances = match admit(&req).await {
        Ok(allowances) => allowances,
        // Answered here, not returned as an error: so it is logged, counted and dressed like any
        // other answer.
        Err(problem) => return Ok(req.into_response(problem.error_response()).map_into_right_body()),
    };
    let mut response = next.call(req).await?.map_into_left_body();
    allowances.extend(Allowance::of_user(response.request()));
    announce(&allowances, response.headers_mut());
    Ok(response)
}

async fn admit(req: &ServiceRequest) -> Result<Vec<Allowance>, Problem> {
    let path = req.path();
    if !path.starts_with("/api/v1/") {
        return Ok(Vec::new());
    }
    let mut allowances = Vec::new();
    if let Some(limits) = req.app_data::<web::Data<Limits>>() {
        let guessing = req.method() == Method::POST && path.starts_with("/api/v1/auth/");
        allowances = limits.admit(ClientAddr::of(req.request()).0, guessing).await?;
    }
    // Also for requests without a session: a foreign page must not sign a browser in.
    let ambient = session_credential(req.request()).is_none_or(|c| c.ambient);
    if ambient && !req.method().is_safe() {
        super::extract::check_origin(req.request())?;
    }
    Ok(allowances)
}

/// Headers that cost nothing and close whole classes of trouble; a page sets its own policy.
fn secure<B>(response: &mut ServiceResponse<B>) {
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}
