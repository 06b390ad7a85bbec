//! The marketplace's use cases: one method each.

mod applications;
mod contracts;
mod demo;
mod disputes;
mod gigs;
mod invitations;
mod jobs;
mod leaving;
mod listing;
mod milestones;
mod payments;
mod public;
mod reviews;
mod searches;
mod timers;

use uuid::Uuid;

pub use demo::DemoCast;
pub(super) use leaving::withdraw_from_everything;
pub use listing::GigQuery;
pub(super) use searches::tell_searchers;

use super::{Gigs, GigsError};
use crate::principal::{Principal, Role};

impl Gigs {
    /// A cursor of a list in the order of ids.
    fn cursor(&self, list: &str, last: Uuid) -> String {
        self.inner.signer.sign(&format!("gigs.{list}"), last.as_bytes(), None)
    }

    /// Where such a cursor stands.
    fn after(&self, list: &str, cursor: Option<&str>) -> Result<Option<Uuid>, GigsError> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bad = || GigsError::field("?cursor", "is not a cursor of this list");
        let bytes =
            self.inner.signer.verify(&format!("gigs.{list}"), cursor, self.now()).map_err(|_| bad())?;
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
}

/// One row more than a page holds tells whether there is another page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}

/// Whether somebody keeps the platform in order.
fn keeps_order(who: &Principal) -> bool {
    who.is(Role::Moderator) || who.is(Role::Operator)
}
