//! What learning is made of: courses, enrolments, quizzes, grades. No I/O.

pub mod content;
pub mod gift;
pub mod grading;
pub mod live;
mod machines;
pub mod marking;
pub mod paper;
pub mod qti;
pub mod quiz;
mod records;

pub use machines::{
    ATTEMPT, AttemptState, CERTIFICATE, COURSE, CertificateState, CourseState, ENROLMENT, EnrolmentState,
    PlacePaymentState, SUBMISSION, SubmissionState,
};
pub use records::{
    Attempt, Certificate, Cohort, Course, Enrolment, PlacePayment, Progress, Submission, price,
};

crate::id_type!(
    /// A course.
    CourseId
);
crate::id_type!(
    /// Somebody's place in a course.
    EnrolmentId
);
crate::id_type!(
    /// A group that learns together.
    CohortId
);
crate::id_type!(
    /// An item of a course: a text, a video, a quiz. The same in every version.
    ItemId
);
crate::id_type!(
    /// A bank of questions.
    BankId
);
crate::id_type!(
    /// A question; its revisions have the same id.
    QuestionId
);
crate::id_type!(
    /// An attempt at a quiz.
    AttemptId
);
crate::id_type!(
    /// What was handed in for an assignment.
    SubmissionId
);
crate::id_type!(
    /// A certificate.
    CertificateId
);
