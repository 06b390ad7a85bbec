//! How results are found, ordered and explained: pure functions, no I/O.

pub mod diversity;
pub mod features;
pub mod fusion;
pub mod reasons;
pub mod skills;
pub mod weights;

use uuid::Uuid;

crate::states! {
    /// What can be found.
    Kind {
        /// Open work.
        Gig = "gig",
        /// A published course.
        Course = "course",
        /// Somebody with a public profile.
        Person = "person",
        /// An approved mentor.
        Mentor = "mentor",
    }
}

impl Kind {
    /// The name of its text index and of its collection of vectors.
    pub const fn index(self) -> &'static str {
        match self {
            Self::Gig => "gigs",
            Self::Course => "courses",
            Self::Person => "people",
            Self::Mentor => "mentors",
        }
    }

    /// Whether ids of this kind are ids of people.
    pub const fn is_somebody(self) -> bool {
        matches!(self, Self::Person | Self::Mentor)
    }
}

crate::states! {
    /// What somebody did with a result.
    Deed {
        /// It was on their screen.
        Shown = "shown",
        /// They looked at it.
        Opened = "opened",
        /// They applied, enrolled or booked.
        Applied = "applied",
        /// They do not want to see it again.
        Dismissed = "dismissed",
    }
}

/// One thing that can be found.
pub type Key = (Kind, Uuid);
