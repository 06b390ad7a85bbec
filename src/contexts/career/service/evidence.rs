//! Facts out of events: kept once, whoever tells of them how often; taken back when their source is.

use diesel_async::AsyncPgConnection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    contexts::career::{
        Career, CareerError,
        model::{Evidence, EvidenceId, EvidenceKind, ProfileForm},
        store::{self, moves},
    },
    events::Envelope,
    principal::UserId,
};

/// What an event says about somebody.
enum Fact {
    /// It happened.
    Stands { kind: EvidenceKind, user: UserId, title: String, detail: String, link: Option<String> },
    /// It is taken back.
    Gone,
}

/// The longest title, in characters.
const LONGEST: usize = 160;

/// The events that are looked at.
pub(in crate::contexts::career) const SUBJECTS: &[&str] =
    &["milestone.*", "badge.*", "review.*", "mentor_review.*", "certificate.*"];

impl Career {
    /// Keeps what an event proves, or takes it back; whose portfolio changed, if one did.
    pub(in crate::contexts::career) async fn take_evidence(
        &self,
        conn: &mut AsyncPgConnection,
        event: &Envelope,
    ) -> Result<Option<UserId>, CareerError> {
        let Some((name, fact)) = fact_of(event) else { return Ok(None) };
        let Fact::Stands { kind, user, title, detail, link } = fact else {
            let owner = store::portfolio::withdraw(conn, &name, event.id).await?;
            if let Some(user) = owner {
                let data = json!({ "user_id": user, "fact": name, "event_id": event.id });
                moves::note(conn, "evidence.withdrawn", event.id, 1, data).await?;
            }
            return Ok(owner);
        };
        if store::erasure::is_forgotten(conn, user).await? {
            return Ok(None);
        }
        let profile = store::portfolio::load(conn, user).await?;
        let form = profile.map(|profile| serde_json::from_value::<ProfileForm>(profile.doc)).transpose()?;
        let evidence = Evidence {
            id: EvidenceId::new(),
            user_id: user,
            fact: name,
            kind,
            event_id: event.id,
            withdrawn_by: None,
            title: title.chars().filter(|c| !c.is_control()).take(LONGEST).collect(),
            detail: detail.chars().filter(|c| !c.is_control()).take(LONGEST).collect(),
            link,
            shown: form.is_none_or(|form| form.show_evidence),
            at: event.time,
        };
        if !store::portfolio::keep(conn, &evidence).await? {
            return Ok(None);
        }
        let data = json!({
            "user_id": user, "evidence_id": evidence.id, "kind": kind, "title": evidence.title,
            "event_id": event.id, "shown": evidence.shown,
        });
        moves::note(conn, "evidence.added", evidence.id.0, 1, data).await?;
        Ok(Some(user))
    }
}

/// The name of the fact that an event is about, and what it says of it.
fn fact_of(event: &Envelope) -> Option<(String, Fact)> {
    let data = &event.data;
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = |name: &str| data.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Uuid>().ok());
    let person = |name: &str| id(name).map(UserId);
    let stands = |kind, user, title, detail, link| Some(Fact::Stands { kind, user, title, detail, link });
    let stars = || data.get("rating").and_then(Value::as_i64).map(|n| format!("Reviewed: {n} of 5"));
    let (name, fact) = match event.subject.as_str() {
        "milestone.released" => (
            format!("milestone:{}", id("milestone_id")?),
            stands(
                EvidenceKind::Milestone,
                person("student_id")?,
                text("title"),
                text("contract_title"),
                None,
            )?,
        ),
        "milestone.charged_back" => (format!("milestone:{}", id("milestone_id")?), Fact::Gone),
        "badge.awarded" => {
            let award = id("award_id")?;
            let link = Some(format!("/badges/{award}"));
            let fact = stands(EvidenceKind::Badge, person("user_id")?, text("name"), text("tier"), link)?;
            (format!("badge:{award}"), fact)
        }
        "badge.revoked" => (format!("badge:{}", id("award_id")?), Fact::Gone),
        "review.published" => (
            format!("review:{}", id("review_id")?),
            stands(
                EvidenceKind::Review,
                person("subject_id")?,
                stars()?,
                "By the other side of a contract".into(),
                None,
            )?,
        ),
        "mentor_review.written" => (
            format!("review:{}", id("review_id")?),
            stands(EvidenceKind::Review, person("mentor_id")?, stars()?, "As a mentor".into(), None)?,
        ),
        "certificate.issued" => {
            let certificate = id("certificate_id")?;
            let user = person("user_id").or_else(|| person("student_id"))?;
            let link = Some(format!("/verify/{certificate}"));
            let fact = stands(EvidenceKind::Certificate, user, text("title"), "Certificate".into(), link)?;
            (format!("certificate:{certificate}"), fact)
        }
        "certificate.revoked" => (format!("certificate:{}", id("certificate_id")?), Fact::Gone),
        _ => return None,
    };
    Some((name, fact))
}
