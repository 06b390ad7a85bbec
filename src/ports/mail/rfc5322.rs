//! A letter as an Internet message (RFC 5322) with a text and an HTML part (RFC 2046 §5.1.4), and an
//! invitation where there is one (RFC 6047).

use lettre::{
    Address, Message,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};

use super::{Letter, MailError};

/// The sender's name, where the operator gives none.
const NAME: &str = "Gigsy";

/// Whom mails come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Sender {
    /// An address, or a name and one: `Gigsy <no-reply@example.org>`.
    pub fn parse(text: &str) -> Option<Self> {
        let mailbox: Mailbox = text.trim().parse().ok()?;
        let Mailbox { name, email } = mailbox;
        Some(Self(Mailbox::new(Some(name.unwrap_or_else(|| NAME.into())), email)))
    }

    /// `no-reply@` the host of `public_url`.
    pub fn of(public_url: &str) -> Self {
        let domain = match url::Url::parse(public_url).as_ref().map(url::Url::host) {
            Ok(Some(url::Host::Domain(name))) if name.contains('.') => name.to_owned(),
            // RFC 6761 §6.3: never anybody's.
            _ => "gigsy.localhost".to_owned(),
        };
        let made = Address::new("no-reply", &domain);
        let address = made.unwrap_or_else(|_| Address::new_dangerous("no-reply", "gigsy.localhost"));
        Self(Mailbox::new(Some(NAME.into()), address))
    }

    /// What stands behind the @.
    pub fn domain(&self) -> &str {
        self.0.email.domain()
    }
}

/// The whole message, headers and body.
pub(super) fn compose(letter: &Letter, sender: &Sender) -> Result<Message, MailError> {
    let malformed = |e: Box<dyn std::error::Error + Send + Sync>| MailError::Malformed(e);
    let to = letter.to.parse::<Address>().map_err(|e| malformed(e.into()))?;
    let mut message = Message::builder()
        .from(sender.0.clone())
        .to(Mailbox::new(None, to))
        .subject(&letter.subject)
        .message_id(Some(format!("<{}@{}>", letter.id.simple(), sender.domain())))
        .multipart(parts(letter)?)
        .map_err(|e| malformed(e.into()))?;
    let headers = message.headers_mut();
    // RFC 3834: no vacation notes in return.
    headers.insert_raw(HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".into(),
    ));
    if let Some(link) = &letter.unsubscribe {
        let url = url::Url::parse(link).map_err(|e| malformed(e.into()))?;
        // A URL is ASCII without blanks, and must stand in one piece (RFC 2369 §2).
        let value = format!("<{url}>");
        headers.insert_raw(HeaderValue::dangerous_new_pre_encoded(
            HeaderName::new_from_ascii_str("List-Unsubscribe"),
            value.clone(),
            value,
        ));
        headers.insert_raw(HeaderValue::new(
            HeaderName::new_from_ascii_str("List-Unsubscribe-Post"),
            "List-Unsubscribe=One-Click".into(),
        ));
    }
    Ok(message)
}

/// Text and HTML; with an invitation also that, once for programs that act on it and once as a file for
/// those that do not.
fn parts(letter: &Letter) -> Result<MultiPart, MailError> {
    let Some(calendar) = &letter.calendar else {
        return Ok(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()));
    };
    let method = calendar.lines().find_map(|line| line.strip_prefix("METHOD:")).unwrap_or("PUBLISH");
    let kind = |text: &str| ContentType::parse(text).map_err(|error| MailError::Malformed(error.into()));
    // RFC 6047 §2.4: the type names the method that is in the object.
    let acted_on = kind(&format!("text/calendar; charset=utf-8; method={method}"))?;
    let shown = MultiPart::alternative()
        .singlepart(SinglePart::plain(letter.text.clone()))
        .singlepart(SinglePart::html(letter.html.clone()))
        .singlepart(SinglePart::builder().header(acted_on).body(calendar.clone()));
    let file = Attachment::new("invite.ics".to_owned()).body(calendar.clone(), kind("application/ics")?);
    Ok(MultiPart::mixed().multipart(shown).singlepart(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_an_address_perhaps_with_a_name() {
        assert_eq!(Sender::parse("a@x.org").unwrap().domain(), "x.org");
        assert_eq!(Sender::parse("Us <a@x.org>").unwrap().0.name.as_deref(), Some("Us"));
        for bad in ["", "nobody", "a@x.org\r\nBcc: b@x.org"] {
            assert!(Sender::parse(bad).is_none(), "{bad:?}");
        }
        assert_eq!(Sender::of("https://gigsy.example.org").domain(), "gigsy.example.org");
        assert_eq!(Sender::of("http://127.0.0.1:8080").domain(), "gigsy.localhost");
    }
}
