//! Traces for whoever collects them by OTLP (`OTEL_EXPORTER_OTLP_ENDPOINT`).
//!
//! A [`Span`] is a piece of work with a beginning and an end: a request, an actor's turn with a message, an
//! event on its way out or at a consumer. Its [`SpanContext`] travels with the correlation id over mailboxes
//! and with `traceparent` over rows and the bus, so that what follows becomes its children. Where no
//! endpoint is set there are no spans, and it costs a look at a flag. Why this and not the SDK:
//! `docs/decisions/0018-traces-without-the-sdk.md`.

mod context;
mod otlp;

use std::{
    borrow::Cow,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

pub use context::SpanContext;
pub(super) use otlp::{register, start};

use super::{correlation::CorrelationId, shipping::Inlet};

/// Where spans go, and how many of those that nobody decided about.
struct Tracer {
    inlet: Inlet,
    ratio: f64,
}

static TRACER: OnceLock<Tracer> = OnceLock::new();

/// What a span is to its trace: OTLP's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Within this process.
    Internal = 1,
    /// Answers a request.
    Server = 2,
    /// Puts something on a bus.
    Producer = 4,
    /// Acts on something from a bus.
    Consumer = 5,
}

/// An attribute's value.
#[derive(Clone, Debug)]
pub enum AttributeValue {
    /// Words.
    Text(Cow<'static, str>),
    /// A whole number.
    Number(i64),
}

impl From<&'static str> for AttributeValue {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u16> for AttributeValue {
    fn from(number: u16) -> Self {
        Self::Number(number.into())
    }
}

/// A span under way. It ends, and is handed over, when it is dropped.
pub struct Span {
    context: SpanContext,
    parent: Option<u64>,
    name: Cow<'static, str>,
    kind: SpanKind,
    /// Nanoseconds since 1970.
    began: u64,
    attributes: Vec<(&'static str, AttributeValue)>,
    failed: bool,
}

impl Span {
    /// Begins one under `parent`, whose decision to keep the trace counts, or a trace of its own. `None`
    /// where nobody collects it.
    pub fn begin(
        kind: SpanKind,
        parent: Option<SpanContext>,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Option<Self> {
        let tracer = TRACER.get()?;
        let context = match parent {
            Some(parent) if !parent.is_sampled() => return None,
            Some(parent) => SpanContext::new(parent.trace(), random(), true),
            None => {
                let trace = u128::from(random()) << 64 | u128::from(random());
                if !kept(trace, tracer.ratio) {
                    return None;
                }
                SpanContext::new(trace, random(), true)
            }
        };
        Some(Self {
            context,
            parent: parent.map(SpanContext::span),
            name: name(),
            kind,
            began: now(),
            attributes: Vec::new(),
            failed: false,
        })
    }

    /// Begins one within the work that `id` stands for; `None` where that is not traced.
    pub fn within(id: &CorrelationId, name: impl FnOnce() -> Cow<'static, str>) -> Option<Self> {
        let parent = id.span()?;
        Self::begin(SpanKind::Internal, Some(parent), name)
    }

    /// Its place, for what follows from it.
    pub const fn context(&self) -> SpanContext {
        self.context
    }

    /// Another name, where it was not known at the beginning.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.name = name.into();
    }

    /// Adds an attribute; the keys are OpenTelemetry's semantic conventions.
    pub fn note(&mut self, key: &'static str, value: impl Into<AttributeValue>) {
        self.attributes.push((key, value.into()));
    }

    /// It did not do what it was to do.
    pub fn fail(&mut self) {
        self.failed = true;
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(tracer) = TRACER.get() {
            tracer.inlet.push(otlp::encode(self, now()));
        }
    }
}

/// Every node decides the same of a trace: by its last 63 bits, as OpenTelemetry's ratio sampler does.
fn kept(trace: u128, ratio: f64) -> bool {
    let bound = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
    ((trace as u64) >> 1) < bound
}

/// Never 0, which names nothing.
fn random() -> u64 {
    let id = uuid::Uuid::new_v4().as_u128();
    // The two halves hold the version's and the variant's fixed bits in different places.
    ((id >> 64) as u64 ^ (id as u64).rotate_left(32)).max(1)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_keeps_about_so_many() {
        let traces: Vec<u128> = (0..20_000).map(|_| u128::from(random())).collect();
        let kept_of = |ratio| traces.iter().filter(|trace| kept(**trace, ratio)).count();
        assert_eq!((kept_of(0.0), kept_of(1.0)), (0, traces.len()));
        assert!((4_000..6_000).contains(&kept_of(0.25)), "{}", kept_of(0.25));
    }

    #[test]
    fn without_a_collector_there_is_no_span() {
        // No test in this process sets one up.
        assert!(Span::begin(SpanKind::Server, None, || "GET /".into()).is_none());
    }
}
