//! Which boards there are, and the stretches of time that they have.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A board: `global`, `skill:<slug>`, `cohort:<slug>`, `course:<id>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BoardId {
    /// Everybody.
    Global,
    /// What was earned with a skill.
    Skill(String),
    /// Those of a school or cohort.
    Cohort(String),
    /// What was earned in a course.
    Course(Uuid),
}

/// No board is called that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no board is called that")]
pub struct NoBoard;

/// Whether a text is a slug: 1 to 40 lower-case letters, digits and hyphens.
pub fn is_slug(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

impl FromStr for BoardId {
    type Err = NoBoard;

    fn from_str(text: &str) -> Result<Self, NoBoard> {
        match text.split_once(':') {
            None if text == "global" => Ok(Self::Global),
            Some(("skill", slug)) if is_slug(slug) => Ok(Self::Skill(slug.to_owned())),
            Some(("cohort", slug)) if is_slug(slug) => Ok(Self::Cohort(slug.to_owned())),
            // Only the canonical form: a board has one channel.
            Some(("course", id)) => match id.parse::<Uuid>() {
                Ok(course) if course.to_string() == id => Ok(Self::Course(course)),
                _ => Err(NoBoard),
            },
            _ => Err(NoBoard),
        }
    }
}

impl fmt::Display for BoardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => f.write_str("global"),
            Self::Skill(slug) => write!(f, "skill:{slug}"),
            Self::Cohort(slug) => write!(f, "cohort:{slug}"),
            Self::Course(id) => write!(f, "course:{id}"),
        }
    }
}

/// A stretch of time that a board has a ranking for.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Deserialize,
    Serialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Since ever.
    #[default]
    All,
    /// This month.
    Month,
    /// This week, from Monday.
    Week,
    /// Today.
    Day,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 4] = [Self::All, Self::Month, Self::Week, Self::Day];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
        }
    }

    /// The window of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.as_str() == name)
    }

    /// The window's stretch that `now` is in, in the boards' zone.
    pub fn span(self, now: DateTime<Utc>, zone: Tz) -> Span {
        let today = now.with_timezone(&zone).date_naive();
        let (first, next) = match self {
            Self::All => return Span { from: None, to: None },
            Self::Day => (today, today + Days::new(1)),
            Self::Week => {
                let monday = today - Days::new(u64::from(today.weekday().num_days_from_monday()));
                (monday, monday + Days::new(7))
            }
            Self::Month => {
                let first = today.with_day(1).unwrap_or(today);
                (first, first + chrono::Months::new(1))
            }
        };
        Span { from: Some(begin(first, zone)), to: Some(begin(next, zone)) }
    }
}

/// From when (inclusive) to when (exclusive).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// `None`: from ever.
    pub from: Option<DateTime<Utc>>,
    /// `None`: for ever.
    pub to: Option<DateTime<Utc>>,
}

impl Span {
    /// Whether a moment is in it.
    pub fn holds(&self, at: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

/// The first moment of a date in a zone. Midnight is doubled in some zones when clocks go back, and
/// missing when they go forward: the first one, and the first moment after the gap.
pub fn begin(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let mut local = date.and_time(chrono::NaiveTime::MIN);
    for _ in 0..=96 {
        match zone.from_local_datetime(&local) {
            MappedLocalTime::Single(at) | MappedLocalTime::Ambiguous(at, _) => return at.with_timezone(&Utc),
            MappedLocalTime::None => local += TimeDelta::minutes(15),
        }
    }
    // A whole day is missing: the day after begins when the day before ended.
    zone.from_utc_datetime(&local).with_timezone(&Utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_canonical() {
        for good in
            ["global", "skill:rust", "cohort:tu-berlin-26", "course:018f3c1e-7a3b-7c3e-8a3e-9b0d1c2e3f40"]
        {
            assert_eq!(good.parse::<BoardId>().unwrap().to_string(), good);
        }
        for bad in ["", "Global", "skill:", "skill:Rust", "skill:a b", "cohort:-x", "x:y", "global:x"] {
            assert!(bad.parse::<BoardId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn windows_turn_at_local_midnight_also_when_clocks_change() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let at = Utc.with_ymd_and_hms(2026, 3, 29, 12, 0, 0).unwrap();
        let day = Window::Day.span(at, zone);
        assert_eq!(day.to.unwrap() - day.from.unwrap(), TimeDelta::hours(23));
        let week = Window::Week.span(at, zone);
        assert_eq!(week.from.unwrap(), Utc.with_ymd_and_hms(2026, 3, 22, 23, 0, 0).unwrap());
        assert_eq!(week.to.unwrap() - week.from.unwrap(), TimeDelta::hours(7 * 24 - 1));
        let month = Window::Month.span(Utc.with_ymd_and_hms(2026, 10, 31, 22, 30, 0).unwrap(), zone);
        assert_eq!(month.from.unwrap(), Utc.with_ymd_and_hms(2026, 9, 30, 22, 0, 0).unwrap());
        assert_eq!(month.to.unwrap(), Utc.with_ymd_and_hms(2026, 10, 31, 23, 0, 0).unwrap());
        assert!(Window::All.span(at, zone).holds(at));
        // Clocks go forward at midnight in Havana: 8 March 2026 begins at one o'clock.
        let havana: Tz = "America/Havana".parse().unwrap();
        let first = begin(NaiveDate::from_ymd_opt(2026, 3, 8).unwrap(), havana);
        assert_eq!(first, Utc.with_ymd_and_hms(2026, 3, 8, 5, 0, 0).unwrap());
        // A window's end is the next one's beginning, whatever happens in between.
        for zone in [zone, havana, "Pacific/Apia".parse().unwrap(), "America/Sao_Paulo".parse().unwrap()] {
            let mut at = Utc.with_ymd_and_hms(2011, 12, 1, 0, 0, 0).unwrap();
            for _ in 0..60 {
                let now = Window::Day.span(at, zone);
                assert!(now.holds(at), "{zone} {at}");
                let next = Window::Day.span(now.to.unwrap(), zone);
                assert_eq!(next.from, now.to, "{zone} {at}");
                at = now.to.unwrap();
            }
        }
    }
}
