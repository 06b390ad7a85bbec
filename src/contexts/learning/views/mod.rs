//! What callers are shown.

mod certificates;
mod courses;
mod live;
mod places;
mod questions;
mod work;

pub use certificates::{CertificateView, DocumentView, VerifyView};
pub use courses::{AnnouncementView, CourseView, DraftView, OutlineItem, OutlineModule};
pub use live::{LiveOwn, LivePlace, LiveView};
pub use places::{CohortView, EnrolmentView, ItemView, PlacePaymentView, ProgressView};
pub use questions::{BankView, ImportView, QtiItem, QtiView, QuestionStatistics, QuestionView, Refused};
pub use work::{AttemptView, MarkedView, QueueItem, SubmissionView};
