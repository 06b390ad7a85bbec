//! Which events are activity, whose, and who sees it.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ActivityError, ActivityStream, Entry, Object};
use crate::{
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
    ports::mongo::MongoError,
    postgres::DbError,
    principal::UserId,
};

/// Everybody here who acts on events.
pub fn consumers(stream: Arc<dyn ActivityStream>) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Scribe { stream: stream.clone() }), Arc::new(Eraser { stream })]
}

/// What an event tells of whom.
struct Told {
    subject: &'static str,
    /// The fields that hold the persons.
    actors: &'static [&'static str],
    /// Kind and field of the object.
    object: (&'static str, &'static str),
    public: bool,
}

const PUBLIC: bool = true;
const PRIVATE: bool = false;

const TOLD: &[Told] = &[
    Told { subject: "user.registered", actors: &["user_id"], object: ("person", "user_id"), public: PUBLIC },
    Told { subject: "gig.posted", actors: &["owner_id"], object: ("gig", "gig_id"), public: PUBLIC },
    Told { subject: "gig.completed", actors: &["owner_id"], object: ("gig", "gig_id"), public: PUBLIC },
    Told {
        subject: "application.submitted",
        actors: &["student_id"],
        object: ("application", "application_id"),
        public: PRIVATE,
    },
    Told {
        subject: "application.accepted",
        actors: &["student_id"],
        object: ("application", "application_id"),
        public: PRIVATE,
    },
    Told {
        subject: "contract.created",
        actors: &["client_id", "student_id"],
        object: ("contract", "contract_id"),
        public: PRIVATE,
    },
    Told {
        subject: "contract.completed",
        actors: &["client_id", "student_id"],
        object: ("contract", "contract_id"),
        public: PUBLIC,
    },
    Told {
        subject: "milestone.submitted",
        actors: &["student_id"],
        object: ("milestone", "milestone_id"),
        public: PRIVATE,
    },
    Told {
        subject: "milestone.released",
        actors: &["client_id", "student_id"],
        object: ("milestone", "milestone_id"),
        public: PRIVATE,
    },
    Told {
        subject: "review.published",
        actors: &["author_id"],
        object: ("person", "subject_id"),
        public: PUBLIC,
    },
    Told {
        subject: "enrolment.created",
        actors: &["student_id"],
        object: ("course", "course_id"),
        public: PRIVATE,
    },
    Told {
        subject: "course.completed",
        actors: &["student_id"],
        object: ("course", "course_id"),
        public: PRIVATE,
    },
    Told {
        subject: "attempt.submitted",
        actors: &["student_id"],
        object: ("quiz", "item_id"),
        public: PRIVATE,
    },
    Told { subject: "attempt.graded", actors: &["student_id"], object: ("quiz", "item_id"), public: PRIVATE },
    Told {
        subject: "certificate.issued",
        actors: &["student_id"],
        object: ("certificate", "certificate_id"),
        public: PRIVATE,
    },
];

/// What an entry keeps of an event's data. A public one must not show what only the parties may see.
const KEPT_PUBLIC: &[&str] = &["title", "skills", "rating"];
const KEPT_PRIVATE: &[&str] = &[
    "title",
    "gig_title",
    "contract_title",
    "contract_id",
    "gig_id",
    "amount",
    "course_id",
    "score",
    "max_score",
];

fn id(data: &Value, field: &str) -> Option<Uuid> {
    data.get(field)?.as_str()?.parse().ok()
}

/// The entries that an event makes; none for one that is no activity.
pub(super) fn entries(event: &Envelope) -> Vec<Entry> {
    let Some(told) = TOLD.iter().find(|told| told.subject == event.subject) else { return Vec::new() };
    let Some(object) = id(&event.data, told.object.1) else { return Vec::new() };
    let kept = if told.public { KEPT_PUBLIC } else { KEPT_PRIVATE };
    let data: Map<String, Value> = kept
        .iter()
        .filter_map(|field| event.data.get(*field).map(|value| ((*field).to_owned(), value.clone())))
        .collect();
    told.actors
        .iter()
        .filter_map(|field| id(&event.data, field).map(UserId))
        .map(|actor_id| Entry {
            id: Entry::id_of(event.id, actor_id),
            actor_id,
            verb: event.subject.clone(),
            object: Object { kind: told.object.0.to_owned(), id: object },
            public: told.public,
            data: Value::Object(data.clone()),
            at: chrono::SubsecRound::trunc_subsecs(event.time, 3),
        })
        .collect()
}

/// A stream that is merely away is waited for, however long; the event is not given up.
fn refused(error: ActivityError) -> ConsumeError {
    match error {
        ActivityError::Db(error) => ConsumeError::Db(error),
        ActivityError::Mongo(MongoError::Unavailable(cause)) => ConsumeError::Db(DbError::Unavailable(cause)),
        error => ConsumeError::Retry(error.to_string()),
    }
}

struct Scribe {
    stream: Arc<dyn ActivityStream>,
}

impl Consumer for Scribe {
    fn name(&self) -> &'static str {
        "activity.stream"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &[
            "user.registered",
            "gig.posted",
            "gig.completed",
            "application.submitted",
            "application.accepted",
            "contract.created",
            "contract.completed",
            "milestone.submitted",
            "milestone.released",
            "review.published",
            "enrolment.created",
            "course.completed",
            "attempt.submitted",
            "attempt.graded",
            "certificate.issued",
        ]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            self.stream.append(conn, &entries(event)).await.map_err(refused)?;
            Ok(AfterCommit::nothing())
        })
    }
}

/// A person who is erased has done nothing.
struct Eraser {
    stream: Arc<dyn ActivityStream>,
}

impl Consumer for Eraser {
    fn name(&self) -> &'static str {
        "activity.erasure"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["user.erasure_requested"]
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            if let Some(person) = id(&event.data, "user_id").map(UserId) {
                self.stream.erase(conn, person).await.map_err(refused)?;
            }
            Ok(AfterCommit::nothing())
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_listened_to_is_what_is_told() {
        let told: Vec<&str> = TOLD.iter().map(|told| told.subject).collect();
        assert_eq!(told, Scribe { stream: Arc::new(super::super::store::nowhere::Nowhere) }.subjects());
    }

    #[test]
    fn a_public_entry_keeps_nothing_of_the_parties() {
        let (client, student, contract) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let event = |subject: &str| Envelope {
            id: Uuid::now_v7(),
            subject: subject.into(),
            context: "gigs".into(),
            aggregate: contract.to_string(),
            version: 1,
            sequence: 1,
            time: chrono::Utc::now(),
            data: json!({
                "contract_id": contract, "milestone_id": contract, "client_id": client, "student_id": student,
                "title": "A logo", "amount": {"amount_minor": 5000}, "note": "private",
            }),
            correlation_id: "c".into(),
            causation_id: None,
            traceparent: None,
        };
        let public = entries(&event("contract.completed"));
        assert_eq!(public.iter().map(|e| e.actor_id.0).collect::<Vec<_>>(), [client, student]);
        assert_eq!(public[0].data, json!({"title": "A logo"}));
        let private = entries(&event("milestone.released"));
        assert!(private.iter().all(|entry| !entry.public));
        assert_eq!(private[1].data["amount"], json!({"amount_minor": 5000}));
        assert!(private[1].data.get("note").is_none());
        assert!(entries(&event("milestone.funding")).is_empty());
    }
}
