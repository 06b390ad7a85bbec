//! Where discovery reads what can be found. The contexts are one ([`super::Contexts`]).

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    error::DiscoveryError,
    model::{Kind, skills::Taxonomy},
};
use crate::{money::Money, ports::attributes::Attributes, principal::UserId};

/// Something that everybody may find, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// What people read first.
    pub title: String,
    /// One line more: a headline, or how a gig begins.
    pub summary: String,
    /// Names of skills, goals and their like.
    pub keywords: Vec<String>,
    /// Everything else.
    pub body: String,
    /// Where it is shown.
    pub url: String,
    /// What it pays or costs.
    pub price: Option<Money>,
    /// Whether somebody has time. Meaningless for things.
    pub available: bool,
    /// What searches filter by.
    pub attributes: Attributes,
}

impl Source {
    /// Whose it is: the person themselves, for people.
    pub fn owner(&self) -> Option<UserId> {
        self.attributes.owner.map(UserId)
    }

    /// When it was posted or last renewed.
    pub fn fresh_at(&self) -> Option<DateTime<Utc>> {
        self.attributes.fresh_at
    }
}

/// What is known of somebody who looks for something, for what is shown to them alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seeker {
    /// Slugs.
    pub skills: Vec<String>,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// What they write of themselves.
    pub text: String,
    /// Does not look for work.
    pub busy: bool,
    /// What an hour of theirs costs.
    pub rate: Option<Money>,
}

/// What a read answers.
pub type Read<'a, T> = BoxFuture<'a, Result<T, DiscoveryError>>;

/// Where discovery reads what can be found.
pub trait Truth: Send + Sync + 'static {
    /// Those of `ids` that everybody may see now, in no order.
    fn load(&self, kind: Kind, ids: Vec<Uuid>) -> Read<'_, Vec<Source>>;

    /// The ids of everything that everybody may see, ascending, after one.
    fn ids(&self, kind: Kind, after: Option<Uuid>, limit: usize) -> Read<'_, Vec<Uuid>>;

    /// What is known of somebody; `None` if they never wrote a profile, or are nobody.
    fn seeker(&self, user: UserId) -> Read<'_, Option<Seeker>>;

    /// What somebody has already: gigs they applied to, courses they are in.
    fn taken(&self, user: UserId, kind: Kind) -> Read<'_, Vec<Uuid>>;

    /// Who has applied to a gig.
    fn applicants(&self, gig: Uuid) -> Read<'_, Vec<Uuid>>;

    /// Which skills there are.
    fn taxonomy(&self) -> Read<'_, Taxonomy>;
}
