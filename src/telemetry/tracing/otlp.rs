//! Spans as OTLP over HTTP in its JSON form (opentelemetry-proto 1.x, `ExportTraceServiceRequest`): ids in
//! hexadecimal, 64-bit numbers as text.

use std::sync::LazyLock;

use prometheus::{IntCounter, IntGauge};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{AttributeValue, Span, TRACER, Tracer};
use crate::{
    config::TracingConfig,
    telemetry::{
        metrics::Metrics,
        shipping::{self, Destination, Inlet, Shipper},
    },
    tls::TlsError,
};

#[expect(clippy::expect_used, reason = "constant declarations")]
static COUNTERS: LazyLock<shipping::Counters> = LazyLock::new(|| {
    let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("valid");
    shipping::Counters {
        sent: counter("gigsy_spans_sent_total", "Spans that the collector took."),
        dropped: counter("gigsy_spans_dropped_total", "Spans that never reached the collector."),
        failed: counter("gigsy_span_calls_failed_total", "Calls of the collector that failed."),
        queued: IntGauge::new("gigsy_span_queue_bytes", "Spans that wait for the collector.").expect("valid"),
    }
});

pub(in crate::telemetry) fn register(metrics: &Metrics) {
    COUNTERS.register(metrics);
}

/// Starts to send spans, if there is somebody to send them to.
pub(in crate::telemetry) fn start(config: &TracingConfig) -> Result<Option<Shipper>, TlsError> {
    let Some(endpoint) = &config.endpoint else { return Ok(None) };
    // The specification's way to make the signal's URL of the base.
    let mut url = endpoint.clone();
    url.set_path(&format!("{}/v1/traces", endpoint.path().trim_end_matches('/')));
    let mut headers = HeaderMap::new();
    for (name, value) in config.headers() {
        if let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    let resource = json!({"attributes": [
        attribute("service.name", &AttributeValue::Text(config.service.clone().into())),
        attribute("service.version", &env!("CARGO_PKG_VERSION").into()),
        attribute("process.pid", &AttributeValue::Number(std::process::id().into())),
    ]});
    let before = format!(
        r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"scope":{{"name":"gigsy"}},"spans":["#
    );
    let inlet = Inlet::new(&COUNTERS);
    let destination = Destination { url, headers, before, after: "]}]}]}" };
    let shipper = Shipper::start("gigsy-spans", &inlet, destination)?;
    let _ = TRACER.set(Tracer { inlet, ratio: config.ratio });
    Ok(Some(shipper))
}

fn attribute(key: &str, value: &AttributeValue) -> Value {
    let value = match value {
        AttributeValue::Text(text) => json!({"stringValue": text}),
        AttributeValue::Number(number) => json!({"intValue": number.to_string()}),
    };
    json!({"key": key, "value": value})
}

/// A span that ended at `ended`, in nanoseconds since 1970.
pub(super) fn encode(span: &Span, ended: u64) -> Vec<u8> {
    let attributes: Vec<Value> = span.attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    let mut entry = json!({
        "traceId": format!("{:032x}", span.context.trace()),
        "spanId": format!("{:016x}", span.context.span()),
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": span.began.to_string(),
        "endTimeUnixNano": ended.max(span.began).to_string(),
        "attributes": attributes,
        // STATUS_CODE_ERROR, or unset.
        "status": if span.failed { json!({"code": 2}) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        entry["parentSpanId"] = format!("{parent:016x}").into();
    }
    entry.to_string().into_bytes()
}
