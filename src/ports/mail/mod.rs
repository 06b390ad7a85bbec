//! Sending mail.

mod files;
mod rfc5322;

use async_trait::async_trait;

pub use files::FileMail;

/// A mail to one person.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address it goes to.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The plain text, for every reader.
    pub text: String,
    /// The same as HTML; whatever was put into it is already escaped.
    pub html: String,
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
    /// The place it goes to cannot take it at the moment.
    #[error("the mail could not be handed over")]
    Unavailable(#[source] std::io::Error),
}

/// Takes letters. When `send` has returned, the letter outlives a crash of this process.
#[async_trait]
pub trait Mail: Send + Sync {
    /// Hands one over.
    ///
    /// # Errors
    /// Nothing was sent.
    async fn send(&self, letter: Letter) -> Result<(), MailError>;
}
