//! What follows from events: documents to index, students to tell.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use serde_json::Value;
use uuid::Uuid;

use super::{Discovery, DiscoveryError, model::Kind, store};
use crate::{
    error::Fault,
    events::{AfterCommit, ConsumeError, Consumer, Envelope},
};

/// The durable name of the consumer that notes what changed.
pub(super) const DOCUMENTS: &str = "discovery.documents";

/// Everybody here who acts on events.
pub fn consumers(discovery: &Discovery) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Documents(discovery.clone())), Arc::new(Staleness(discovery.clone()))]
}

impl From<DiscoveryError> for ConsumeError {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::Db(error) => Self::Db(error),
            other if other.kind().temporary() => Self::Retry(other.to_string()),
            other => Self::Reject(other.to_string()),
        }
    }
}

fn id(data: &Value, name: &str) -> Option<Uuid> {
    data.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
}

/// What an event changes for those who search.
fn changed(event: &Envelope) -> Option<(Kind, Uuid)> {
    let aggregate = || event.aggregate.parse::<Uuid>().ok();
    let (head, _) = event.subject.split_once('.')?;
    match head {
        "gig" => Some((Kind::Gig, aggregate()?)),
        // Announcements and completions change nothing of the course.
        "course" if matches!(event.subject.as_str(), "course.published" | "course.archived") => {
            Some((Kind::Course, id(&event.data, "course_id").or_else(aggregate)?))
        }
        "profile" => Some((Kind::Person, id(&event.data, "user_id").or_else(aggregate)?)),
        "mentor" => Some((Kind::Mentor, id(&event.data, "mentor_id").or_else(aggregate)?)),
        "mentor_review" => Some((Kind::Mentor, id(&event.data, "mentor_id")?)),
        "review" => Some((Kind::Person, id(&event.data, "subject_id")?)),
        _ => None,
    }
}

/// Notes what changed, and which gigs are new.
struct Documents(Discovery);

impl Documents {
    /// A name is the title of a person and of a mentor, if they can be found.
    async fn renamed(
        &self,
        conn: &mut AsyncPgConnection,
        event: &Envelope,
    ) -> Result<AfterCommit, ConsumeError> {
        let Some(who) = id(&event.data, "user_id") else { return Ok(AfterCommit::nothing()) };
        let mut any = false;
        for kind in [Kind::Person, Kind::Mentor] {
            any |= store::documents::touch_known(conn, kind, who, self.0.now()).await?;
        }
        if !any {
            return Ok(AfterCommit::nothing());
        }
        let discovery = self.0.clone();
        Ok(AfterCommit::run(move || discovery.inner.indexing.notify_one()))
    }
}

impl Consumer for Documents {
    fn name(&self) -> &'static str {
        DOCUMENTS
    }

    fn subjects(&self) -> &'static [&'static str] {
        &[
            "gig.*",
            "course.published",
            "course.archived",
            "profile.updated",
            "mentor.*",
            "mentor_review.*",
            "review.published",
            "user.renamed",
        ]
    }

    // Events of several aggregates may be about one document.
    fn shares_transactions(&self) -> bool {
        false
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let now = self.0.now();
            if event.subject == "user.renamed" {
                return self.renamed(conn, event).await;
            }
            let Some((kind, id)) = changed(event) else { return Ok(AfterCommit::nothing()) };
            store::documents::touch(conn, kind, id, now).await?;
            // One that was paused before anybody was told is told of when it is open again.
            let posted = matches!(event.subject.as_str(), "gig.posted" | "gig.resumed");
            if posted {
                store::matches::set(conn, id, &event.correlation_id, now).await?;
            }
            let discovery = self.0.clone();
            Ok(AfterCommit::run(move || {
                discovery.inner.indexing.notify_one();
                if posted {
                    discovery.inner.matching.notify_one();
                }
            }))
        })
    }
}

/// Forgets recommendations that an event makes others.
struct Staleness(Discovery);

impl Consumer for Staleness {
    fn name(&self) -> &'static str {
        "discovery.cache"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &[
            "application.*",
            "enrolment.*",
            "course.completed",
            "profile.updated",
            "recommendation.dismissed",
            "gig.*",
        ]
    }

    fn handle<'a>(
        &'a self,
        _: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let people: Vec<Uuid> = ["user_id", "student_id", "owner_id"]
                .iter()
                .filter_map(|name| id(&event.data, name))
                .collect();
            if people.is_empty() {
                return Ok(AfterCommit::nothing());
            }
            let discovery = self.0.clone();
            Ok(AfterCommit::run(move || {
                tokio::spawn(async move { discovery.forget_people(&people).await });
            }))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_name_the_documents_that_they_change() {
        let (gig, person) = (Uuid::now_v7(), Uuid::now_v7());
        let event = |subject: &str, aggregate: Uuid, data: Value| Envelope {
            id: Uuid::now_v7(),
            subject: subject.into(),
            context: "x".into(),
            aggregate: aggregate.to_string(),
            version: 1,
            sequence: 1,
            time: chrono::Utc::now(),
            data,
            correlation_id: "abcdefgh".into(),
            causation_id: None,
            traceparent: None,
        };
        let of = |subject: &str, data: Value| changed(&event(subject, gig, data));
        assert_eq!(of("gig.paused", Value::Null), Some((Kind::Gig, gig)));
        assert_eq!(of("course.announced", Value::Null), None);
        assert_eq!(of("course.archived", Value::Null), Some((Kind::Course, gig)));
        assert_eq!(
            of("review.published", serde_json::json!({ "subject_id": person })),
            Some((Kind::Person, person))
        );
        assert_eq!(of("review.published", Value::Null), None);
        assert_eq!(
            of("mentor_review.written", serde_json::json!({ "mentor_id": person })),
            Some((Kind::Mentor, person))
        );
    }
}
