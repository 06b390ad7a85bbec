//! From wall-clock hours to instants that can be booked.
//!
//! An instant is open if a clock on the mentor's wall shows a time within one of that date's windows.
//! That says all about daylight saving: hours that a gap skips do not exist and offer nothing, hours that
//! a fold repeats are open twice, and a session is always as long as it says. Instants of one window that
//! follow each other are one run; slots begin at its start and then every so many minutes.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::{BookingState, Calendar};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;

/// From an instant to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first after it.
    pub to: DateTime<Utc>,
}

impl Span {
    /// Whether the two have an instant in common.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// How a mentor meets people.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a session lasts.
    pub length: Duration,
    /// From one start to the next.
    pub every: Duration,
    /// Kept free before a session.
    pub before: Duration,
    /// Kept free after it.
    pub after: Duration,
    /// A session is booked at least so long ahead.
    pub notice: Duration,
    /// And at most so long.
    pub horizon: Duration,
}

impl Terms {
    /// A session's time with what is kept free around it.
    pub fn with_buffers(&self, session: Span) -> Span {
        Span { from: session.from - self.before, to: session.to + self.after }
    }
}

/// Times of a zone with one offset from UTC, in seconds: from, to, offset.
fn offsets(zone: Tz, from: i64, to: i64) -> Vec<(i64, i64, i64)> {
    let offset = |at: i64| match DateTime::from_timestamp(at, 0) {
        Some(at) => i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()),
        None => 0,
    };
    let mut spans = Vec::new();
    let (mut begun, mut current, mut at) = (from, offset(from), from);
    while at < to {
        let next = (at + HOUR).min(to);
        let then = offset(next);
        if then != current {
            // The change is after `low` and not after `high`.
            let (mut low, mut high) = (at, next);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                if offset(middle) == current { low = middle } else { high = middle }
            }
            spans.push((begun, high, current));
            (begun, current) = (high, then);
        }
        at = next;
    }
    spans.push((begun, to, current));
    spans
}

/// The runs of open instants whose dates touch the span, in order. A run is whole even where it reaches
/// beyond the span, so that the slots in it are the same whoever asks.
pub fn open(zone: Tz, calendar: &Calendar, asked: Span) -> Vec<Span> {
    let (from, to) = (asked.from.timestamp() - 2 * DAY, asked.to.timestamp() + 2 * DAY);
    let mut runs: BTreeMap<(NaiveDate, usize), Vec<(i64, i64)>> = BTreeMap::new();
    for (begins, ends, offset) in offsets(zone, from, to) {
        let first = (begins + offset).div_euclid(DAY);
        let last = (ends - 1 + offset).div_euclid(DAY);
        for day in first..=last {
            let Some(date) = DateTime::from_timestamp(day * DAY, 0).map(|at| at.date_naive()) else {
                continue;
            };
            for (n, window) in calendar.windows(date).into_iter().enumerate() {
                let a = (day * DAY + window.from.minutes() * 60 - offset).max(begins);
                let b = (day * DAY + window.to.minutes() * 60 - offset).min(ends);
                if a >= b {
                    continue;
                }
                let of_window = runs.entry((date, n)).or_default();
                match of_window.last_mut() {
                    Some(run) if run.1 == a => run.1 = b,
                    _ => of_window.push((a, b)),
                }
            }
        }
    }
    let instant = |at: i64| DateTime::from_timestamp(at, 0).unwrap_or(asked.from);
    let mut all: Vec<Span> =
        runs.into_values().flatten().map(|(a, b)| Span { from: instant(a), to: instant(b) }).collect();
    all.sort_unstable();
    all.retain(|run| run.overlaps(&asked));
    all
}

/// Every slot that begins within the span: by the hours alone, whether taken or not.
pub fn slots(zone: Tz, calendar: &Calendar, terms: &Terms, asked: Span) -> Vec<Span> {
    let mut found = Vec::new();
    if terms.every <= Duration::zero() {
        return found;
    }
    for run in open(zone, calendar, asked) {
        let mut start = run.from;
        while start + terms.length <= run.to && start < asked.to {
            if start >= asked.from {
                found.push(Span { from: start, to: start + terms.length });
            }
            start += terms.every;
        }
    }
    found.sort_unstable();
    // Two windows of one date may offer the same time.
    found.dedup();
    found
}

/// Whether a slot may be booked now: neither too soon nor too far ahead.
pub fn in_time(terms: &Terms, slot: Span, now: DateTime<Utc>) -> bool {
    slot.from >= now + terms.notice && slot.from > now && slot.from <= now + terms.horizon
}

/// How long a time is kept for somebody who has not asked for it yet.
pub const HOLD: Duration = Duration::minutes(10);
/// How long one that was offered from the waiting list is.
pub const OFFER: Duration = Duration::minutes(30);
/// How long a mentor, or who booked, has for an answer; never past the start.
const ANSWER: Duration = Duration::hours(48);
/// A session that nobody said anything about counts as held so long after its end.
const SETTLE: Duration = Duration::hours(24);

/// Until when a booking may stay in `state`, entered at `now`.
pub fn deadline(
    state: BookingState,
    offered: bool,
    session: Span,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    match state {
        BookingState::Held => Some((now + if offered { OFFER } else { HOLD }).min(session.from)),
        BookingState::Requested | BookingState::Proposed => Some((now + ANSWER).min(session.from)),
        BookingState::Confirmed => Some(session.to + SETTLE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts::career::model::{Exception, Rule, Window};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn every_day(from: &str, to: &str) -> Calendar {
        let rule = |weekday| Rule { weekday, from: from.parse().unwrap(), to: to.parse().unwrap() };
        Calendar { rules: (1..=7).map(rule).collect(), exceptions: Vec::new() }
    }

    fn hourly() -> Terms {
        Terms {
            length: Duration::hours(1),
            every: Duration::hours(1),
            before: Duration::zero(),
            after: Duration::zero(),
            notice: Duration::zero(),
            horizon: Duration::days(30),
        }
    }

    fn on(zone: &str, calendar: &Calendar, from: &str, to: &str) -> Vec<String> {
        let span = Span { from: at(from), to: at(to) };
        let zone: Tz = zone.parse().unwrap();
        let local = |slot: Span| slot.from.with_timezone(&zone).format("%H:%M%z").to_string();
        slots(zone, calendar, &hourly(), span).into_iter().map(local).collect()
    }

    #[test]
    fn a_gap_offers_nothing_and_a_fold_offers_its_hours_twice() {
        let night = every_day("01:00", "04:00");
        // Europe/Berlin springs from 02:00 to 03:00 on 28 March 2027.
        let spring = on("Europe/Berlin", &night, "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z");
        assert_eq!(spring, ["01:00+0100", "03:00+0200"]);
        // And falls from 03:00 to 02:00 on 31 October 2027.
        let autumn = on("Europe/Berlin", &night, "2027-10-30T22:00:00Z", "2027-10-31T23:00:00Z");
        assert_eq!(autumn, ["01:00+0200", "02:00+0200", "02:00+0100", "03:00+0100"]);
        let gone =
            on("Europe/Berlin", &every_day("02:00", "03:00"), "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z");
        assert!(gone.is_empty(), "{gone:?}");
    }

    #[test]
    fn an_exception_replaces_a_date_and_a_slot_keeps_its_place_whoever_asks() {
        let mut calendar = every_day("09:00", "12:00");
        let date = NaiveDate::from_ymd_opt(2027, 5, 3).unwrap();
        let window = Window { from: "15:00".parse().unwrap(), to: "16:30".parse().unwrap() };
        calendar.exceptions.push(Exception { date, windows: vec![window] });
        calendar.exceptions.push(Exception { date: date.succ_opt().unwrap(), windows: Vec::new() });
        let shown = on("America/New_York", &calendar, "2027-05-03T00:00:00Z", "2027-05-06T00:00:00Z");
        assert_eq!(shown, ["15:00-0400", "09:00-0400", "10:00-0400", "11:00-0400"]);
        let later = on("America/New_York", &calendar, "2027-05-05T13:30:00Z", "2027-05-05T23:00:00Z");
        assert_eq!(later, ["10:00-0400", "11:00-0400"]);
    }

    #[test]
    fn a_day_that_was_skipped_offers_nothing() {
        // Samoa had no 30 December 2011.
        let shown =
            on("Pacific/Apia", &every_day("09:00", "10:00"), "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z");
        assert_eq!(shown, ["09:00-1000", "09:00+1400", "09:00+1400"]);
    }
}
