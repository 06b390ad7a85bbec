//! iCalendar (RFC 5545) for bookings, as iTIP messages (RFC 5546) and as a calendar to subscribe to.
//!
//! Times are written in UTC, which every reader converts; a zone's rules that change later move nothing.

use chrono::{DateTime, Utc};

/// The longest line, in octets without its end (RFC 5545 §3.1).
const LONGEST: usize = 75;

/// What a message wants (RFC 5546 §1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Here is how it stands.
    Publish,
    /// Put this into your calendar, or change it.
    Request,
    /// Take it out.
    Cancel,
}

impl Method {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "PUBLISH",
            Self::Request => "REQUEST",
            Self::Cancel => "CANCEL",
        }
    }
}

/// How an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not agreed yet.
    Tentative,
    /// Agreed.
    Confirmed,
    /// Off.
    Cancelled,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Tentative => "TENTATIVE",
            Self::Confirmed => "CONFIRMED",
            Self::Cancelled => "CANCELLED",
        }
    }
}

/// Somebody with an address.
#[derive(Clone, Debug)]
pub struct Party {
    /// What they are called.
    pub name: String,
    /// Where mail reaches them.
    pub address: String,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Stays the same for good.
    pub uid: String,
    /// Grows with every change.
    pub sequence: i32,
    /// When this was said.
    pub stamp: DateTime<Utc>,
    /// It begins.
    pub from: DateTime<Utc>,
    /// It ends.
    pub to: DateTime<Utc>,
    /// One line.
    pub summary: String,
    /// More.
    pub description: String,
    /// Where they meet.
    pub url: Option<String>,
    /// How it stands.
    pub status: Status,
    /// Who sends it.
    pub organizer: Party,
    /// To whom it goes, in a message.
    pub attendee: Option<Party>,
}

/// A calendar of these events. `name` is what a subscriber sees.
pub fn calendar(method: Method, name: Option<&str>, entries: &[Entry]) -> String {
    let mut out = Lines::default();
    out.line("BEGIN:VCALENDAR");
    out.line("VERSION:2.0");
    out.line("PRODID:-//Gigsy//Mentorship//EN");
    out.line("CALSCALE:GREGORIAN");
    out.line(&format!("METHOD:{}", method.as_str()));
    if let Some(name) = name {
        out.line(&format!("NAME:{}", text(name)));
        out.line(&format!("X-WR-CALNAME:{}", text(name)));
        // RFC 7986 §5.7: how often it is worth asking.
        out.line("REFRESH-INTERVAL;VALUE=DURATION:PT1H");
    }
    for entry in entries {
        out.line("BEGIN:VEVENT");
        out.line(&format!("UID:{}", text(&entry.uid)));
        out.line(&format!("SEQUENCE:{}", entry.sequence));
        out.line(&format!("DTSTAMP:{}", instant(entry.stamp)));
        out.line(&format!("DTSTART:{}", instant(entry.from)));
        out.line(&format!("DTEND:{}", instant(entry.to)));
        out.line(&format!("SUMMARY:{}", text(&entry.summary)));
        if !entry.description.is_empty() {
            out.line(&format!("DESCRIPTION:{}", text(&entry.description)));
        }
        if let Some(url) = &entry.url {
            out.line(&format!("LOCATION:{}", text(url)));
            out.line(&format!("URL:{}", uri(url)));
        }
        out.line(&format!("STATUS:{}", entry.status.as_str()));
        out.line(&format!(
            "TRANSP:{}",
            if entry.status == Status::Cancelled { "TRANSPARENT" } else { "OPAQUE" }
        ));
        let Party { name, address } = &entry.organizer;
        out.line(&format!("ORGANIZER;CN={}:mailto:{}", parameter(name), uri(address)));
        if let Some(Party { name, address }) = &entry.attendee {
            let part = if entry.status == Status::Confirmed { "ACCEPTED" } else { "NEEDS-ACTION" };
            out.line(&format!(
                "ATTENDEE;CN={};ROLE=REQ-PARTICIPANT;PARTSTAT={part}:mailto:{}",
                parameter(name),
                uri(address)
            ));
        }
        out.line("END:VEVENT");
    }
    out.line("END:VCALENDAR");
    out.0
}

fn instant(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%SZ").to_string()
}

/// A TEXT value (RFC 5545 §3.3.11).
fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.replace("\r\n", "\n").chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            // Nothing else below the blank may stand in a value, but for the tab.
            c if c.is_control() && c != '\t' => {}
            c => out.push(c),
        }
    }
    out
}

/// A quoted parameter value: it knows no escape for a quote (§3.2).
fn parameter(value: &str) -> String {
    let kept: String =
        value.chars().map(|c| if c == '"' { '\'' } else { c }).filter(|c| !c.is_control()).collect();
    format!("\"{kept}\"")
}

/// A value that is no TEXT: only what could end the line is taken out.
fn uri(value: &str) -> String {
    value.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// Writes a content line, folded between characters.
    fn line(&mut self, line: &str) {
        let mut room = LONGEST;
        for c in line.chars() {
            if c.len_utf8() > room {
                self.0.push_str("\r\n ");
                room = LONGEST - 1;
            }
            self.0.push(c);
            room -= c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(summary: &str, description: &str, name: &str) -> Entry {
        let at: DateTime<Utc> = "2027-03-28T01:30:00Z".parse().unwrap();
        Entry {
            uid: "018f@gigsy.example.org".into(),
            sequence: 3,
            stamp: at,
            from: at,
            to: at + chrono::Duration::hours(1),
            summary: summary.into(),
            description: description.into(),
            url: Some("https://meet.example.org/a?b=1,2;c".into()),
            status: Status::Confirmed,
            organizer: Party { name: name.into(), address: "no-reply@example.org".into() },
            attendee: Some(Party { name: name.into(), address: "lina@example.org".into() }),
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_out_of_its_line(summary in ".{0,200}", description in "(?s).{0,400}", name in ".{0,80}") {
            let made = calendar(Method::Request, Some(&summary), &[entry(&summary, &description, &name)]);
            prop_assert!(made.ends_with("END:VCALENDAR\r\n"));
            for line in made.split_terminator("\r\n") {
                prop_assert!(line.len() <= LONGEST && !line.contains(['\r', '\n']), "{line:?}");
            }
            let whole = made.replace("\r\n ", "");
            let count = |start: &str| whole.split("\r\n").filter(|line| line.starts_with(start)).count();
            for once in ["UID:", "SEQUENCE:", "DTSTART:", "DTEND:", "ATTENDEE;", "BEGIN:VEVENT", "METHOD:"] {
                prop_assert_eq!(count(once), 1, "{}", once);
            }
        }
    }

    #[test]
    fn times_are_utc_and_texts_escaped() {
        let made = calendar(Method::Cancel, None, &[entry("a, b; c\\d", "one\r\ntwo", "Ann \"A\"")]);
        for part in [
            "METHOD:CANCEL\r\n",
            "DTSTART:20270328T013000Z\r\n",
            "SUMMARY:a\\, b\\; c\\\\d\r\n",
            "DESCRIPTION:one\\ntwo\r\n",
            "SEQUENCE:3\r\n",
            "ORGANIZER;CN=\"Ann 'A'\":mailto:no-reply@example.org\r\n",
        ] {
            assert!(made.contains(part), "{part:?} in\n{made}");
        }
    }
}
