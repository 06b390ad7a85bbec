//! What follows from events: news, chat rooms, mailed invitations.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Career, CareerError,
    channels::Live,
    model::{BookingId, ics::Status},
    service::{EVIDENCE_SUBJECTS, Said},
    store,
};
use crate::{
    contexts::chat::{Chat, ContractRoom, RoomId},
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    principal::UserId,
};

/// Everybody here who acts on events.
pub fn consumers(career: &Career, live: &Live, chat: &Chat) -> Vec<Arc<dyn Consumer>> {
    vec![
        Arc::new(News { live: live.clone() }),
        Arc::new(Rooms { chat: chat.clone() }),
        Arc::new(Invitations { career: career.clone() }),
        Arc::new(Proofs { career: career.clone() }),
    ]
}

impl From<CareerError> for ConsumeError {
    fn from(error: CareerError) -> Self {
        match error {
            CareerError::Db(error) => Self::Db(error),
            other => Self::of(&other),
        }
    }
}

/// Shows both sides what happened to a booking; whoever waited, what is held for them.
struct News {
    live: Live,
}

impl Consumer for News {
    fn name(&self) -> &'static str {
        "career.live"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["booking.*", "mentor.*", "profile.*", "evidence.*"]
    }

    fn handle<'a>(
        &'a self,
        _: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let live = self.live.clone();
            let field = |name: &str| event.data.get(name).cloned().unwrap_or_default();
            let mentor = id(&event.data, "mentor_id").map(UserId);
            if event.subject.starts_with("profile.") || event.subject.starts_with("evidence.") {
                let owner = id(&event.data, "user_id").map(UserId);
                return Ok(AfterCommit::run(move || {
                    if let Some(owner) = owner {
                        live.portfolio(owner);
                    }
                }));
            }
            if event.subject.starts_with("mentor.") {
                let news =
                    json!({ "type": "mentor_changed", "subject": event.subject, "state": field("state") });
                return Ok(AfterCommit::run(move || {
                    if let Some(mentor) = mentor {
                        live.person(mentor, &news);
                    }
                }));
            }
            let seeker = id(&event.data, "seeker_id").map(UserId);
            let offered = event.subject == "booking.offered";
            let news = json!({
                "type": if offered { "slot_offered" } else { "booking_changed" },
                "subject": event.subject, "booking_id": field("booking_id"), "mentor_id": mentor, "seeker_id": seeker,
                "state": field("state"), "start": field("start"), "end": field("end"),
                "when": field("when_seeker"), "expires_at": field("expires_at"),
            });
            // A time that is only held is nobody's news but of who holds it.
            let quiet = offered || event.subject == "booking.held";
            let told = [seeker, mentor.filter(|_| !quiet)];
            Ok(AfterCommit::run(move || {
                for person in told.into_iter().flatten() {
                    live.person(person, &news);
                }
            }))
        })
    }
}

/// Opens a mentorship's room with the first session that is confirmed, and tells there what happens.
struct Rooms {
    chat: Chat,
}

impl Consumer for Rooms {
    fn name(&self) -> &'static str {
        "career.rooms"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["booking.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let Some(room) = id(&event.data, "mentorship_id") else { return Ok(AfterCommit::nothing()) };
            let Some(text) = words(event) else { return Ok(AfterCommit::nothing()) };
            let mentorship = store::mentorships::load(conn, super::MentorshipId(room)).await?;
            let Some(pair) = mentorship else {
                return Err(ConsumeError::Reject("a mentorship that is not there".into()));
            };
            // No names: who is erased would stay in it. Each sees the other beside it.
            let members = [pair.mentor_id, pair.seeker_id];
            // Not after the commit: that may be lost. The event's id makes both harmless to repeat.
            let open = ContractRoom { id: RoomId(room), name: "Mentorship", members };
            let said = async {
                self.chat.open_contract_room(open).await?;
                self.chat.system_message(RoomId(room), event.id, &text).await
            };
            said.await.map_err(|error| ConsumeError::of(&error))?;
            Ok(AfterCommit::nothing())
        })
    }
}

/// What the two read about an event; `None` for what they need not know there.
fn words(event: &Envelope) -> Option<String> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (there, here) = (text("when_seeker"), text("when_mentor"));
    let time = if there == here { there } else { format!("{there}, which is {here} for the mentor") };
    Some(match event.subject.as_str() {
        "booking.confirmed" => format!("The session is agreed: {time}."),
        "booking.rescheduled" => format!("The session is to be moved to {time}."),
        "booking.cancelled" => format!("The session on {time} was cancelled."),
        "booking.completed" => "The session took place. Note what comes next.".to_owned(),
        "booking.no_show" => "The mentor says that nobody came.".to_owned(),
        "booking.contested" => {
            "Whoever booked says that the mentor did not come; an operator decides.".to_owned()
        }
        "booking.missed" => "An operator decided that the session did not take place.".to_owned(),
        _ => return None,
    })
}

/// Mails what changes a calendar.
struct Invitations {
    career: Career,
}

impl Consumer for Invitations {
    fn name(&self) -> &'static str {
        "career.invitations"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["booking.*"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let data = &event.data;
            let status = match event.subject.as_str() {
                "booking.confirmed" => Status::Confirmed,
                "booking.rescheduled" => Status::Tentative,
                "booking.cancelled" | "booking.declined" | "booking.expired" => Status::Cancelled,
                _ => return Ok(AfterCommit::nothing()),
            };
            // What never stood in a calendar is not taken out of it.
            if data.get("published").and_then(Value::as_bool) != Some(true) {
                return Ok(AfterCommit::nothing());
            }
            let time = |name: &str| data.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
            let sequence = data.get("sequence").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
            let (Some(booking), Some(from), Some(to), Some(sequence)) =
                (id(data, "booking_id"), time("start"), time("end"), sequence)
            else {
                return Err(ConsumeError::Reject("an event of a booking without its time".into()));
            };
            let said = Said { from, to, sequence, status, at: event.time };
            self.career.invite(conn, BookingId(booking), said).await?;
            let career = self.career.clone();
            Ok(AfterCommit::run(move || career.wake_mail()))
        })
    }
}

/// Keeps what events prove about people.
struct Proofs {
    career: Career,
}

impl Consumer for Proofs {
    fn name(&self) -> &'static str {
        "career.evidence"
    }

    fn subjects(&self) -> &'static [&'static str] {
        EVIDENCE_SUBJECTS
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            // What changed is an event of its own, and that is what is shown live.
            self.career.take_evidence(conn, event).await?;
            Ok(AfterCommit::nothing())
        })
    }
}

fn id(data: &Value, name: &str) -> Option<Uuid> {
    data.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}
