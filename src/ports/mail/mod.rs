//! Sending mail.
//!
//! A [`Letter`] goes to files ([`FileMail`], the default) or to a mail server ([`SmtpMail`]). What must
//! not be lost between a cause and its mail is written as a row in the cause's transaction
//! ([`MailQueue`]); a worker hands it over.

mod files;
mod metrics;
mod queue;
mod rfc5322;
mod smtp;

use async_trait::async_trait;
use uuid::Uuid;

pub use files::FileMail;
pub use metrics::MailMetrics;
pub use queue::{DeadMail, MailQueue, MailReport, QueueSettings, forget_address};
pub use rfc5322::Sender;
pub use smtp::{SmtpMail, SmtpSettings, SmtpSetupError};

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Becomes the Message-ID: a letter that is sent again is known to be the same.
    pub id: Uuid,
    /// The address it goes to.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The plain text, for every reader.
    pub text: String,
    /// The same as HTML; whatever was put into it is already escaped.
    pub html: String,
    /// Where one click ends mails of this sort (RFC 8058), for mails that one may end.
    pub unsubscribe: Option<String>,
    /// An iCalendar object for the reader's calendar (RFC 6047).
    pub calendar: Option<String>,
}

impl std::fmt::Debug for Letter {
    // The body holds links that let people in: it must not get into a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).finish_non_exhaustive()
    }
}

/// Why a mail was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The letter makes no valid mail.
    #[error("the mail could not be composed")]
    Malformed(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The mail server will never take it: no such mailbox, say.
    #[error("the mail was refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The place it goes to cannot take it at the moment. A mail server may have taken it all the
    /// same, if it was the answer that got lost.
    #[error("the mail could not be handed over")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl MailError {
    /// Whether another attempt may succeed.
    pub const fn temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// Takes letters. When `send` has returned, the letter outlives a crash of this process.
#[async_trait]
pub trait Mail: Send + Sync {
    /// Hands one over. The same letter (by its id) may be handed over again: files take it once, a
    /// mail server sees the same Message-ID.
    ///
    /// # Errors
    /// Nothing was sent, as far as one can know.
    async fn send(&self, letter: Letter) -> Result<(), MailError>;
}
