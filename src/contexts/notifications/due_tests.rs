use proptest::prelude::*;

use super::*;

const ZONES: [Tz; 8] = [
    Tz::UTC,
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::America__St_Johns,
    Tz::Australia__Lord_Howe,
    Tz::Asia__Kathmandu,
    Tz::Pacific__Apia,
    Tz::Africa__Casablanca,
];

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn time(text: &str) -> NaiveTime {
    NaiveTime::parse_from_str(text, "%H:%M").unwrap()
}

fn quiet(from: &str, to: &str) -> QuietHours {
    QuietHours { from: time(from), to: time(to) }
}

fn preferences(zone: &str, digest: Digest, hour: u8, hours: Option<(&str, &str)>) -> Preferences {
    Preferences {
        zone: zone.into(),
        digest,
        digest_hour: hour,
        quiet_hours: hours.map(|(from, to)| quiet(from, to)),
        ..Preferences::default()
    }
}

/// Event × digest × quiet hours, on days that clocks are put too.
#[test]
fn the_table_of_due_times() {
    use Digest::{Daily, Hourly, Immediate};
    let night = Some(("22:00", "07:00"));
    for (zone, digest, hour, hours, now, expected) in [
        ("UTC", Immediate, 9, None, "2026-03-10T12:34:56Z", "2026-03-10T12:34:56Z"),
        ("UTC", Immediate, 9, night, "2026-03-10T12:34:56Z", "2026-03-10T12:34:56Z"),
        ("UTC", Immediate, 9, night, "2026-03-10T23:00:00Z", "2026-03-11T07:00:00Z"),
        ("UTC", Immediate, 9, night, "2026-03-10T22:00:00Z", "2026-03-11T07:00:00Z"),
        ("UTC", Immediate, 9, night, "2026-03-11T07:00:00Z", "2026-03-11T07:00:00Z"),
        ("UTC", Immediate, 9, Some(("12:00", "13:00")), "2026-03-11T12:30:00Z", "2026-03-11T13:00:00Z"),
        ("UTC", Hourly, 9, None, "2026-03-10T12:34:56Z", "2026-03-10T13:00:00Z"),
        ("UTC", Hourly, 9, None, "2026-03-10T12:00:00Z", "2026-03-10T13:00:00Z"),
        ("UTC", Hourly, 9, night, "2026-03-10T21:30:00Z", "2026-03-11T07:00:00Z"),
        ("Asia/Kathmandu", Hourly, 9, None, "2026-03-10T12:00:00Z", "2026-03-10T12:15:00Z"),
        ("UTC", Daily, 9, None, "2026-03-10T08:59:59Z", "2026-03-10T09:00:00Z"),
        ("UTC", Daily, 9, None, "2026-03-10T09:00:00Z", "2026-03-11T09:00:00Z"),
        ("UTC", Daily, 5, night, "2026-03-10T12:00:00Z", "2026-03-11T07:00:00Z"),
        ("America/New_York", Daily, 9, None, "2026-03-07T15:00:00Z", "2026-03-08T13:00:00Z"),
        // Berlin, 29 March 2026: 02:00 becomes 03:00, that is 01:00 UTC. There is no 02:00.
        ("Europe/Berlin", Daily, 2, None, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", Daily, 2, None, "2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"),
        (
            "Europe/Berlin",
            Immediate,
            9,
            Some(("23:00", "02:30")),
            "2026-03-28T23:30:00Z",
            "2026-03-29T01:00:00Z",
        ),
        ("Europe/Berlin", Immediate, 9, night, "2026-03-28T22:30:00Z", "2026-03-29T05:00:00Z"),
        // Berlin, 25 October 2026: 03:00 becomes 02:00, that is 01:00 UTC. 02:00 is there twice.
        ("Europe/Berlin", Daily, 2, None, "2026-10-24T12:00:00Z", "2026-10-25T00:00:00Z"),
        ("Europe/Berlin", Daily, 2, None, "2026-10-25T00:00:00Z", "2026-10-26T01:00:00Z"),
        (
            "Europe/Berlin",
            Immediate,
            9,
            Some(("23:00", "02:30")),
            "2026-10-24T23:30:00Z",
            "2026-10-25T00:30:00Z",
        ),
        (
            "Europe/Berlin",
            Immediate,
            9,
            Some(("23:00", "02:30")),
            "2026-10-25T01:10:00Z",
            "2026-10-25T01:30:00Z",
        ),
        ("Europe/Berlin", Immediate, 9, night, "2026-10-24T22:30:00Z", "2026-10-25T06:00:00Z"),
        // Samoa left out 30 December 2011.
        ("Pacific/Apia", Daily, 9, None, "2011-12-29T20:00:00Z", "2011-12-30T10:00:00Z"),
        ("Pacific/Apia", Daily, 9, None, "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"),
    ] {
        let preferences = preferences(zone, digest, hour, hours);
        let got = due(&preferences, utc(now), Duration::zero());
        assert_eq!(got, utc(expected), "{zone} {digest:?} at {hour} quiet {hours:?}, {now}");
    }
}

#[test]
fn a_mail_waits_for_the_person_to_read_it_here() {
    let plain = preferences("UTC", Digest::Immediate, 9, Some(("22:00", "07:00")));
    let at = |now| due(&plain, utc(now), Duration::minutes(10));
    assert_eq!(at("2026-03-10T12:00:00Z"), utc("2026-03-10T12:10:00Z"));
    assert_eq!(at("2026-03-10T21:55:00Z"), utc("2026-03-11T07:00:00Z"));
}

prop_compose! {
    fn moment()(seconds in 1_262_304_000_i64..1_893_456_000) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }
}

/// Moments close to when some zone puts its clocks.
fn near_a_change() -> impl Strategy<Value = DateTime<Utc>> {
    let changes = [
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-03-08T07:00:00Z",
        "2026-11-01T06:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "2011-12-30T10:00:00Z",
    ];
    (prop::sample::select(changes.to_vec()), -200_000_i64..200_000)
        .prop_map(|(change, off)| utc(change) + Duration::seconds(off))
}

fn any_moment() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![moment(), near_a_change()]
}

fn any_quiet() -> impl Strategy<Value = QuietHours> {
    (0u32..1440, 0u32..1440).prop_filter_map("empty", |(a, b)| {
        let at = |n: u32| NaiveTime::from_hms_opt(n / 60, n % 60, 0).unwrap();
        (a != b).then(|| QuietHours { from: at(a), to: at(b) })
    })
}

proptest! {
    #[test]
    fn quiet_hours_end_when_clocks_say_so(
        at in any_moment(), zone in prop::sample::select(ZONES.to_vec()), quiet in any_quiet(),
    ) {
        prop_assume!(quiet.hold(zone, at));
        let end = quiet.end(zone, at);
        prop_assert!(end > at, "{at} {end}");
        prop_assert!(!quiet.hold(zone, end), "{end} is quiet");
        prop_assert!(end - at <= Duration::hours(50));
        // Clocks show the end, or have just jumped across it.
        let shown = end.with_timezone(&zone).time();
        let just_before = (end - Duration::seconds(1)).with_timezone(&zone).naive_local();
        let jumped = end.with_timezone(&zone).naive_local() - just_before > Duration::seconds(1);
        prop_assert!(shown == quiet.to || jumped, "{shown} is not {}", quiet.to);
    }

    #[test]
    fn no_mail_is_due_in_the_past_or_in_quiet_hours(
        now in any_moment(), zone in prop::sample::select(ZONES.to_vec()), quiet in prop::option::of(any_quiet()),
        digest in prop::sample::select(vec![Digest::Immediate, Digest::Hourly, Digest::Daily]), hour in 0u8..24,
        wait in 0i64..3600,
    ) {
        let preferences = Preferences {
            zone: zone.name().into(), digest, digest_hour: hour, quiet_hours: quiet.clone(), ..Preferences::default()
        };
        let due = due(&preferences, now, Duration::seconds(wait));
        prop_assert!(due >= now + Duration::seconds(wait));
        if let Some(quiet) = &quiet {
            prop_assert!(!quiet.hold(zone, due));
        }
    }

    #[test]
    fn a_daily_digest_comes_once_a_day_at_its_hour(
        start in any_moment(), zone in prop::sample::select(ZONES.to_vec()), hour in 0u8..24,
    ) {
        let mut at = start;
        let mut days = std::collections::BTreeSet::new();
        for _ in 0..6 {
            let next = next_day(zone, hour.into(), at);
            prop_assert!(next > at);
            let local = next.with_timezone(&zone).naive_local();
            let just_before = (next - Duration::seconds(1)).with_timezone(&zone).naive_local();
            let jumped = local - just_before > Duration::seconds(1);
            let on_time = (local.hour(), local.minute(), local.second()) == (u32::from(hour), 0, 0);
            prop_assert!(on_time || jumped, "{local}");
            // The day that Samoa left out has its digest at midnight of the next.
            prop_assert!(days.insert(local), "twice at {local}");
            prop_assert!(next - at <= Duration::hours(50));
            at = next;
        }
    }

    #[test]
    fn an_hourly_digest_is_within_the_hour(at in any_moment(), zone in prop::sample::select(ZONES.to_vec())) {
        let next = next_hour(zone, at);
        prop_assert!(next > at && next - at <= Duration::hours(1));
    }
}
