//! Entries as statements of the Experience API (ADL, "xAPI 1.0.3", part 2: statements), to be handed to a
//! learning record store. A statement's id is its entry's, so handing it over twice is handing it over once.

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};

use super::Entry;

/// The version that statements follow.
pub const VERSION: &str = "1.0.3";

/// Verbs that the ADL vocabulary and the Tin Can registry have; any other is under our own address.
const VERBS: &[(&str, &str, &str)] = &[
    ("user.registered", "http://adlnet.gov/expapi/verbs/registered", "registered"),
    ("enrolment.created", "http://adlnet.gov/expapi/verbs/registered", "registered"),
    ("course.completed", "http://adlnet.gov/expapi/verbs/completed", "completed"),
    ("attempt.submitted", "http://adlnet.gov/expapi/verbs/attempted", "attempted"),
    ("attempt.graded", "http://adlnet.gov/expapi/verbs/scored", "scored"),
    ("certificate.issued", "http://id.tincanapi.com/verb/earned", "earned"),
];

/// Where things of a kind are, under `/api/v1`, and their type.
const KINDS: &[(&str, &str, &str)] = &[
    ("course", "courses", "http://adlnet.gov/expapi/activities/course"),
    ("quiz", "quizzes", "http://adlnet.gov/expapi/activities/assessment"),
    ("certificate", "certificates", "https://w3id.org/xapi/tla/activity-types/credential"),
    ("gig", "gigs", ""),
    ("contract", "contracts", ""),
    ("milestone", "milestones", ""),
    ("application", "applications", ""),
];

/// An entry as a statement; `base` is the server's public address, without a slash at its end.
pub fn statement(entry: &Entry, base: &str) -> Value {
    let (verb, display) = VERBS.iter().find(|(subject, ..)| *subject == entry.verb).map_or_else(
        || (format!("{base}/xapi/verbs/{}", entry.verb), entry.verb.replace(['.', '_'], " ")),
        |(_, id, display)| ((*id).to_owned(), (*display).to_owned()),
    );
    let mut statement = json!({
        "id": entry.id,
        "actor": agent(base, &entry.actor_id.to_string()),
        "verb": { "id": verb, "display": { "en": display } },
        "object": object(entry, base),
        "context": { "platform": "Gigsy" },
        "timestamp": entry.at.to_rfc3339_opts(SecondsFormat::Millis, true),
    });
    if let Some(course) = entry.data.get("course_id").and_then(Value::as_str)
        && entry.object.kind != "course"
    {
        let parent = activity(base, "course", course, None);
        statement["context"]["contextActivities"] = json!({ "parent": [parent] });
    }
    if let Some(result) = result(entry) {
        statement["result"] = result;
    }
    statement
}

/// A person: an account here. Names and addresses are nobody else's business.
fn agent(base: &str, name: &str) -> Value {
    json!({ "objectType": "Agent", "account": { "homePage": base, "name": name } })
}

fn object(entry: &Entry, base: &str) -> Value {
    let id = entry.object.id.to_string();
    if entry.object.kind == "person" {
        return agent(base, &id);
    }
    activity(base, &entry.object.kind, &id, entry.data.get("title").and_then(Value::as_str))
}

fn activity(base: &str, kind: &str, id: &str, title: Option<&str>) -> Value {
    let (path, of_type) = KINDS
        .iter()
        .find(|(own, ..)| *own == kind)
        .map_or((kind, ""), |(_, path, of_type)| (*path, *of_type));
    let mut definition = Map::new();
    if !of_type.is_empty() {
        definition.insert("type".into(), json!(of_type));
    }
    if let Some(title) = title {
        // The language is not known.
        definition.insert("name".into(), json!({ "und": title }));
    }
    let mut activity = json!({ "objectType": "Activity", "id": format!("{base}/api/v1/{path}/{id}") });
    if !definition.is_empty() {
        activity["definition"] = Value::Object(definition);
    }
    activity
}

fn result(entry: &Entry) -> Option<Value> {
    if entry.verb == "course.completed" {
        return Some(json!({ "completion": true }));
    }
    // Marks are in hundredths of points; penalties may take a score below nothing.
    let mark = |name: &str| entry.data.get(name).and_then(Value::as_f64).map(|mark| mark / 100.0);
    let (raw, max) = (mark("score")?, mark("max_score").filter(|max| *max > 0.0)?);
    let min = raw.min(0.0);
    let scaled = (raw / max).clamp(-1.0, 1.0);
    Some(json!({ "score": { "scaled": scaled, "raw": raw, "min": min, "max": max.max(raw) } }))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{contexts::activity::Object, principal::UserId};

    const BASE: &str = "https://gigsy.example";

    fn entry(verb: &str, kind: &str, data: Value) -> Entry {
        Entry {
            id: Uuid::now_v7(),
            actor_id: UserId::new(),
            verb: verb.into(),
            object: Object { kind: kind.into(), id: Uuid::now_v7() },
            public: false,
            data,
            at: chrono::DateTime::from_timestamp(1_795_000_000, 123_000_000).unwrap(),
        }
    }

    #[test]
    fn a_completion_is_said_in_the_common_vocabulary() {
        let one = entry("course.completed", "course", json!({ "title": "Rust", "course_id": "x" }));
        let said = statement(&one, BASE);
        assert_eq!(
            said,
            json!({
                "id": one.id,
                "actor": { "objectType": "Agent", "account": { "homePage": BASE, "name": one.actor_id } },
                "verb": { "id": "http://adlnet.gov/expapi/verbs/completed", "display": { "en": "completed" } },
                "object": {
                    "objectType": "Activity", "id": format!("{BASE}/api/v1/courses/{}", one.object.id),
                    "definition": {
                        "type": "http://adlnet.gov/expapi/activities/course", "name": { "und": "Rust" },
                    },
                },
                "context": { "platform": "Gigsy" },
                "result": { "completion": true },
                "timestamp": "2026-11-18T11:06:40.123Z",
            })
        );
    }

    #[test]
    fn scores_are_points_and_a_part_of_them_and_the_course_is_around_the_quiz() {
        let course = Uuid::now_v7().to_string();
        let data = json!({ "score": 150, "max_score": 400, "course_id": course });
        let said = statement(&entry("attempt.graded", "quiz", data), BASE);
        assert_eq!(said["result"]["score"], json!({ "scaled": 0.375, "raw": 1.5, "min": 0.0, "max": 4.0 }));
        let parent = &said["context"]["contextActivities"]["parent"][0]["id"];
        assert_eq!(*parent, json!(format!("{BASE}/api/v1/courses/{course}")));
        let below = json!({ "score": -100, "max_score": 400 });
        let score = statement(&entry("attempt.graded", "quiz", below), BASE)["result"]["score"].clone();
        assert_eq!(score, json!({ "scaled": -0.25, "raw": -1.0, "min": -1.0, "max": 4.0 }));
        let waiting = json!({ "score": null, "max_score": 400 });
        assert!(statement(&entry("attempt.submitted", "quiz", waiting), BASE).get("result").is_none());
    }

    #[test]
    fn what_the_vocabularies_lack_has_an_address_of_ours() {
        let said = statement(&entry("gig.posted", "gig", json!({ "title": "A logo" })), BASE);
        assert_eq!(said["verb"]["id"], json!("https://gigsy.example/xapi/verbs/gig.posted"));
        assert_eq!(said["verb"]["display"], json!({ "en": "gig posted" }));
        let person = statement(&entry("review.published", "person", json!({})), BASE);
        assert_eq!(person["object"]["objectType"], json!("Agent"));
    }
}
