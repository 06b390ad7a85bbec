//! What the marketplace is made of: gigs, applications, contracts, milestones. No I/O.

mod machines;
mod offer;
mod records;

pub use machines::{
    APPLICATION, ApplicationState, CONTRACT, ContractState, DISPUTE, DisputeState, GIG, GigState, MILESTONE,
    MilestoneState,
};
pub use offer::{MAX_MILESTONES, Offer, OfferedMilestone};
pub use records::{
    Application, Contract, Dispute, Gig, Invitation, Milestone, Payment, Review, SavedSearch, Skill,
};

crate::id_type!(
    /// A gig.
    GigId
);
crate::id_type!(
    /// An application.
    ApplicationId
);
crate::id_type!(
    /// A contract.
    ContractId
);
crate::id_type!(
    /// A milestone; also the name of its hold in the ledger.
    MilestoneId
);
crate::id_type!(
    /// A dispute.
    DisputeId
);
crate::id_type!(
    /// A payment with a provider.
    PaymentId
);
crate::id_type!(
    /// A review.
    ReviewId
);
crate::id_type!(
    /// An invitation to apply.
    InvitationId
);
crate::id_type!(
    /// A search that somebody saved.
    SavedSearchId
);

crate::states! {
    /// How a gig is paid.
    BudgetKind {
        /// A sum for the whole.
        Fixed = "fixed",
        /// So much for an hour.
        Hourly = "hourly",
    }
}

crate::states! {
    /// Where a payment with a provider is.
    PaymentState {
        /// The provider is being asked.
        Created = "created",
        /// The client is to pay.
        Pending = "pending",
        /// Paid; the ledger holds it, or held it until it was decided.
        Held = "held",
        /// Not paid.
        Failed = "failed",
        /// Came when nobody wanted it any more: on its way back.
        Returning = "returning",
        /// Back with the client.
        Returned = "returned",
        /// The client's bank took it back.
        ChargedBack = "charged_back",
    }
}
