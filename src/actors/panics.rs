//! Catching panics, and saying what they said.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use crate::telemetry::{correlation, correlation::CorrelationId, log};

/// Runs behaviour code under its correlation id; a panic becomes its message.
pub(super) fn guarded<R>(id: Option<&CorrelationId>, work: impl FnOnce() -> R) -> Result<R, String> {
    let work = AssertUnwindSafe(|| match id {
        Some(id) => correlation::sync_scope(id.clone(), work),
        None => work(),
    });
    catch_unwind(work).map_err(text)
}

/// Drops a value whose destructor is not ours and may panic too.
pub(super) fn drop_guarded<T>(value: T) -> Result<(), String> {
    guarded(None, move || drop(value))
}

fn text(payload: Box<dyn Any + Send>) -> String {
    let text = match payload.downcast::<&'static str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => {
                // The payload's own destructor may panic: leave it be.
                std::mem::forget(payload);
                "a panic without a message".to_owned()
            }
        },
    };
    // A report's field, not a place for a megabyte.
    text.chars().take(500).collect()
}

/// Logs every panic of the process once, with its place and the correlation id of the work in hand,
/// instead of the default lines on stderr. Call it once at start, after the logger is up.
pub fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let place = info.location().map(|l| format!("{}:{}:{}", l.file(), l.line(), l.column()));
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let message = text.unwrap_or("a panic without a message");
            slog::error!(log(), "panic"; "panic" => message, "location" => place);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("not this one");
            }
        }
        assert_eq!(guarded(None, || 5), Ok(5));
        assert_eq!(guarded(None, || panic!("plain")), Err::<(), _>("plain".to_owned()));
        assert_eq!(guarded(None, || panic!("with {}", 1)), Err::<(), _>("with 1".to_owned()));
        let odd = guarded(None, || std::panic::panic_any(Bomb));
        assert_eq!(odd, Err::<(), _>("a panic without a message".to_owned()));
        let long = guarded(None, || panic!("{}", "ä".repeat(10_000)));
        assert_eq!(long.map_err(|text| text.chars().count()), Err::<(), _>(500));
    }

    #[test]
    fn the_correlation_id_is_in_scope_and_left_by_a_panic() {
        let id = CorrelationId::fresh();
        let seen = guarded(Some(&id), correlation::current).unwrap();
        assert_eq!(seen, Some(id.clone()));
        guarded(Some(&id), || panic!("boom")).unwrap_err();
        assert_eq!(correlation::current(), None);
    }
}
