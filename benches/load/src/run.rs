//! What all shapes share: the rounds, the bar, and what had to be left out.

use std::cell::RefCell;

use indicatif::ProgressBar;

use crate::kit::Outcome;

/// A run under way.
pub struct Run {
    /// How often each system takes its turn.
    pub rounds: usize,
    /// For the person who waits.
    pub bar: ProgressBar,
    /// What could not be measured, and why.
    pub skipped: RefCell<Vec<String>>,
    /// Whether a failure of a peer ends the run.
    pub strict: bool,
}

impl Run {
    /// A peer that fails is left out by name; with `strict` it ends the run, and so does Gigsy's own failure.
    pub fn or_skip<T>(&self, what: &str, result: Outcome<T>) -> Outcome<Option<T>> {
        let ours = ["floor", "gigsy"].iter().any(|ours| what.ends_with(ours));
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if self.strict || ours => Err(format!("{what}: {error}").into()),
            Err(error) => {
                self.skip(format!("{what}: {error}"));
                Ok(None)
            }
        }
    }

    /// Says what is left out.
    pub fn skip(&self, what: String) {
        self.bar.suspend(|| eprintln!("SKIPPED {what}"));
        self.skipped.borrow_mut().push(what);
    }
}

/// The value below which `share` of the sorted ones are.
pub fn percentile(sorted: &[u64], share: f64) -> u64 {
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len().max(1));
    sorted.get(at - 1).copied().unwrap_or(0)
}
