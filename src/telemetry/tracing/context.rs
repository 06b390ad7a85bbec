//! Which trace and which span the work in hand belongs to, as W3C Trace Context writes it.

use std::fmt::Write;

/// A place in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanContext {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl SpanContext {
    pub(super) const fn new(trace: u128, span: u64, sampled: bool) -> Self {
        Self { trace, span, sampled }
    }

    /// Reads a `traceparent` header: `00-<32 hex>-<16 hex>-<2 hex>`, lower case. Later versions may bring
    /// more, which is passed over; zeros name nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut hex = |width: usize| {
            let part = parts.next()?;
            let fits = part.len() == width && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            fits.then_some(part)
        };
        let (version, trace, span, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
        if version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let span = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// As a `traceparent` header.
    pub fn to_traceparent(self) -> String {
        let mut text = String::with_capacity(55);
        // Writing into a String cannot fail.
        let _ = write!(text, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled));
        text
    }

    /// The trace.
    pub const fn trace(self) -> u128 {
        self.trace
    }

    /// The span.
    pub const fn span(self) -> u64 {
        self.span
    }

    /// Whether somebody keeps the trace.
    pub const fn is_sampled(self) -> bool {
        self.sampled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_trace_context_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(SpanContext::parse(good).unwrap().is_sampled());
        assert_eq!(SpanContext::parse(good).unwrap().to_traceparent(), good);
        assert!(SpanContext::parse(&good.replacen("00", "01", 1)).is_some(), "a later version");
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-011",
        ] {
            assert_eq!(SpanContext::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1..=u128::MAX, span in 1..=u64::MAX, sampled: bool) {
            let context = SpanContext::new(trace, span, sampled);
            prop_assert_eq!(SpanContext::parse(&context.to_traceparent()), Some(context));
        }

        #[test]
        fn nothing_panics(text in ".{0,80}") {
            let _ = SpanContext::parse(&text);
        }
    }
}
