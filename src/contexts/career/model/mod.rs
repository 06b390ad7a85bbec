//! What careers are made of: mentors and their hours, slots, bookings. No I/O.

mod availability;
pub mod cv;
pub mod ics;
mod machines;
pub mod pictures;
mod portfolio;
mod records;
pub mod slots;

pub use availability::{Calendar, Exception, Rule, WallTime, Window};
pub use machines::{BOOKING, BookingState, ItemKind, MENTOR, MentorState, PaymentState, WaitState};
pub use portfolio::{
    Artifact, ArtifactKind, Availability, ClaimedSkill, Evidence, EvidenceKind, Link, Profile, ProfileForm,
    Project, SpokenLanguage, Station, Visibility,
};
pub use records::{Booking, Item, Mentor, Mentorship, Note, Payment, Review, Session, WaitEntry};

crate::id_type!(
    /// A booking; also the name of its hold in the ledger, and the UID of its calendar entry.
    BookingId
);
crate::id_type!(
    /// A project of a portfolio.
    ProjectId
);
crate::id_type!(
    /// A picture or a document of a project.
    ArtifactId
);
crate::id_type!(
    /// A piece of evidence.
    EvidenceId
);
crate::id_type!(
    /// A payment with a provider.
    PaymentId
);
crate::id_type!(
    /// Two people who meet again; also the id of their chat room.
    MentorshipId
);
crate::id_type!(
    /// A goal or an action of a mentorship.
    ItemId
);
crate::id_type!(
    /// A note of a session.
    NoteId
);
crate::id_type!(
    /// A review of a mentor.
    ReviewId
);
crate::id_type!(
    /// A place on a waiting list.
    WaitId
);
