//! What callers are shown.

mod portfolio;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use utoipa::ToSchema;

pub use portfolio::{
    ArtifactView, EvidenceView, FeedEntryView, FollowsView, ImportedView, OwnProfileView, PortfolioView,
    ProjectView, SkillView,
};

use super::{
    error::CareerError,
    model::{
        BOOKING, Booking, BookingId, BookingState, Exception, Item, ItemId, ItemKind, MENTOR, Mentor,
        MentorState, Mentorship, MentorshipId, Note, NoteId, Payment, PaymentId, PaymentState, Review,
        ReviewId, Rule, WaitEntry, WaitId, WaitState,
    },
    service::timely,
};
use crate::{
    machine::Actor,
    money::{Currency, Money, MoneyError},
    principal::UserId,
};

pub(super) fn currency(code: &str) -> Result<Currency, CareerError> {
    code.parse().map_err(|error: MoneyError| CareerError::Ledger(error.into()))
}

/// A time as a clock in that zone shows it, with the offset (RFC 3339).
pub(super) fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false)
}

fn price(amount: i64, code: &str) -> Result<Option<Money>, CareerError> {
    Ok(if amount == 0 { None } else { Some(Money::new(amount, currency(code)?)) })
}

/// A mentor, as anybody sees them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MentorView {
    /// The person.
    pub id: UserId,
    /// What others call them.
    pub display_name: String,
    /// What people read first.
    pub headline: String,
    /// More.
    pub bio: String,
    /// Slugs of the taxonomy.
    pub skills: Vec<String>,
    /// BCP 47 tags.
    pub languages: Vec<String>,
    /// What they help with.
    pub goals: Vec<String>,
    /// Their IANA zone.
    pub zone: String,
    /// How long a session lasts, in minutes.
    pub minutes: i32,
    /// How many people it takes.
    pub seats: i32,
    /// What it costs; absent where it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Until how many hours before the start a cancellation gives the money back.
    pub cancel_hours: i32,
    /// A session is booked at least so many minutes ahead.
    pub notice_minutes: i32,
    /// And at most so many days.
    pub horizon_days: i32,
    /// The mean of the ratings, 1 to 5, once there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<f64>,
    /// How many ratings there are.
    pub ratings: i64,
    /// Where their application is.
    pub state: MentorState,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl MentorView {
    pub(super) fn of(mentor: Mentor, name: Option<String>, actors: &[Actor]) -> Result<Self, CareerError> {
        #[expect(clippy::cast_precision_loss, reason = "a mean of ratings from 1 to 5")]
        let rating = (mentor.rating_count > 0).then(|| mentor.rating_sum as f64 / mentor.rating_count as f64);
        Ok(Self {
            allowed_transitions: MENTOR.allowed_transitions(mentor.state, actors),
            price: price(mentor.price_minor, &mentor.currency)?,
            id: mentor.id,
            display_name: name.unwrap_or_default(),
            headline: mentor.headline,
            bio: mentor.bio,
            skills: mentor.skills,
            languages: mentor.languages,
            goals: mentor.goals,
            zone: mentor.zone,
            minutes: mentor.minutes,
            seats: mentor.seats,
            cancel_hours: mentor.cancel_hours,
            notice_minutes: mentor.notice_minutes,
            horizon_days: mentor.horizon_days,
            rating,
            ratings: mentor.rating_count,
            state: mentor.state,
            version: mentor.version,
        })
    }
}

/// A mentor, as they themselves and reviewers see them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnMentorView {
    /// What anybody sees.
    #[serde(flatten)]
    pub mentor: MentorView,
    /// Every week, in wall-clock time of the zone.
    pub rules: Vec<Rule>,
    /// On these dates instead.
    pub exceptions: Vec<Exception>,
    /// From one possible start to the next, in minutes.
    pub every: i32,
    /// Minutes kept free before a session.
    pub buffer_before: i32,
    /// And after it.
    pub buffer_after: i32,
    /// Where they meet.
    pub meeting_url: Option<String>,
    /// What the reviewer said.
    pub review_note: Option<String>,
}

impl OwnMentorView {
    pub(super) fn of(mentor: Mentor, name: Option<String>, actors: &[Actor]) -> Result<Self, CareerError> {
        let calendar = mentor.calendar()?;
        Ok(Self {
            rules: calendar.rules,
            exceptions: calendar.exceptions,
            every: mentor.every,
            buffer_before: mentor.buffer_before,
            buffer_after: mentor.buffer_after,
            meeting_url: mentor.meeting_url.clone(),
            review_note: mentor.review_note.clone(),
            mentor: MentorView::of(mentor, name, actors)?,
        })
    }
}

/// A mentor who fits.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MentorMatch)]
pub struct MatchView {
    /// `mentor`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    /// The person.
    pub id: UserId,
    /// 0 to 1; better ones come first.
    pub score: f64,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// The mentor.
    pub mentor: MentorView,
}

/// A time that can be booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlotView {
    /// It begins; pass this to book it.
    pub start: DateTime<Utc>,
    /// It ends.
    pub end: DateTime<Utc>,
    /// The same on a clock of the zone that was asked for, with its offset.
    #[schema(example = "2027-03-29T10:00:00+02:00")]
    pub local_start: String,
    /// The same on a clock of that zone.
    pub local_end: String,
    /// How many more people it takes.
    pub seats_left: i32,
}

/// The times of a mentor that can be booked, in order.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SlotsView {
    /// They.
    pub items: Vec<SlotView>,
    /// The zone of `local_start` and `local_end`.
    pub zone: String,
    /// The mentor's.
    pub mentor_zone: String,
}

/// How a booking is paid for, as who pays sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = BookingPayment)]
pub struct PaymentView {
    /// Our id of it.
    pub id: PaymentId,
    /// `sandbox` or `stripe`.
    pub provider: String,
    /// The provider's id.
    pub provider_ref: Option<String>,
    /// What the browser completes it with, where the provider wants that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Where it is.
    #[schema(inline)]
    pub state: PaymentState,
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        let open = matches!(payment.state, PaymentState::Pending);
        Self {
            id: payment.id,
            provider: payment.provider,
            provider_ref: payment.provider_ref,
            client_secret: payment.client_secret.filter(|_| open),
            state: payment.state,
        }
    }
}

/// A booking, as one of its two sides sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BookingView {
    /// Its id.
    pub id: BookingId,
    /// The mentor.
    pub mentor_id: UserId,
    /// What others call them.
    pub mentor_name: String,
    /// Who booked.
    pub seeker_id: UserId,
    /// What others call them.
    pub seeker_name: String,
    /// It begins.
    pub start: DateTime<Utc>,
    /// It ends.
    pub end: DateTime<Utc>,
    /// The zone of who booked.
    pub zone: String,
    /// The start on a clock there.
    pub local_start: String,
    /// What to talk about.
    pub topic: String,
    /// Where they meet; once it is confirmed, and for the mentor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meeting_url: Option<String>,
    /// What it costs; absent where it is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Until when a cancellation by who booked gives the money back.
    pub free_until: DateTime<Utc>,
    /// Whether it was offered from the waiting list.
    pub offered: bool,
    /// Where it is.
    pub state: BookingState,
    /// Until when it may stay there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it was declined, cancelled or contested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// iCalendar's SEQUENCE of it.
    pub sequence: i32,
    /// The mentorship, once it was confirmed; also the id of its chat room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentorship_id: Option<MentorshipId>,
    /// The payment, for who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentView>,
    /// Grows with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl BookingView {
    pub(super) fn of(
        booking: Booking,
        (mentor_name, seeker_name): (String, String),
        payment: Option<Payment>,
        actors: &[Actor],
        now: DateTime<Utc>,
    ) -> Result<Self, CareerError> {
        let mut allowed = BOOKING.allowed_transitions(booking.state, actors);
        // What is paid for is asked for by paying.
        allowed.retain(|step| match *step {
            "request" => booking.price_minor == 0,
            "pay" => booking.price_minor > 0,
            _ => true,
        });
        // Nobody is offered to say that a mentor did not come before the session's time.
        allowed.retain(|step| timely(step, &booking, actors, now).is_ok());
        let knows = actors.contains(&Actor::Mentor) || booking.published;
        Ok(Self {
            allowed_transitions: allowed,
            price: price(booking.price_minor, &booking.currency)?,
            local_start: local(booking.starts_at, booking.tz()),
            free_until: booking.free_until(),
            id: booking.id,
            mentor_id: booking.mentor_id,
            mentor_name,
            seeker_id: booking.seeker_id,
            seeker_name,
            start: booking.starts_at,
            end: booking.ends_at,
            zone: booking.zone,
            topic: booking.topic,
            meeting_url: booking.meeting_url.filter(|_| knows),
            offered: booking.offered,
            state: booking.state,
            expires_at: booking.deadline,
            note: booking.note,
            sequence: booking.sequence,
            mentorship_id: booking.mentorship_id,
            payment: payment.map(Into::into),
            version: booking.version,
            created_at: booking.created_at,
        })
    }
}

/// Two people who meet again.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MentorshipView {
    /// Its id; also that of its chat room.
    pub id: MentorshipId,
    /// The mentor.
    pub mentor_id: UserId,
    /// What others call them.
    pub mentor_name: String,
    /// Who booked.
    pub seeker_id: UserId,
    /// What others call them.
    pub seeker_name: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl MentorshipView {
    pub(super) fn of(mentorship: Mentorship, (mentor_name, seeker_name): (String, String)) -> Self {
        Self {
            id: mentorship.id,
            mentor_id: mentorship.mentor_id,
            mentor_name,
            seeker_id: mentorship.seeker_id,
            seeker_name,
            created_at: mentorship.created_at,
        }
    }
}

/// A goal, or what was agreed to be done.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MentorshipItem)]
pub struct ItemView {
    /// Its id.
    pub id: ItemId,
    /// Which.
    pub kind: ItemKind,
    /// In words.
    pub title: String,
    /// By when.
    pub due_on: Option<NaiveDate>,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
    /// Who wrote it.
    pub created_by: UserId,
    /// Grows with every change; the ETag.
    pub version: i64,
}

impl From<Item> for ItemView {
    fn from(item: Item) -> Self {
        Self {
            id: item.id,
            kind: item.kind,
            title: item.title,
            due_on: item.due_on,
            done_at: item.done_at,
            created_by: item.created_by,
            version: item.version,
        }
    }
}

/// A note of a session.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SessionNote)]
pub struct NoteView {
    /// Its id.
    pub id: NoteId,
    /// The booking.
    pub booking_id: BookingId,
    /// Who wrote it.
    pub author_id: UserId,
    /// It.
    pub body: String,
    /// Whether the other side reads it.
    pub shared: bool,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        let Note { id, booking_id, author_id, body, shared, created_at } = note;
        Self { id, booking_id, author_id, body, shared, created_at }
    }
}

/// What somebody said about a mentor.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = MentorReview)]
pub struct MentorReviewView {
    /// Its id.
    pub id: ReviewId,
    /// The mentor.
    pub mentor_id: UserId,
    /// Who wrote it.
    pub author_id: UserId,
    /// 1 to 5.
    pub rating: i32,
    /// In words.
    pub body: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Review> for MentorReviewView {
    fn from(review: Review) -> Self {
        let Review { id, mentor_id, author_id, rating, body, created_at, .. } = review;
        Self { id, mentor_id, author_id, rating, body, created_at }
    }
}

/// A place on a waiting list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WaitlistEntry)]
pub struct WaitView {
    /// Its id.
    pub id: WaitId,
    /// Whose time.
    pub mentor_id: UserId,
    /// From then.
    pub from: DateTime<Utc>,
    /// Up to then.
    pub to: DateTime<Utc>,
    /// Where it is.
    pub state: WaitState,
    /// The booking that was held for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<BookingId>,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

impl From<WaitEntry> for WaitView {
    fn from(entry: WaitEntry) -> Self {
        let WaitEntry { id, mentor_id, from_at, to_at, state, booking_id, created_at, .. } = entry;
        Self { id, mentor_id, from: from_at, to: to_at, state, booking_id, created_at }
    }
}

/// One's own calendar to subscribe to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CalendarFeed)]
pub struct FeedView {
    /// Since when it has its present address.
    pub created_at: DateTime<Utc>,
    /// Its address: shown once, when it is made. Whoever has it reads the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
