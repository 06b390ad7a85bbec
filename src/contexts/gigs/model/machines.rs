//! The machines of the marketplace, step by step, as data.

use crate::{
    machine::{
        Actor::{Client, Moderator, Operator, Student, System, Timer, Webhook},
        Due, Machine, Transition, days,
    },
    states,
};

states! {
    /// Where a gig is.
    GigState {
        /// Its client still writes it; nobody else sees it.
        Draft = "draft",
        /// Takes applications.
        Open = "open",
        /// Takes none for now.
        Paused = "paused",
        /// Every slot is contracted.
        Filled = "filled",
        /// Its deadline passed.
        Expired = "expired",
        /// Its client called it off.
        Cancelled = "cancelled",
        /// Every contract of it has ended.
        Completed = "completed",
        /// A moderator took it away.
        Removed = "removed",
    }
}

states! {
    /// Where an application is.
    ApplicationState {
        /// The client has it.
        Submitted = "submitted",
        /// The client likes it.
        Shortlisted = "shortlisted",
        /// The client made an offer.
        Offered = "offered",
        /// The student took the offer: there is a contract.
        Accepted = "accepted",
        /// The student did not take the offer.
        Declined = "declined",
        /// The student took the application back.
        Withdrawn = "withdrawn",
        /// The client did not take it.
        Rejected = "rejected",
        /// The gig ended before it was decided.
        Lapsed = "lapsed",
    }
}

states! {
    /// Where a contract is.
    ContractState {
        /// No milestone was ever paid for.
        PendingFunding = "pending_funding",
        /// Work goes on.
        Active = "active",
        /// Every milestone was released.
        Completed = "completed",
        /// Nothing is left to do, and not everything was released.
        Ended = "ended",
        /// Called off before any money came.
        Cancelled = "cancelled",
    }
}

states! {
    /// Where a milestone and its money are.
    MilestoneState {
        /// Agreed, not paid for.
        Planned = "planned",
        /// The provider waits for the client's payment.
        Funding = "funding",
        /// The money is held.
        Funded = "funded",
        /// The student delivered.
        Submitted = "submitted",
        /// The client wants it changed.
        ChangesRequested = "changes_requested",
        /// The client, or time, is satisfied.
        Approved = "approved",
        /// The transfer to the student is under way.
        Releasing = "releasing",
        /// The student has the money.
        Released = "released",
        /// The client wants the money back.
        RefundPending = "refund_pending",
        /// The client has it back.
        Refunded = "refunded",
        /// An operator decides.
        Disputed = "disputed",
        /// An operator has decided.
        Resolved = "resolved",
        /// The client's bank took the money back.
        ChargedBack = "charged_back",
        /// The contract ended before it was paid for.
        Cancelled = "cancelled",
    }
}

impl MilestoneState {
    /// Whether money is held for it.
    pub const fn holds_money(self) -> bool {
        use MilestoneState as M;
        match self {
            M::Funded
            | M::Submitted
            | M::ChangesRequested
            | M::Approved
            | M::Releasing
            | M::RefundPending
            | M::Disputed => true,
            M::Planned
            | M::Funding
            | M::Released
            | M::Refunded
            | M::Resolved
            | M::ChargedBack
            | M::Cancelled => false,
        }
    }
}

states! {
    /// Where a dispute is.
    DisputeState {
        /// An operator looks into it.
        Open = "open",
        /// An operator decided who gets what.
        Resolved = "resolved",
        /// A charge-back took the money away before anybody could decide.
        Superseded = "superseded",
    }
}

/// A step that nobody but time is waited for.
const fn step<S>(
    name: &'static str,
    who: &'static [crate::machine::Actor],
    from: &'static [S],
    to: S,
    event: &'static str,
) -> Transition<S>
where
    S: Copy,
{
    Transition { name, who, from, to, event, timer: None }
}

const fn timed<S: Copy>(step: Transition<S>, due: Due) -> Transition<S> {
    Transition { timer: Some(due), ..step }
}

use ApplicationState as A;
use ContractState as C;
use DisputeState as D;
use GigState as G;
use MilestoneState as M;

/// A gig. A moderator can take anything away, ended gigs included.
pub const GIG: Machine<GigState> = Machine {
    name: "gig",
    states: G::ALL,
    initial: G::Draft,
    finals: &[G::Expired, G::Cancelled, G::Completed, G::Removed],
    transitions: &[
        step("post", &[Client], &[G::Draft], G::Open, "gig.posted"),
        step("pause", &[Client], &[G::Open], G::Paused, "gig.paused"),
        step("resume", &[Client], &[G::Paused], G::Open, "gig.resumed"),
        // An offer that stands may be taken while the gig is paused.
        step("fill", &[System], &[G::Open, G::Paused], G::Filled, "gig.filled"),
        timed(step("expire", &[Timer], &[G::Open], G::Expired, "gig.expired"), Due::Deadline),
        step("cancel", &[Client], &[G::Draft, G::Open, G::Paused], G::Cancelled, "gig.cancelled"),
        step("complete", &[System], &[G::Filled], G::Completed, "gig.completed"),
        step(
            "remove",
            &[Moderator, Operator],
            &[G::Draft, G::Open, G::Paused, G::Filled, G::Expired, G::Cancelled, G::Completed],
            G::Removed,
            "gig.removed",
        ),
    ],
};

const UNDECIDED: &[ApplicationState] = &[A::Submitted, A::Shortlisted, A::Offered];

/// An application.
pub const APPLICATION: Machine<ApplicationState> = Machine {
    name: "application",
    states: A::ALL,
    initial: A::Submitted,
    finals: &[A::Accepted, A::Declined, A::Withdrawn, A::Rejected, A::Lapsed],
    transitions: &[
        step("shortlist", &[Client], &[A::Submitted], A::Shortlisted, "application.shortlisted"),
        step("offer", &[Client], &[A::Shortlisted], A::Offered, "application.offered"),
        step("accept", &[Student], &[A::Offered], A::Accepted, "application.accepted"),
        step("decline", &[Student], &[A::Offered], A::Declined, "application.declined"),
        step("withdraw", &[Student], UNDECIDED, A::Withdrawn, "application.withdrawn"),
        step("reject", &[Client], UNDECIDED, A::Rejected, "application.rejected"),
        step("lapse", &[System], UNDECIDED, A::Lapsed, "application.lapsed"),
    ],
};

/// A contract. Either side may end it once no money is held.
pub const CONTRACT: Machine<ContractState> = Machine {
    name: "contract",
    states: C::ALL,
    initial: C::PendingFunding,
    finals: &[C::Completed, C::Ended, C::Cancelled],
    transitions: &[
        step("activate", &[System], &[C::PendingFunding], C::Active, "contract.activated"),
        step("complete", &[System], &[C::Active], C::Completed, "contract.completed"),
        step("end", &[System, Client, Student], &[C::Active], C::Ended, "contract.ended"),
        step("cancel", &[Client, Student], &[C::PendingFunding], C::Cancelled, "contract.cancelled"),
    ],
};

/// A milestone. While a transfer is under way nothing else moves: the money is no longer ours to
/// decide about.
pub const MILESTONE: Machine<MilestoneState> = Machine {
    name: "milestone",
    states: M::ALL,
    initial: M::Planned,
    finals: &[M::Released, M::Refunded, M::Resolved, M::ChargedBack, M::Cancelled],
    transitions: &[
        step("fund", &[Client], &[M::Planned], M::Funding, "milestone.funding"),
        step("payment_succeeded", &[Webhook], &[M::Funding, M::Planned], M::Funded, "milestone.funded"),
        step("payment_failed", &[Webhook], &[M::Funding], M::Planned, "payment.failed"),
        step("submit", &[Student], &[M::Funded, M::ChangesRequested], M::Submitted, "milestone.submitted"),
        step(
            "request_changes",
            &[Client],
            &[M::Submitted],
            M::ChangesRequested,
            "milestone.changes_requested",
        ),
        timed(
            step("approve", &[Client, Timer], &[M::Submitted], M::Approved, "milestone.approved"),
            Due::After(days(14)),
        ),
        step("release", &[System], &[M::Approved], M::Releasing, "milestone.releasing"),
        step("released", &[System, Webhook], &[M::Releasing], M::Released, "milestone.released"),
        step("request_refund", &[Client], &[M::Funded], M::RefundPending, "milestone.refund_requested"),
        timed(
            step("agree_refund", &[Student, Timer], &[M::RefundPending], M::Refunded, "milestone.refunded"),
            Due::After(days(7)),
        ),
        step(
            "dispute",
            &[Client, Student],
            &[M::Funded, M::Submitted, M::ChangesRequested, M::RefundPending],
            M::Disputed,
            "milestone.disputed",
        ),
        step("resolve", &[Operator], &[M::Disputed], M::Resolved, "milestone.resolved"),
        step(
            "charge_back",
            &[Webhook],
            &[M::Funded, M::Submitted, M::ChangesRequested, M::Approved, M::RefundPending, M::Disputed],
            M::ChargedBack,
            "payment.charged_back",
        ),
        step("cancel", &[System], &[M::Planned, M::Funding], M::Cancelled, "milestone.cancelled"),
    ],
};

/// A dispute.
pub const DISPUTE: Machine<DisputeState> = Machine {
    name: "dispute",
    states: D::ALL,
    initial: D::Open,
    finals: &[D::Resolved, D::Superseded],
    transitions: &[
        step("resolve", &[Operator], &[D::Open], D::Resolved, "dispute.resolved"),
        step("supersede", &[System], &[D::Open], D::Superseded, "dispute.superseded"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Invariant 11: every state that is not final has an exit.
    #[test]
    fn no_machine_has_a_trap() {
        let flaws = [GIG.flaws(), APPLICATION.flaws(), CONTRACT.flaws(), MILESTONE.flaws(), DISPUTE.flaws()];
        assert_eq!(flaws.concat(), Vec::<String>::new());
    }

    /// Money is never stuck behind somebody who does not answer: from every state that holds it, a
    /// way to the end exists that needs only one side, an operator or time.
    #[test]
    fn held_money_never_depends_on_one_silent_person() {
        for silent in [Client, Student] {
            for state in M::ALL.iter().filter(|state| state.holds_money()) {
                let mut reached = vec![*state];
                let mut next = 0;
                while let Some(state) = reached.get(next).copied() {
                    next += 1;
                    for step in MILESTONE.transitions {
                        let alive = step.who.iter().any(|who| *who != silent && *who != Webhook);
                        if alive && step.from.contains(&state) && !reached.contains(&step.to) {
                            reached.push(step.to);
                        }
                    }
                }
                assert!(
                    reached.iter().any(|end| MILESTONE.is_final(*end)),
                    "{state} waits for {silent:?} for ever"
                );
            }
        }
    }

    #[test]
    fn every_subject_names_its_aggregate_and_a_past() {
        let subjects = GIG
            .transitions
            .iter()
            .map(|step| step.event)
            .chain(APPLICATION.transitions.iter().map(|step| step.event))
            .chain(CONTRACT.transitions.iter().map(|step| step.event))
            .chain(MILESTONE.transitions.iter().map(|step| step.event))
            .chain(DISPUTE.transitions.iter().map(|step| step.event));
        for subject in subjects {
            let (aggregate, _) = subject.split_once('.').unwrap();
            assert!(
                ["gig", "application", "contract", "milestone", "payment", "dispute"].contains(&aggregate),
                "{subject}"
            );
        }
    }
}
