//! The machines of mentorship, step by step, as data.

use std::time::Duration;

use crate::{
    machine::{
        Actor::{self, Mentor, Moderator, Operator, Student, Timer, Webhook},
        Due, Machine, Transition,
    },
    states,
};

states! {
    /// Where somebody's application to mentor is.
    MentorState {
        /// Somebody is to look at it.
        Applied = "applied",
        /// Can be found and booked.
        Approved = "approved",
        /// Not now; they may apply again.
        Rejected = "rejected",
        /// Taken out by a moderator.
        Suspended = "suspended",
        /// Stopped mentoring.
        Withdrawn = "withdrawn",
    }
}

states! {
    /// Where a booking is. Who books is the student of the transitions.
    BookingState {
        /// The time is kept for a moment.
        Held = "held",
        /// The provider waits for the payment.
        Funding = "funding",
        /// The mentor is to say yes.
        Requested = "requested",
        /// The mentor moved it; who booked is to say yes.
        Proposed = "proposed",
        /// Agreed.
        Confirmed = "confirmed",
        /// Who booked says that the mentor did not come; an operator decides.
        Contested = "contested",
        /// They met.
        Completed = "completed",
        /// Who booked did not come.
        NoShow = "no_show",
        /// The mentor did not come.
        Missed = "missed",
        /// The mentor said no.
        Declined = "declined",
        /// Nobody said anything in time.
        Expired = "expired",
        /// Called off.
        Cancelled = "cancelled",
    }
}

impl BookingState {
    /// Whether it takes a seat of a session that is to come.
    pub fn is_live(self) -> bool {
        use BookingState as B;
        matches!(self, B::Held | B::Funding | B::Requested | B::Proposed | B::Confirmed)
    }
}

states! {
    /// What is noted in a mentorship.
    ItemKind {
        /// What it is for.
        Goal = "goal",
        /// What was agreed to be done.
        Action = "action",
    }
}

states! {
    /// Where a place on a waiting list is.
    WaitState {
        /// Waits.
        Waiting = "waiting",
        /// A time is held for them.
        Offered = "offered",
        /// They took it.
        Taken = "taken",
        /// They did not take it in time.
        Lapsed = "lapsed",
        /// They wait no more.
        Left = "left",
    }
}

states! {
    /// Where a payment with a provider is.
    PaymentState {
        /// The provider is being asked.
        Created = "created",
        /// Who booked is to pay.
        Pending = "pending",
        /// Paid.
        Held = "held",
        /// Not paid.
        Failed = "failed",
        /// Came when nobody wanted it any more: on its way back.
        Returning = "returning",
        /// Back with who paid.
        Returned = "returned",
        /// Their bank took it back.
        ChargedBack = "charged_back",
    }
}

const fn step<S: Copy>(
    name: &'static str,
    who: &'static [Actor],
    from: &'static [S],
    to: S,
    event: &'static str,
) -> Transition<S> {
    Transition { name, who, from, to, event, timer: None }
}

const fn timed<S: Copy>(step: Transition<S>, due: Due) -> Transition<S> {
    Transition { timer: Some(due), ..step }
}

use BookingState as B;
use MentorState as M;

/// Who mentors: nobody can be booked before somebody has looked at them.
pub const MENTOR: Machine<MentorState> = Machine {
    name: "mentor",
    states: M::ALL,
    initial: M::Applied,
    finals: &[M::Approved, M::Rejected, M::Suspended, M::Withdrawn],
    transitions: &[
        step("approve", &[Moderator, Operator], &[M::Applied, M::Rejected], M::Approved, "mentor.approved"),
        step("reject", &[Moderator, Operator], &[M::Applied], M::Rejected, "mentor.rejected"),
        step("apply", &[Mentor], &[M::Rejected, M::Withdrawn], M::Applied, "mentor.applied"),
        step("withdraw", &[Mentor], &[M::Applied, M::Approved], M::Withdrawn, "mentor.withdrawn"),
        step("suspend", &[Moderator, Operator], &[M::Approved], M::Suspended, "mentor.suspended"),
        step("restore", &[Moderator, Operator], &[M::Suspended], M::Approved, "mentor.restored"),
    ],
};

/// How long a payment may take before the time is given to somebody else.
const PAY_WITHIN: Due = Due::After(Duration::from_secs(30 * 60));

/// A booking. `Due::Deadline` is what `slots::deadline` says of the state that is entered.
pub const BOOKING: Machine<BookingState> = Machine {
    name: "booking",
    states: B::ALL,
    initial: B::Held,
    finals: &[B::Completed, B::NoShow, B::Missed, B::Declined, B::Expired, B::Cancelled],
    transitions: &[
        step("request", &[Student], &[B::Held], B::Requested, "booking.requested"),
        step("pay", &[Student], &[B::Held], B::Funding, "booking.funding"),
        step("payment_succeeded", &[Webhook], &[B::Funding], B::Requested, "booking.requested"),
        step("payment_failed", &[Webhook], &[B::Funding], B::Held, "booking.payment_failed"),
        timed(
            step("expire", &[Timer], &[B::Held, B::Requested, B::Proposed], B::Expired, "booking.expired"),
            Due::Deadline,
        ),
        timed(step("time_out", &[Timer], &[B::Funding], B::Expired, "booking.expired"), PAY_WITHIN),
        step("confirm", &[Mentor], &[B::Requested], B::Confirmed, "booking.confirmed"),
        step("decline", &[Mentor], &[B::Requested], B::Declined, "booking.declined"),
        step(
            "reschedule",
            &[Student],
            &[B::Requested, B::Proposed, B::Confirmed],
            B::Requested,
            "booking.rescheduled",
        ),
        step(
            "reschedule",
            &[Mentor],
            &[B::Requested, B::Proposed, B::Confirmed],
            B::Proposed,
            "booking.rescheduled",
        ),
        step("accept", &[Student], &[B::Proposed], B::Confirmed, "booking.confirmed"),
        step(
            "cancel",
            &[Student, Mentor],
            &[B::Held, B::Funding, B::Requested, B::Proposed, B::Confirmed],
            B::Cancelled,
            "booking.cancelled",
        ),
        step(
            "charge_back",
            &[Webhook],
            &[B::Requested, B::Proposed, B::Confirmed, B::Contested],
            B::Cancelled,
            "booking.cancelled",
        ),
        timed(
            step("complete", &[Mentor, Timer], &[B::Confirmed], B::Completed, "booking.completed"),
            Due::Deadline,
        ),
        step("no_show", &[Mentor], &[B::Confirmed], B::NoShow, "booking.no_show"),
        step("contest", &[Student], &[B::Confirmed], B::Contested, "booking.contested"),
        step("uphold", &[Operator], &[B::Contested], B::Missed, "booking.missed"),
        step("dismiss", &[Operator], &[B::Contested], B::Completed, "booking.completed"),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_a_trap() {
        assert_eq!(BOOKING.flaws(), Vec::<String>::new());
        assert_eq!(MENTOR.flaws(), Vec::<String>::new());
    }

    #[test]
    fn what_takes_a_seat_can_be_called_off_or_expires() {
        for state in B::ALL.iter().filter(|state| state.is_live()) {
            let calls_off = BOOKING.allowed_transitions(*state, &[Student]);
            assert!(calls_off.contains(&"cancel"), "{state}");
            assert!(BOOKING.timers(*state).count() == 1, "{state} waits for ever");
        }
    }
}
