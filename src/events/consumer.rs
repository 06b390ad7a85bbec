//! What a consumer of events is.

use std::fmt;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use super::Envelope;
use crate::{error::Fault, postgres::DbError};

/// Something that acts on events. Each event reaches it at least once and takes effect once: the
/// inbox row that remembers it commits with the effect.
pub trait Consumer: Send + Sync + 'static {
    /// Its durable name, `<context>.<what>`: what is waiting or done is kept under it. A consumer
    /// that gets another name begins anew.
    fn name(&self) -> &'static str;

    /// What it listens to: `gig.posted`, or `gig.*` for all of an aggregate.
    fn subjects(&self) -> &'static [&'static str];

    /// Whether events of different aggregates may share a transaction. Not where handling one locks rows
    /// that belong to others too: in a transaction of its own it can lock them in one order, so that two
    /// workers never wait for each other.
    fn shares_transactions(&self) -> bool {
        true
    }

    /// Called in a transaction before the events that it is for are handled in it, one or several. Whoever
    /// locks rows that several events may be about takes its locks here, all in one order, so that two
    /// transactions never wait for each other.
    fn prepare<'a>(
        &'a self,
        _conn: &'a mut AsyncPgConnection,
        _events: &'a [&'a Envelope],
    ) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async { Ok(()) })
    }

    /// Acts on one event, on `conn`, which is inside the transaction that also writes the inbox row:
    /// all of it commits or none. Events of one aggregate come in order, one at a time; a failing
    /// one holds back those behind it of that aggregate, for this consumer only. Effects outside the
    /// database belong into the [`AfterCommit`].
    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>>;
}

/// What is to be done once the effect is committed: live pushes. It may be lost (a crash right after
/// the commit), and is never done twice.
#[derive(Default)]
pub struct AfterCommit(Vec<Box<dyn FnOnce() + Send>>);

impl AfterCommit {
    /// Nothing.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// This one thing. It must not block.
    pub fn run(what: impl FnOnce() + Send + 'static) -> Self {
        Self(vec![Box::new(what)])
    }

    /// And this too.
    #[must_use]
    pub fn and(mut self, what: impl FnOnce() + Send + 'static) -> Self {
        self.0.push(Box::new(what));
        self
    }

    /// This, then what another says.
    #[must_use]
    pub fn followed_by(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// What is to be done, for the one who committed.
    pub(crate) fn into_steps(self) -> Vec<Box<dyn FnOnce() + Send>> {
        self.0
    }
}

impl fmt::Debug for AfterCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AfterCommit({})", self.0.len())
    }
}

/// Why a consumer did not act on an event. Its transaction is undone.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    /// Later it may work: tried again after a backoff, some times, then a dead letter.
    #[error("{0}")]
    Retry(String),
    /// It will never work: a dead letter at once.
    #[error("rejected: {0}")]
    Reject(String),
    /// The database; when it is merely away, the attempt does not count.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl ConsumeError {
    /// A failure by what kind it is: of one that may pass, the event is tried again.
    pub fn of(error: &(impl Fault + ?Sized)) -> Self {
        match error.kind().temporary() {
            true => Self::Retry(error.to_string()),
            false => Self::Reject(error.to_string()),
        }
    }
}

impl From<diesel::result::Error> for ConsumeError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Whether `pattern` (`gig.posted`, `gig.*`, `gig.>` or `*.posted`) takes `subject`, by NATS' rules.
pub(super) fn takes(pattern: &str, subject: &str) -> bool {
    let mut asked = pattern.split('.');
    let mut given = subject.split('.');
    loop {
        match (asked.next(), given.next()) {
            (Some(">"), Some(_)) => return true,
            (Some("*"), Some(_)) => {}
            (Some(a), Some(b)) if a == b => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::takes;

    #[test]
    fn subjects_match_as_in_nats() {
        for (pattern, subject, is) in [
            ("gig.posted", "gig.posted", true),
            ("gig.posted", "gig.paused", false),
            ("gig.*", "gig.paused", true),
            ("gig.*", "gig.a.b", false),
            ("gig.*", "gig", false),
            ("gig.>", "gig.a.b", true),
            (">", "gig.a", true),
            ("*.posted", "gig.posted", true),
        ] {
            assert_eq!(takes(pattern, subject), is, "{pattern} {subject}");
        }
    }
}
