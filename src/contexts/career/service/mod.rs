//! The use cases of careers: one method each.

mod artifacts;
mod bookings;
mod cv;
mod demo;
mod evidence;
mod feed;
mod feeds;
mod invites;
mod jobs;
mod matching;
mod mentors;
mod mentorships;
mod payments;
mod portfolio;
mod public;
mod resume;
mod slots;
mod steps;
mod timers;
mod waitlist;

use std::collections::HashMap;

use uuid::Uuid;

pub use artifacts::Shown;
pub use bookings::WhoseBookings;
pub(super) use bookings::timely;
pub use demo::DemoCast;
pub(super) use evidence::SUBJECTS as EVIDENCE_SUBJECTS;
pub(super) use invites::{Said, escape};
pub use matching::MatchQuery;
pub use mentors::MentorQuery;
pub use public::PublicProfile;
pub use slots::SlotQuery;
pub(super) use steps::step_booking;

use super::{Career, CareerError};
use crate::principal::{Principal, Role, UserId};

impl Career {
    /// A cursor of a list in the order of ids.
    fn cursor(&self, list: &str, last: Uuid) -> String {
        self.parts().signer.sign(&format!("career.{list}"), last.as_bytes(), None)
    }

    /// Where such a cursor stands.
    fn after(&self, list: &str, cursor: Option<&str>) -> Result<Option<Uuid>, CareerError> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bad = || CareerError::field("?cursor", "is not a cursor of this list");
        let bytes =
            self.parts().signer.verify(&format!("career.{list}"), cursor, self.now()).map_err(|_| bad())?;
        Uuid::from_slice(&bytes).map(Some).map_err(|_| bad())
    }

    /// Cuts a page out of one row more than it holds.
    fn page<T>(
        &self,
        list: &str,
        mut found: Vec<T>,
        limit: usize,
        id: impl Fn(&T) -> Uuid,
    ) -> (Vec<T>, Option<String>) {
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| self.cursor(list, id(last)));
        (found, next)
    }

    async fn names(
        &self,
        of: impl IntoIterator<Item = UserId>,
    ) -> Result<HashMap<UserId, String>, CareerError> {
        let mut people: Vec<UserId> = of.into_iter().collect();
        people.sort_unstable();
        people.dedup();
        self.parts().people.names(people).await
    }

    /// The zone that somebody asked for, or that of their profile; UTC if they have none.
    async fn zone_of(&self, who: UserId, asked: Option<&str>) -> Result<String, CareerError> {
        if let Some(zone) = asked {
            let mut check = super::forms::Check::default();
            let zone = check.zone("/zone", zone);
            check.done()?;
            return Ok(zone);
        }
        let zone = self.parts().people.contact(who).await?.and_then(|contact| contact.zone);
        Ok(zone.filter(|zone| zone.parse::<chrono_tz::Tz>().is_ok()).unwrap_or_else(|| "UTC".to_owned()))
    }
}

/// One row more than a page holds tells whether there is another page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// Whether somebody keeps the platform in order.
fn keeps_order(who: &Principal) -> bool {
    who.is(Role::Moderator) || who.is(Role::Operator)
}
