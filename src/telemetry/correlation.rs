//! The correlation id: one short token from a browser's request to the last log line it causes.
//!
//! It travels in a task-local, in actor envelopes, and in stored rows.

use std::{
    fmt,
    future::Future,
    hash::{Hash, Hasher},
    sync::Arc,
};

use super::tracing::SpanContext;

/// A correlation id: 8 to 64 characters of `[A-Za-z0-9._-]`. The span of the work in hand travels with it,
/// and is no part of what it is.
#[derive(Clone)]
pub struct CorrelationId {
    text: Arc<str>,
    span: Option<SpanContext>,
}

impl PartialEq for CorrelationId {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for CorrelationId {}

impl Hash for CorrelationId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

tokio::task_local! {
    static CURRENT: CorrelationId;
}

impl CorrelationId {
    /// A fresh id.
    pub fn fresh() -> Self {
        Self { text: uuid::Uuid::now_v7().simple().to_string().into(), span: None }
    }

    /// Takes an id from outside, if it has the accepted form.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (8..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        fits.then(|| Self { text: text.into(), span: None })
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same id for what follows from a span.
    pub fn under(self, span: SpanContext) -> Self {
        Self { span: Some(span), ..self }
    }

    /// The span of the work that it stands for, where that is traced.
    pub fn span(&self) -> Option<SpanContext> {
        self.span
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The id of the work in hand, if it has one.
pub fn current() -> Option<CorrelationId> {
    CURRENT.try_with(Clone::clone).ok()
}

/// The id of the work in hand, or a fresh one.
pub fn current_or_fresh() -> CorrelationId {
    current().unwrap_or_else(CorrelationId::fresh)
}

/// Runs a future under an id.
pub fn scope<F: Future>(id: CorrelationId, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(id, work)
}

/// Runs a closure under an id.
pub fn sync_scope<R>(id: CorrelationId, work: impl FnOnce() -> R) -> R {
    CURRENT.sync_scope(id, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_documented_alphabet_is_taken_from_outside() {
        assert!(CorrelationId::parse("abcDEF.12_-").is_some());
        for bad in ["short", "", "has space in it", "line\nbreak1", &"x".repeat(65), "ünicode-id"] {
            assert!(CorrelationId::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn scopes_nest() {
        let (a, b) = (CorrelationId::fresh(), CorrelationId::fresh());
        sync_scope(a.clone(), || {
            sync_scope(b.clone(), || assert_eq!(current(), Some(b.clone())));
            assert_eq!(current(), Some(a.clone()));
        });
        assert_eq!(current(), None);
    }
}
