//! Slots against Python's `zoneinfo`, which walks the wall clock a quarter of an hour at a time.

use std::process::Stdio;

use chrono::{DateTime, Duration, NaiveDate};
use chrono_tz::Tz;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::{
    contexts::career::{
        Calendar, Exception, Rule, WallTime, Window,
        slots::{self, Span, Terms},
    },
    tests::support::{
        sdk::{root, venv},
        skip::skip,
    },
};

/// Gaps and folds of an hour, of half an hour, at midnight, across the date line; odd offsets; none.
const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Lisbon",
    "Europe/Sofia",
    "America/New_York",
    "America/Los_Angeles",
    "America/St_Johns",
    "America/Havana",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/Phoenix",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Australia/Sydney",
    "Pacific/Auckland",
    "Pacific/Chatham",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Atlantic/Azores",
    "Africa/Cairo",
    "Africa/Lagos",
    "Antarctica/Troll",
    "America/Asuncion",
    "Asia/Tehran",
    "Pacific/Easter",
];
/// Around these dates of 2023 and 2024 clocks change somewhere; both databases have known them for long.
const DATES: &[(i32, u32, u32)] = &[
    (2023, 3, 12),
    (2023, 3, 26),
    (2023, 4, 2),
    (2023, 9, 3),
    (2023, 9, 24),
    (2023, 10, 1),
    (2023, 10, 29),
    (2023, 11, 5),
    (2024, 3, 10),
    (2024, 3, 31),
    (2024, 4, 7),
    (2024, 4, 26),
    (2024, 9, 8),
    (2024, 10, 6),
    (2024, 10, 27),
    (2024, 11, 3),
    (2024, 2, 29),
    (2023, 12, 31),
    (2024, 6, 15),
];

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).rotate_left(17) % n
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn window(&mut self) -> Window {
        // Often in the small hours, where clocks change.
        let span = if self.below(2) == 0 { 24 } else { 96 };
        let quarter = |n: u64| WallTime::of_minutes(u16::try_from(n * 15).unwrap()).unwrap();
        let from = self.below(span);
        let to = from + 1 + self.below((96 - from).min(24));
        Window { from: quarter(from), to: quarter(to) }
    }
}

fn case(dice: &mut Dice) -> Value {
    let zone = dice.of(ZONES);
    let (year, month, day) = dice.of(DATES);
    let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
    let mut calendar = Calendar::default();
    for weekday in 1..=7 {
        if dice.below(4) > 0 {
            let Window { from, to } = dice.window();
            calendar.rules.push(Rule { weekday, from, to });
        }
    }
    for offset in -1..=1 {
        if dice.below(3) == 0 {
            let windows = (0..dice.below(3)).map(|_| dice.window()).collect();
            calendar.exceptions.push(Exception { date: date + Duration::days(offset), windows });
        }
    }
    let (length, every) = (dice.of(&[15, 30, 45, 60, 90]), dice.of(&[15, 30, 60, 75]));
    let terms = Terms {
        length: Duration::minutes(length),
        every: Duration::minutes(every),
        before: Duration::zero(),
        after: Duration::zero(),
        notice: Duration::zero(),
        horizon: Duration::days(60),
    };
    let noon = date.and_hms_opt(12, 0, 0).unwrap().and_utc();
    let from = noon - Duration::hours(36) + Duration::minutes(15 * i64::try_from(dice.below(96)).unwrap());
    let asked = Span { from, to: from + Duration::hours(48) };
    let found = slots::slots(zone.parse::<Tz>().unwrap(), &calendar, &terms, asked);
    let stamp = |at: DateTime<chrono::Utc>| at.timestamp();
    json!({
        "zone": zone, "rules": calendar.rules, "exceptions": calendar.exceptions, "length": length, "every": every,
        "from": stamp(asked.from), "to": stamp(asked.to),
        "slots": found.iter().map(|slot| [stamp(slot.from), stamp(slot.to)]).collect::<Vec<_>>(),
    })
}

#[tokio::test]
async fn slots_are_those_that_pythons_zoneinfo_finds() {
    let python = venv("python");
    if !python.exists() {
        skip!("slots against zoneinfo", "the Python packages are not installed (scripts/setup-tests)");
    }
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let cases: Vec<Value> = (0..4_000).map(|_| case(&mut dice)).collect();
    let offered: usize = cases.iter().map(|case| case["slots"].as_array().unwrap().len()).sum();
    let mut child = tokio::process::Command::new(python)
        .arg("-B")
        .arg(root().join("src/tests/career/scripts/slots.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = serde_json::to_string(&cases).unwrap();
    let write = tokio::spawn(async move { stdin.write_all(text.as_bytes()).await });
    let done = child.wait_with_output().await.unwrap();
    let _ = write.await;
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    println!("{said}; {offered} slots");
    assert!(said.contains("4000 cases agree") && offered > 10_000, "{said} {offered}");
}
