//! Notifications as mails: a text and an HTML part of the same. Plain functions; what people wrote is
//! escaped where it becomes HTML.

use std::fmt::Write as _;

use uuid::Uuid;

use super::model::Digest;
use crate::ports::mail::Letter;

/// One notification in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What happened.
    pub title: String,
    /// Perhaps a sentence more.
    pub body: String,
    /// Who did it.
    pub actor: Option<String>,
    /// A whole URL.
    pub url: String,
}

/// The most notifications that one mail tells one by one.
const SHOWN: usize = 50;

/// The mail.
pub fn letter(id: Uuid, to: &str, lines: &[Line], digest: Digest, home: &str, unsubscribe: &str) -> Letter {
    let subject = match (lines, digest) {
        ([one], _) => one.title.clone(),
        (many, Digest::Daily) => format!("Your day on Gigsy: {} notifications", many.len()),
        (many, _) => format!("{} new notifications", many.len()),
    };
    let mut text = String::new();
    let mut list = String::new();
    for line in lines.iter().take(SHOWN) {
        let actor = line.actor.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let body = if line.body.is_empty() { String::new() } else { format!("\n{}", line.body) };
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{actor}{body}\n{}\n\n", line.title, line.url);
        let body = if line.body.is_empty() { String::new() } else { format!("<br>{}", escape(&line.body)) };
        let _ = writeln!(
            list,
            "<p><a href=\"{}\"><b>{}</b></a>{}{body}</p>",
            escape(&line.url),
            escape(&line.title),
            escape(&actor)
        );
    }
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        let _ = write!(text, "And {more} more: {home}\n\n");
        let _ = writeln!(list, "<p>And <a href=\"{}\">{more} more</a>.</p>", escape(home));
    }
    Letter {
        id,
        to: to.to_owned(),
        text: format!("{text}--\nGigsy, {home}\nNo more such mails: {unsubscribe}\n"),
        html: format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title></head>\n<body>\n\
             {list}<hr>\n<p><a href=\"{}\">Gigsy</a> · <a href=\"{}\">No more such mails</a></p>\n</body></html>\n",
            escape(&subject),
            escape(home),
            escape(unsubscribe),
        ),
        subject,
        unsubscribe: Some(unsubscribe.to_owned()),
        calendar: None,
    }
}

/// Text as HTML, within elements and quoted attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(title: &str) -> Line {
        Line { title: title.into(), body: String::new(), actor: None, url: "https://x.org/#gig/1".into() }
    }

    #[test]
    fn what_people_wrote_stays_text() {
        let sly = Line {
            actor: Some("<b>\"Eve\"</b>".into()),
            ..line("An offer for “<script>alert('1')</script>”")
        };
        let letter = letter(
            Uuid::now_v7(),
            "a@x.org",
            &[sly],
            Digest::Immediate,
            "https://x.org",
            "https://x.org/u?a=1&b=2",
        );
        assert!(!letter.html.contains("<script") && !letter.html.contains("<b>\"Eve"), "{}", letter.html);
        assert!(
            letter.html.contains("&lt;script&gt;") && letter.html.contains("a=1&amp;b=2"),
            "{}",
            letter.html
        );
        assert!(letter.text.contains("<script>alert('1')</script>"), "{}", letter.text);
        assert_eq!(letter.subject, "An offer for “<script>alert('1')</script>”");
        assert_eq!(letter.unsubscribe.as_deref(), Some("https://x.org/u?a=1&b=2"));
    }

    #[test]
    fn a_digest_says_how_many_and_shows_a_bounded_number() {
        let lines: Vec<Line> = (0..60).map(|n| line(&format!("Thing {n}"))).collect();
        let letter =
            letter(Uuid::now_v7(), "a@x.org", &lines, Digest::Daily, "https://x.org", "https://x.org/u");
        assert_eq!(letter.subject, "Your day on Gigsy: 60 notifications");
        assert!(letter.text.contains("Thing 49") && !letter.text.contains("Thing 50"));
        assert!(letter.text.contains("And 10 more") && letter.html.contains("10 more"));
    }
}
