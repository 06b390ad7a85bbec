//! When a mentor is open: weekly hours and exceptions, in wall-clock time of the mentor's zone.

use std::{fmt, str::FromStr};

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A time of day in whole minutes, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$", example = "09:30")]
pub struct WallTime(u16);

impl WallTime {
    /// So many minutes after midnight; no more than a day.
    pub fn of_minutes(minutes: u16) -> Option<Self> {
        (minutes <= 24 * 60).then_some(Self(minutes))
    }

    /// Minutes after midnight.
    pub fn minutes(self) -> i64 {
        i64::from(self.0)
    }
}

impl FromStr for WallTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = "must be a time of day, as 09:30, up to 24:00";
        let (hours, minutes) = text.split_once(':').ok_or(bad)?;
        let digits = |part: &str| match part.as_bytes() {
            [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(u16::from(a - b'0') * 10 + u16::from(b - b'0')),
            _ => None,
        };
        let (hours, minutes) = digits(hours).zip(digits(minutes)).filter(|(_, m)| *m < 60).ok_or(bad)?;
        Self::of_minutes(hours * 60 + minutes).ok_or(bad)
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// From one time of day to a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Window {
    /// The first minute of it.
    pub from: WallTime,
    /// The first minute after it.
    pub to: WallTime,
}

/// Open at these times on every such day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AvailabilityRule)]
pub struct Rule {
    /// 1 is Monday, 7 Sunday (ISO 8601).
    #[schema(minimum = 1, maximum = 7)]
    pub weekday: u8,
    /// From.
    pub from: WallTime,
    /// To.
    pub to: WallTime,
}

/// Another opening on one date than the weekly rules say; none at all, if there are no windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AvailabilityException)]
pub struct Exception {
    /// Which date.
    pub date: NaiveDate,
    /// Open then instead.
    #[serde(default)]
    #[schema(max_items = 12)]
    pub windows: Vec<Window>,
}

/// All of a mentor's hours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Every week.
    pub rules: Vec<Rule>,
    /// But on these dates.
    pub exceptions: Vec<Exception>,
}

impl Calendar {
    /// The windows of one date, in the order given.
    pub fn windows(&self, date: NaiveDate) -> Vec<Window> {
        if let Some(exception) = self.exceptions.iter().find(|one| one.date == date) {
            return exception.windows.clone();
        }
        let weekday = date.weekday().number_from_monday();
        let on_it = self.rules.iter().filter(|rule| u32::from(rule.weekday) == weekday);
        on_it.map(|rule| Window { from: rule.from, to: rule.to }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_strict_and_survive() {
        for good in ["00:00", "09:30", "23:59", "24:00"] {
            assert_eq!(good.parse::<WallTime>().unwrap().to_string(), good);
        }
        for bad in ["", "9:30", "24:01", "12:60", "12:3a", "1２:00", "12:00:00", "-1:00"] {
            assert!(bad.parse::<WallTime>().is_err(), "{bad}");
        }
    }
}
