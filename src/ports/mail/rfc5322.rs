//! A letter as an Internet message (RFC 5322) with a text and an HTML part (RFC 2046 §5.1.4).

use lettre::{
    Message,
    message::{Mailbox, MultiPart},
};

use super::{Letter, MailError};

/// The sender's name.
const SENDER: &str = "Gigsy";

/// The whole message, headers and body.
pub(super) fn compose(letter: &Letter, domain: &str, id: uuid::Uuid) -> Result<Vec<u8>, MailError> {
    let malformed = |e: Box<dyn std::error::Error + Send + Sync>| MailError::Malformed(e);
    let from = lettre::Address::new("no-reply", domain).map_err(|e| malformed(e.into()))?;
    let to = letter.to.parse::<lettre::Address>().map_err(|e| malformed(e.into()))?;
    let message = Message::builder()
        .from(Mailbox::new(Some(SENDER.into()), from))
        .to(Mailbox::new(None, to))
        .subject(&letter.subject)
        .message_id(Some(format!("<{}@{domain}>", id.simple())))
        .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
        .map_err(|e| malformed(e.into()))?;
    Ok(message.formatted())
}
