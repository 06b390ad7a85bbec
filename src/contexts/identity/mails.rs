//! The mails that identity sends.
//!
//! None names the person: whoever registers with another's address would otherwise have us deliver
//! a text of their choice. The text is ASCII, so that the link stands unbroken in the raw mail.

use chrono::{DateTime, Utc};

use super::{model::Email, tokens::Token};
use crate::ports::mail::Letter;

/// Asks to prove that the address is theirs.
pub fn verify_email(to: &Email, public_url: &str, token: &Token) -> Letter {
    let link = format!("{public_url}/verify-email?token={}", token.reveal());
    letter(
        to,
        "Confirm your e-mail address",
        "Welcome to Gigsy! Please confirm that this address is yours.",
        Some(("Confirm the address", &link)),
        "The link works once and for two days. If you did not register, ignore this mail.",
    )
}

/// Lets them set a new password.
pub fn reset_password(to: &Email, public_url: &str, token: &Token) -> Letter {
    let link = format!("{public_url}/reset-password?token={}", token.reveal());
    letter(
        to,
        "Set a new password",
        "Somebody, we hope you, asked to set a new password for your Gigsy account.",
        Some(("Set a new password", &link)),
        "The link works once and for one hour. If it was not you, ignore this mail: your password stays as it is.",
    )
}

/// Tells that the password is another one now.
pub fn password_changed(to: &Email, public_url: &str) -> Letter {
    let link = format!("{public_url}/reset-password");
    letter(
        to,
        "Your password was changed",
        "The password of your Gigsy account was changed, and other devices were signed out.",
        Some(("Reset the password", &link)),
        "If it was not you, reset the password now.",
    )
}

/// Tells that the account is going to be erased.
pub fn deletion_scheduled(to: &Email, public_url: &str, due_at: DateTime<Utc>) -> Letter {
    letter(
        to,
        "Your account will be deleted",
        &format!("Your Gigsy account will be deleted on {}.", due_at.format("%Y-%m-%d at %H:%M UTC")),
        Some(("Sign in to keep it", public_url)),
        "Until then you can sign in and take the deletion back.",
    )
}

fn letter(to: &Email, subject: &str, opening: &str, link: Option<(&str, &str)>, closing: &str) -> Letter {
    let (mut text_link, mut html_link) = (String::new(), String::new());
    if let Some((label, url)) = link {
        text_link = format!("{label}:\n{url}\n\n");
        html_link = format!("<p><a href=\"{0}\">{1}</a></p>\n<p>{0}</p>\n", escape(url), escape(label));
    }
    Letter {
        id: uuid::Uuid::now_v7(),
        // Nobody may end mails about their own account.
        unsubscribe: None,
        calendar: None,
        to: to.to_string(),
        subject: subject.to_owned(),
        text: format!("{opening}\n\n{text_link}{closing}\n\nGigsy\n"),
        html: format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\n\
             <body>\n<p>{}</p>\n{html_link}<p>{}</p>\n<p>Gigsy</p>\n</body></html>\n",
            escape(subject),
            escape(opening),
            escape(closing),
        ),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts::identity::tokens::TokenKind;

    #[test]
    fn the_link_stands_whole_in_the_text() {
        let to = Email::parse("lina@example.org").unwrap();
        let token = Token::fresh(TokenKind::Link).unwrap();
        let letter = verify_email(&to, "https://gigsy.example.org", &token);
        let line = format!("https://gigsy.example.org/verify-email?token={}", token.reveal());
        assert!(letter.text.lines().any(|l| l == line));
        assert!(letter.text.is_ascii() && letter.html.contains(&line));
        assert!(letter.text.lines().all(|l| l.len() < 140));
    }
}
