//! Streaks: days in a row on which somebody did something, with freezes for days missed.
//!
//! A function of the active days and of today, nothing else: so the order in which events arrive, and how
//! often, cannot matter. A day is a date in the person's own zone when it happened; the length of the day
//! (23 or 25 hours where clocks change) does not come into it.
//!
//! - A streak's length is its number of active days.
//! - Every seventh active day of a streak earns a freeze; two can be held.
//! - A gap that the freezes at hand cover costs one for each day missed, and the streak goes on. A longer
//!   gap ends it and costs none.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;

/// Active days that earn a freeze.
const EARNED_EVERY: i32 = 7;
/// Freezes that can be held.
const HELD_AT_MOST: i32 = 2;

/// Where somebody stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Streak {
    /// Active days of the streak that is alive today; 0 if none is.
    pub current: i32,
    /// The longest ever.
    pub longest: i32,
    /// Freezes at hand, those that the days missed up to today will cost taken off.
    pub freezes: i32,
    /// The last active day.
    pub last: Option<NaiveDate>,
}

/// The date of a moment where the person is.
pub fn local_date(at: DateTime<Utc>, zone: Tz) -> NaiveDate {
    at.with_timezone(&zone).date_naive()
}

/// The streak of these days, ascending and each once, as of `today`. Days after today count too: whoever
/// moved to a zone further west has been in tomorrow.
pub fn streak(days: &[NaiveDate], today: NaiveDate) -> Streak {
    let mut now = Streak::default();
    for &day in days {
        match now.last {
            Some(last) => now = bridge(now, missed(last, day)),
            None => now.current = 0,
        }
        now.current += 1;
        if now.current % EARNED_EVERY == 0 {
            now.freezes = (now.freezes + 1).min(HELD_AT_MOST);
        }
        now.longest = now.longest.max(now.current);
        now.last = Some(day);
    }
    // Today itself is not missed before it is over.
    if let Some(last) = now.last {
        now = bridge(now, missed(last, today));
    }
    now
}

/// Whole days strictly between two.
fn missed(last: NaiveDate, day: NaiveDate) -> i32 {
    (day.num_days_from_ce() - last.num_days_from_ce() - 1).max(0)
}

fn bridge(mut streak: Streak, missed: i32) -> Streak {
    if missed <= streak.freezes {
        streak.freezes -= missed;
    } else {
        streak.current = 0;
    }
    streak
}

#[cfg(test)]
mod tests {
    use chrono::{Days, TimeZone};
    use proptest::prelude::*;

    use super::*;

    fn day(n: u64) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 1).unwrap() + Days::new(n)
    }

    fn of(days: &[u64], today: u64) -> (i32, i32, i32) {
        let days: Vec<_> = days.iter().map(|n| day(*n)).collect();
        let streak = streak(&days, day(today));
        (streak.current, streak.longest, streak.freezes)
    }

    #[test]
    fn days_in_a_row_count_until_one_is_missed() {
        assert_eq!(of(&[], 3), (0, 0, 0));
        assert_eq!(of(&[0, 1, 2], 2), (3, 3, 0));
        assert_eq!(of(&[0, 1, 2], 3), (3, 3, 0), "today is not over yet");
        assert_eq!(of(&[0, 1, 2], 4), (0, 3, 0));
        assert_eq!(of(&[0, 1, 3], 3), (1, 2, 0));
    }

    #[test]
    fn a_freeze_is_earned_in_seven_days_and_covers_one() {
        let week: Vec<u64> = (0..7).collect();
        assert_eq!(of(&week, 6), (7, 7, 1));
        assert_eq!(of(&week, 8), (7, 7, 0), "day 7 was missed and is covered");
        assert_eq!(of(&week, 9), (0, 7, 1), "two missed are not, and cost none");
        let mut on = week.clone();
        on.push(8);
        assert_eq!(of(&on, 8), (8, 8, 0));
        let month: Vec<u64> = (0..28).collect();
        assert_eq!(of(&month, 27), (28, 28, 2), "two at most");
        assert_eq!(of(&month, 30), (28, 28, 0));
    }

    #[test]
    fn a_day_is_a_date_where_the_person_is_also_when_clocks_change() {
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        // 29 March 2026 has 23 hours, 25 October 25.
        for (y, m, d) in [(2026, 3, 28), (2026, 10, 24)] {
            let first = NaiveDate::from_ymd_opt(y, m, d).unwrap();
            let mut days = Vec::new();
            for n in 0..3 {
                // Half an hour before midnight, there.
                let local = (first + Days::new(n)).and_hms_opt(23, 30, 0).unwrap();
                let at = zone.from_local_datetime(&local).unwrap().with_timezone(&Utc);
                days.push(local_date(at, zone));
            }
            assert_eq!(days, [first, first + Days::new(1), first + Days::new(2)]);
            assert_eq!(streak(&days, days[2]).current, 3);
        }
        // The same moment is another day elsewhere.
        let at = Utc.with_ymd_and_hms(2026, 3, 28, 23, 30, 0).unwrap();
        assert_eq!(local_date(at, Tz::UTC).day(), 28);
        assert_eq!(local_date(at, zone).day(), 29);
        // Samoa had no 30 December 2011: nobody can be active on it, and one freeze carries over it.
        let apia: Tz = "Pacific/Apia".parse().unwrap();
        let before = Utc.with_ymd_and_hms(2011, 12, 30, 9, 0, 0).unwrap();
        let after = Utc.with_ymd_and_hms(2011, 12, 30, 11, 0, 0).unwrap();
        assert_eq!((local_date(before, apia).day(), local_date(after, apia).day()), (29, 31));
    }

    proptest! {
        #[test]
        fn its_numbers_stay_within_their_bounds(
            days in proptest::collection::btree_set(0..120u64, 0..60), today in 0..130u64,
        ) {
            let list: Vec<_> = days.iter().map(|n| day(*n)).collect();
            let streak = streak(&list, day(today));
            prop_assert!(0 <= streak.current && streak.current <= streak.longest);
            prop_assert!(streak.longest <= list.len() as i32);
            prop_assert!((0..=HELD_AT_MOST).contains(&streak.freezes));
            // Without a gap at all there is one streak.
            let row: Vec<_> = (0..=today).map(day).collect();
            prop_assert_eq!(super::streak(&row, day(today)).current, today as i32 + 1);
        }
    }
}
