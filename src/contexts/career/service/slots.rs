//! Which times of a mentor can be booked.

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;

use crate::{
    contexts::career::{
        Career, CareerError,
        forms::Check,
        model::{
            Mentor, MentorState,
            slots::{self, Span, Terms},
        },
        store,
        views::{SlotView, SlotsView, local},
    },
    principal::{Principal, UserId},
};

/// The longest span that is answered at once.
const LONGEST: Duration = Duration::days(62);
/// And the one without an end.
const USUAL: Duration = Duration::days(14);

/// Which times.
#[derive(Clone, Debug, Default)]
pub struct SlotQuery {
    /// From then: a date of the zone, or an instant; now without it.
    pub from: Option<String>,
    /// Up to then; two weeks without it.
    pub to: Option<String>,
    /// The zone to show them in; that of one's profile without it.
    pub zone: Option<String>,
}

impl Career {
    /// The times of a mentor that can be booked, shown on a clock of the asker's zone.
    ///
    /// # Errors
    /// [`CareerError::No`] mentor; [`CareerError::Invalid`] for spans that make no sense.
    pub async fn slots(
        &self,
        who: &Principal,
        mentor: UserId,
        query: &SlotQuery,
    ) -> Result<SlotsView, CareerError> {
        let now = self.now();
        let zone = match &query.zone {
            Some(zone) => {
                let mut check = Check::default();
                let zone = check.zone("?zone", zone);
                check.done()?;
                zone
            }
            None => self.zone_of(who.user_id, None).await?,
        };
        let tz: Tz = zone.parse().unwrap_or(Tz::UTC);
        let from = query.from.as_deref().map(|text| instant("?from", text, tz)).transpose()?.unwrap_or(now);
        let to = query.to.as_deref().map(|text| instant("?to", text, tz)).transpose()?;
        let to = to.unwrap_or(from + USUAL);
        if to <= from || to - from > LONGEST {
            return Err(CareerError::field("?to", "must be later than from, by up to 62 days"));
        }
        let mut conn = self.conn().await?;
        let found = store::mentors::load(&mut conn, mentor).await?;
        let mentor = found
            .filter(|mentor| mentor.state == MentorState::Approved || mentor.id == who.user_id)
            .ok_or(CareerError::No("mentor"))?;
        // Nothing before now or past the horizon is computed.
        let terms = terms(&mentor);
        let asked = Span { from: from.max(now), to: to.min(now + terms.horizon + Duration::seconds(1)) };
        let mut items = Vec::new();
        if asked.from < asked.to {
            let around = Span { from: asked.from - Duration::days(2), to: asked.to + Duration::days(2) };
            let busy = store::calendars::busy(&mut conn, mentor.id, around).await?;
            let shared = store::calendars::with_seats(&mut conn, mentor.id, asked).await?;
            for slot in slots::slots(mentor.tz(), &mentor.calendar()?, &terms, asked) {
                if !slots::in_time(&terms, slot, now) {
                    continue;
                }
                let joined = shared.iter().find(|one| one.starts_at == slot.from && one.ends_at == slot.to);
                let seats_left = match joined {
                    Some(session) => session.seats - session.taken,
                    None if busy.iter().any(|time| time.overlaps(&terms.with_buffers(slot))) => continue,
                    None => mentor.seats,
                };
                items.push(SlotView {
                    start: slot.from,
                    end: slot.to,
                    local_start: local(slot.from, tz),
                    local_end: local(slot.to, tz),
                    seats_left,
                });
            }
        }
        Ok(SlotsView { items, zone, mentor_zone: mentor.zone })
    }
}

/// How a mentor meets people.
pub(super) fn terms(mentor: &Mentor) -> Terms {
    let minutes = |n: i32| Duration::minutes(i64::from(n));
    Terms {
        length: minutes(mentor.minutes),
        every: minutes(mentor.every),
        before: minutes(mentor.buffer_before),
        after: minutes(mentor.buffer_after),
        notice: minutes(mentor.notice_minutes),
        horizon: Duration::days(i64::from(mentor.horizon_days)),
    }
}

/// The slot that begins then.
pub(super) fn slot_at(
    mentor: &Mentor,
    start: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<Span, CareerError> {
    let terms = terms(mentor);
    let refuse = || CareerError::field("/start", "is no slot of this mentor (GET …/slots)");
    // Far from now there is nothing to compute, and dates may not even exist.
    if start <= now || start > now + terms.horizon {
        return Err(refuse());
    }
    let asked = Span { from: start, to: start + Duration::seconds(1) };
    let found = slots::slots(mentor.tz(), &mentor.calendar()?, &terms, asked);
    found.into_iter().find(|slot| slot.from == start && slots::in_time(&terms, *slot, now)).ok_or_else(refuse)
}

/// An instant (RFC 3339), or the beginning of a date of the zone.
fn instant(pointer: &str, text: &str, zone: Tz) -> Result<DateTime<Utc>, CareerError> {
    let bad = || CareerError::field(pointer, "must be a date, or an instant as RFC 3339 has it, of this age");
    let at = if let Ok(date) = text.parse::<NaiveDate>() {
        let midnight = date.and_hms_opt(0, 0, 0).ok_or_else(bad)?;
        // Where midnight is skipped the date begins later.
        let begins = (0..4).find_map(|hour| {
            zone.from_local_datetime(&midnight.checked_add_signed(Duration::hours(hour))?).earliest()
        });
        begins.map_or(midnight.and_utc(), |at| at.with_timezone(&Utc))
    } else {
        // A plus that was not escaped arrives as a blank.
        DateTime::parse_from_rfc3339(&text.replace(' ', "+")).map_err(|_| bad())?.with_timezone(&Utc)
    };
    let known =
        DateTime::UNIX_EPOCH..DateTime::from_timestamp(4_000_000_000, 0).unwrap_or(DateTime::UNIX_EPOCH);
    if known.contains(&at) { Ok(at) } else { Err(bad()) }
}
