//! The things themselves, as they are stored. A row is written from its JSON (`store::insert`) and read
//! column by column.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid},
};
use serde::Serialize;
use serde_json::Value;

use super::{
    BookingId, BookingState, Calendar, ItemId, ItemKind, MentorState, MentorshipId, NoteId, PaymentId,
    PaymentState, ReviewId, WaitId, WaitState,
};
use crate::{machine::Actor, principal::UserId};

/// Somebody who mentors, with their hours and terms.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Mentor {
    /// The person.
    #[diesel(sql_type = Uuid)]
    pub id: UserId,
    #[diesel(sql_type = Text)]
    pub headline: String,
    #[diesel(sql_type = Text)]
    pub bio: String,
    #[diesel(sql_type = Array<Text>)]
    pub skills: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    pub languages: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    pub goals: Vec<String>,
    #[diesel(sql_type = Text)]
    pub zone: String,
    #[diesel(sql_type = Jsonb)]
    pub rules: Value,
    #[diesel(sql_type = Jsonb)]
    pub exceptions: Value,
    /// How long a session lasts.
    #[diesel(sql_type = Integer)]
    pub minutes: i32,
    /// From one possible start to the next, in minutes.
    #[diesel(sql_type = Integer)]
    pub every: i32,
    #[diesel(sql_type = Integer)]
    pub buffer_before: i32,
    #[diesel(sql_type = Integer)]
    pub buffer_after: i32,
    #[diesel(sql_type = Integer)]
    pub notice_minutes: i32,
    #[diesel(sql_type = Integer)]
    pub horizon_days: i32,
    #[diesel(sql_type = Integer)]
    pub seats: i32,
    /// In minor units; 0 is free.
    #[diesel(sql_type = BigInt)]
    pub price_minor: i64,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Integer)]
    pub cancel_hours: i32,
    #[diesel(sql_type = Nullable<Text>)]
    pub meeting_url: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub review_note: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub rating_sum: i64,
    #[diesel(sql_type = BigInt)]
    pub rating_count: i64,
    #[diesel(sql_type = Text)]
    pub state: MentorState,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

impl Mentor {
    /// Their zone; a zone that the tables no longer have counts as UTC.
    pub fn tz(&self) -> Tz {
        self.zone.parse().unwrap_or(Tz::UTC)
    }

    /// Their hours.
    ///
    /// # Errors
    /// When the store holds something else.
    pub fn calendar(&self) -> Result<Calendar, serde_json::Error> {
        Ok(Calendar {
            rules: serde_json::from_value(self.rules.clone())?,
            exceptions: serde_json::from_value(self.exceptions.clone())?,
        })
    }
}

/// A time at which a mentor meets somebody.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Session {
    #[diesel(sql_type = Uuid)]
    pub id: uuid::Uuid,
    #[diesel(sql_type = Uuid)]
    pub mentor_id: UserId,
    #[diesel(sql_type = Timestamptz)]
    pub starts_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub ends_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub seats: i32,
    #[diesel(sql_type = Integer)]
    pub taken: i32,
}

/// A seat in a session.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Booking {
    #[diesel(sql_type = Uuid)]
    pub id: BookingId,
    #[diesel(sql_type = Uuid)]
    pub mentor_id: UserId,
    /// Who booked.
    #[diesel(sql_type = Uuid)]
    pub seeker_id: UserId,
    #[diesel(sql_type = Uuid)]
    pub session_id: uuid::Uuid,
    #[diesel(sql_type = Nullable<Uuid>)]
    pub mentorship_id: Option<MentorshipId>,
    #[diesel(sql_type = Timestamptz)]
    pub starts_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub ends_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub zone: String,
    #[diesel(sql_type = Text)]
    pub topic: String,
    #[diesel(sql_type = BigInt)]
    pub price_minor: i64,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Integer)]
    pub cancel_hours: i32,
    #[diesel(sql_type = Nullable<Text>)]
    pub meeting_url: Option<String>,
    #[diesel(sql_type = Bool)]
    pub offered: bool,
    #[diesel(sql_type = Integer)]
    pub sequence: i32,
    #[diesel(sql_type = Bool)]
    pub published: bool,
    #[diesel(sql_type = Text)]
    pub state: BookingState,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deadline: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub note: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

impl Booking {
    /// What somebody is to it.
    pub fn side(&self, who: UserId) -> Option<Actor> {
        if who == self.seeker_id {
            Some(Actor::Student)
        } else if who == self.mentor_id {
            Some(Actor::Mentor)
        } else {
            None
        }
    }

    /// Until when who booked may leave it, or move it, and be paid back.
    pub fn free_until(&self) -> DateTime<Utc> {
        self.starts_at - chrono::Duration::hours(i64::from(self.cancel_hours))
    }

    /// The zone of who booked.
    pub fn tz(&self) -> Tz {
        self.zone.parse().unwrap_or(Tz::UTC)
    }
}

/// A payment with a provider.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Payment {
    #[diesel(sql_type = Uuid)]
    pub id: PaymentId,
    #[diesel(sql_type = Uuid)]
    pub booking_id: BookingId,
    #[diesel(sql_type = Text)]
    pub provider: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub provider_ref: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub client_secret: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub amount_minor: i64,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Text)]
    pub state: PaymentState,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// Two people who meet again.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Mentorship {
    #[diesel(sql_type = Uuid)]
    pub id: MentorshipId,
    #[diesel(sql_type = Uuid)]
    pub mentor_id: UserId,
    #[diesel(sql_type = Uuid)]
    pub seeker_id: UserId,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// A goal, or what was agreed to be done.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Item {
    #[diesel(sql_type = Uuid)]
    pub id: ItemId,
    #[diesel(sql_type = Uuid)]
    pub mentorship_id: MentorshipId,
    #[diesel(sql_type = Text)]
    pub kind: ItemKind,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Nullable<Date>)]
    pub due_on: Option<NaiveDate>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub done_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Uuid)]
    pub created_by: UserId,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// A note of a session.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Note {
    #[diesel(sql_type = Uuid)]
    pub id: NoteId,
    #[diesel(sql_type = Uuid)]
    pub booking_id: BookingId,
    #[diesel(sql_type = Uuid)]
    pub author_id: UserId,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Bool)]
    pub shared: bool,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// What somebody said about a mentor.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Review {
    #[diesel(sql_type = Uuid)]
    pub id: ReviewId,
    #[diesel(sql_type = Uuid)]
    pub booking_id: BookingId,
    #[diesel(sql_type = Uuid)]
    pub mentor_id: UserId,
    #[diesel(sql_type = Uuid)]
    pub author_id: UserId,
    #[diesel(sql_type = Integer)]
    pub rating: i32,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// A place on a waiting list.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct WaitEntry {
    #[diesel(sql_type = Uuid)]
    pub id: WaitId,
    #[diesel(sql_type = Uuid)]
    pub mentor_id: UserId,
    #[diesel(sql_type = Uuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Timestamptz)]
    pub from_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub to_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub zone: String,
    #[diesel(sql_type = Text)]
    pub state: WaitState,
    #[diesel(sql_type = Nullable<Uuid>)]
    pub booking_id: Option<BookingId>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}
