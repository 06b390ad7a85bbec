//! The machines of learning, step by step, as data.

use crate::{
    machine::{
        Actor::{self, Instructor, Operator, Student, System, Timer, Webhook},
        Due, Machine, Transition,
    },
    states,
};

states! {
    /// Where a course is.
    CourseState {
        /// Its instructor still writes it; nobody else sees it.
        Draft = "draft",
        /// It can be taken.
        Published = "published",
        /// Nobody enrols any more; those who are in it go on.
        Archived = "archived",
    }
}

states! {
    /// Where an enrolment is.
    EnrolmentState {
        /// A place that is kept until it is paid.
        Pending = "pending",
        /// The student learns.
        Active = "active",
        /// The policy is met. This stays, whatever is graded later.
        Completed = "completed",
        /// The student left.
        Withdrawn = "withdrawn",
        /// Nobody paid in time.
        Lapsed = "lapsed",
    }
}

states! {
    /// Where a payment for a place is.
    PlacePaymentState {
        /// The provider is being asked.
        Created = "created",
        /// The learner completes it.
        Pending = "pending",
        /// The ledger holds it.
        Held = "held",
        /// Refused; the learner may try again.
        Failed = "failed",
        /// On its way back to the learner.
        Returning = "returning",
        /// Back.
        Returned = "returned",
        /// On its way to the instructor.
        Releasing = "releasing",
        /// The instructor's.
        Released = "released",
        /// Taken back by the learner's bank.
        ChargedBack = "charged_back",
    }
}

states! {
    /// Where an attempt at a quiz is.
    AttemptState {
        /// Answers are taken.
        InProgress = "in_progress",
        /// The time is over, and the policy decides.
        Overdue = "overdue",
        /// Handed in.
        Submitted = "submitted",
        /// A person must look at answers.
        NeedsGrading = "needs_grading",
        /// Marked.
        Graded = "graded",
        /// Marked anew after a question was mended.
        Regraded = "regraded",
        /// Left, and worth nothing.
        Abandoned = "abandoned",
    }
}

states! {
    /// Where something handed in is.
    SubmissionState {
        /// It waits for the instructor.
        Submitted = "submitted",
        /// It has a score.
        Graded = "graded",
        /// It is to be done again.
        Returned = "returned",
    }
}

states! {
    /// Where a certificate is.
    CertificateState {
        /// It is good.
        Issued = "issued",
        /// It is not any more.
        Revoked = "revoked",
    }
}

const fn step<S>(
    name: &'static str,
    who: &'static [Actor],
    from: &'static [S],
    to: S,
    event: &'static str,
) -> Transition<S>
where
    S: Copy,
{
    Transition { name, who, from, to, event, timer: None }
}

/// The ways of a course.
pub const COURSE: Machine<CourseState> = {
    use CourseState::{Archived, Draft, Published};
    Machine {
        name: "course",
        states: CourseState::ALL,
        initial: Draft,
        finals: &[Published, Archived],
        transitions: &[
            step("publish", &[Instructor], &[Draft, Published, Archived], Published, "course.published"),
            step("archive", &[Instructor], &[Published], Archived, "course.archived"),
        ],
    }
};

/// The ways of an enrolment.
pub const ENROLMENT: Machine<EnrolmentState> = {
    use EnrolmentState::{Active, Completed, Lapsed, Pending, Withdrawn};
    Machine {
        name: "enrolment",
        states: EnrolmentState::ALL,
        initial: Pending,
        finals: &[Completed, Withdrawn, Lapsed],
        transitions: &[
            step("admit", &[System, Webhook], &[Pending], Active, "enrolment.created"),
            step("lapse", &[Timer], &[Pending], Lapsed, "enrolment.lapsed"),
            step("complete", &[System], &[Active], Completed, "course.completed"),
            step("withdraw", &[Student], &[Pending, Active], Withdrawn, "enrolment.withdrawn"),
            step("charge_back", &[Webhook], &[Active], Withdrawn, "enrolment.withdrawn"),
        ],
    }
};

/// The ways of an attempt.
pub const ATTEMPT: Machine<AttemptState> = {
    use AttemptState::{Abandoned, Graded, InProgress, NeedsGrading, Overdue, Regraded, Submitted};
    Machine {
        name: "attempt",
        states: AttemptState::ALL,
        initial: InProgress,
        finals: &[Graded, Regraded, Abandoned],
        transitions: &[
            step("submit", &[Student], &[InProgress], Submitted, "attempt.submitted"),
            Transition {
                name: "run_out",
                who: &[Timer],
                from: &[InProgress],
                to: Overdue,
                event: "attempt.overdue",
                timer: Some(Due::Deadline),
            },
            step("take_in", &[System], &[Overdue], Submitted, "attempt.submitted"),
            step("abandon", &[System], &[Overdue], Abandoned, "attempt.abandoned"),
            step("hold_back", &[System], &[Submitted], NeedsGrading, "attempt.needs_grading"),
            step("grade", &[System], &[Submitted], Graded, "attempt.graded"),
            step("grade_by_hand", &[Instructor], &[NeedsGrading], Graded, "attempt.graded"),
            step("regrade", &[Instructor], &[Graded, Regraded], Regraded, "attempt.graded"),
        ],
    }
};

/// The ways of something handed in.
pub const SUBMISSION: Machine<SubmissionState> = {
    use SubmissionState::{Graded, Returned, Submitted};
    Machine {
        name: "submission",
        states: SubmissionState::ALL,
        initial: Submitted,
        finals: &[Graded, Returned],
        transitions: &[
            step("grade", &[Instructor], &[Submitted, Graded], Graded, "submission.graded"),
            step("return", &[Instructor], &[Submitted], Returned, "submission.returned"),
        ],
    }
};

/// The ways of a certificate.
pub const CERTIFICATE: Machine<CertificateState> = {
    use CertificateState::{Issued, Revoked};
    Machine {
        name: "certificate",
        states: CertificateState::ALL,
        initial: Issued,
        finals: &[Issued, Revoked],
        transitions: &[step("revoke", &[Instructor, Operator], &[Issued], Revoked, "certificate.revoked")],
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_state_is_a_trap() {
        assert_eq!(COURSE.flaws(), Vec::<String>::new());
        assert_eq!(ENROLMENT.flaws(), Vec::<String>::new());
        assert_eq!(ATTEMPT.flaws(), Vec::<String>::new());
        assert_eq!(SUBMISSION.flaws(), Vec::<String>::new());
        assert_eq!(CERTIFICATE.flaws(), Vec::<String>::new());
    }
}
