//! When a mail is due: digests and quiet hours, in the person's own zone.
//!
//! Clocks are put forward and back. A local time that a day does not have stands for the first moment
//! after the gap; one that a day has twice, for the first of them.

use chrono::{
    DateTime, Duration, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Timelike, Utc,
};
use chrono_tz::Tz;

use super::model::{Digest, Preferences, QuietHours};

/// How far clocks are ever put: past it a gap must have ended (in 2011 Samoa left out a day).
const WIDEST_GAP: i64 = 26;

/// The first and the last moment at which clocks show `local`; the same unless clocks are put back.
fn moments(zone: Tz, local: NaiveDateTime) -> (DateTime<Utc>, DateTime<Utc>) {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(at) => (at.to_utc(), at.to_utc()),
        LocalResult::Ambiguous(a, b) => {
            let (a, b) = (a.to_utc(), b.to_utc());
            (a.min(b), a.max(b))
        }
        LocalResult::None => {
            let at = after_gap(zone, local);
            (at, at)
        }
    }
}

/// The first moment after the gap that holds `local`.
fn after_gap(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    let offset = |at: NaiveDateTime| zone.offset_from_utc_datetime(&at).fix().local_minus_utc();
    // By the clock as it was before the gap, `local` is some time after the gap's beginning. Zones are
    // at most 14 hours from UTC, so a day and a half before is before the gap.
    let mut before = local - Duration::hours(WIDEST_GAP + 14);
    let mut after = local + Duration::hours(WIDEST_GAP);
    // Of several changes in that window, the one that leaves `local` out is where local time jumps
    // across it.
    let shows = |at: NaiveDateTime| at + Duration::seconds(i64::from(offset(at)));
    while after - before > Duration::seconds(1) {
        let middle = before + (after - before) / 2;
        let middle = middle.with_nanosecond(0).unwrap_or(middle);
        if middle <= before {
            break;
        }
        if shows(middle) < local {
            before = middle;
        } else {
            after = middle;
        }
    }
    after.with_nanosecond(0).unwrap_or(after).and_utc()
}

impl QuietHours {
    /// Whether clocks in `zone` show a quiet time at `at`. From is quiet, to is not.
    pub fn hold(&self, zone: Tz, at: DateTime<Utc>) -> bool {
        let local = at.with_timezone(&zone).time();
        if self.from < self.to {
            (self.from..self.to).contains(&local)
        } else {
            local >= self.from || local < self.to
        }
    }

    /// The first moment after `at`, which is quiet, when clocks show the end of the quiet hours.
    pub fn end(&self, zone: Tz, at: DateTime<Utc>) -> DateTime<Utc> {
        let today = at.with_timezone(&zone).date_naive();
        let ends = days_around(today).flat_map(|day| {
            let (first, last) = moments(zone, day.and_time(self.to));
            [first, last]
        });
        ends.filter(|end| *end > at && !self.hold(zone, *end)).min().unwrap_or(at)
    }
}

fn days_around(day: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    (-1..=3).filter_map(move |n| day.checked_add_signed(Duration::days(n)))
}

/// The first full hour by the clocks of `zone` after `at`.
fn next_hour(zone: Tz, at: DateTime<Utc>) -> DateTime<Utc> {
    let local = at.with_timezone(&zone);
    let into = Duration::minutes(i64::from(local.minute())) + Duration::seconds(i64::from(local.second()));
    let begun = at - into;
    begun.with_nanosecond(0).unwrap_or(begun) + Duration::hours(1)
}

/// The first time after `at` that a day's clocks show `hour`: once a day.
fn next_day(zone: Tz, hour: u32, at: DateTime<Utc>) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour.min(23), 0, 0).unwrap_or_default();
    let today = at.with_timezone(&zone).date_naive();
    let due = days_around(today).map(|day| moments(zone, day.and_time(time)).0);
    due.filter(|due| *due > at).min().unwrap_or(at + Duration::days(1))
}

/// When what happens at `now` is to be mailed. `wait` is how long a mail waits at least.
pub fn due(preferences: &Preferences, now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    let zone = preferences.tz();
    let ready = now + wait;
    let due = match preferences.digest {
        Digest::Immediate => ready,
        Digest::Hourly => next_hour(zone, ready),
        Digest::Daily => next_day(zone, u32::from(preferences.digest_hour), ready),
    };
    after_quiet(preferences, due)
}

/// `at`, or the end of the quiet hours it lies in.
pub fn after_quiet(preferences: &Preferences, at: DateTime<Utc>) -> DateTime<Utc> {
    let zone = preferences.tz();
    match &preferences.quiet_hours {
        Some(quiet) if quiet.hold(zone, at) => quiet.end(zone, at),
        _ => at,
    }
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
