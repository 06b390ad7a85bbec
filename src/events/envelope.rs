//! What an event looks like on the way: CloudEvents 1.0, structured JSON.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// An event as consumers get it. In CloudEvents' terms: `subject` here is its `type`, `aggregate`
/// its `subject`, and `/gigsy/<context>` its `source`.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The event's id, a UUIDv7; the same however often it is delivered.
    pub id: Uuid,
    /// `<aggregate>.<past_tense>`: `gig.posted`.
    pub subject: String,
    /// The context that tells of it: `gigs`.
    pub context: String,
    /// What it is about: the gig's id.
    pub aggregate: String,
    /// The aggregate's version after the change.
    pub version: i64,
    /// Its place in the order of all events; of one aggregate, a later event has a higher one. 0
    /// until it is recorded.
    pub sequence: i64,
    /// When it was recorded.
    pub time: DateTime<Utc>,
    /// What happened; its shape belongs to the subject.
    pub data: Value,
    /// The request (or timer) that it all began with.
    pub correlation_id: String,
    /// The event in whose handling this one was recorded.
    pub causation_id: Option<Uuid>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// The wire form. Extension names are lower-case letters and digits, as CloudEvents demands.
#[derive(Serialize, Deserialize)]
struct Wire {
    specversion: String,
    id: Uuid,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    subject: String,
    time: DateTime<Utc>,
    datacontenttype: String,
    aggregateversion: i64,
    // CloudEvents' own extension of that name: a string.
    sequence: String,
    correlationid: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    causationid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    traceparent: Option<String>,
    data: Value,
}

const SOURCE: &str = "/gigsy/";

/// Not an event of ours.
#[derive(Debug, thiserror::Error)]
#[error("not a CloudEvent of ours: {0}")]
pub struct NotAnEvent(String);

impl Envelope {
    /// The structured JSON form, `application/cloudevents+json`.
    pub fn to_json(&self) -> Value {
        let wire = Wire {
            specversion: "1.0".into(),
            id: self.id,
            source: format!("{SOURCE}{}", self.context),
            kind: self.subject.clone(),
            subject: self.aggregate.clone(),
            time: self.time,
            datacontenttype: "application/json".into(),
            aggregateversion: self.version,
            sequence: self.sequence.to_string(),
            correlationid: self.correlation_id.clone(),
            causationid: self.causation_id,
            traceparent: self.traceparent.clone(),
            data: self.data.clone(),
        };
        // Strings, numbers and a Value: there is nothing in it that JSON cannot say.
        serde_json::to_value(wire).unwrap_or(Value::Null)
    }

    /// Reads the structured JSON form.
    ///
    /// # Errors
    /// [`NotAnEvent`] says what is missing or wrong.
    pub fn from_json(json: Value) -> Result<Self, NotAnEvent> {
        let wire: Wire = serde_json::from_value(json).map_err(|e| NotAnEvent(e.to_string()))?;
        if wire.specversion != "1.0" {
            return Err(NotAnEvent(format!("specversion {}", wire.specversion)));
        }
        let context =
            wire.source.strip_prefix(SOURCE).ok_or_else(|| NotAnEvent(format!("source {}", wire.source)))?;
        let sequence =
            wire.sequence.parse().map_err(|_| NotAnEvent(format!("sequence {}", wire.sequence)))?;
        Ok(Self {
            id: wire.id,
            subject: wire.kind,
            context: context.to_owned(),
            aggregate: wire.subject,
            version: wire.aggregateversion,
            sequence,
            time: wire.time,
            data: wire.data,
            correlation_id: wire.correlationid,
            causation_id: wire.causationid,
            traceparent: wire.traceparent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_cloudevent_and_comes_back_the_same() {
        let event = Envelope {
            id: Uuid::now_v7(),
            subject: "gig.posted".into(),
            context: "gigs".into(),
            aggregate: "g1".into(),
            version: 3,
            sequence: 42,
            time: DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(),
            data: serde_json::json!({"title": "x"}),
            correlation_id: "abcdefgh".into(),
            causation_id: Some(Uuid::now_v7()),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        };
        let json = event.to_json();
        for (name, value) in [
            ("specversion", "1.0"),
            ("type", "gig.posted"),
            ("source", "/gigsy/gigs"),
            ("subject", "g1"),
            ("sequence", "42"),
            ("correlationid", "abcdefgh"),
        ] {
            assert_eq!(json[name], value);
        }
        assert_eq!(json["aggregateversion"], 3);
        assert_eq!(Envelope::from_json(json).unwrap(), event);
        assert!(Envelope::from_json(serde_json::json!({"specversion": "0.3"})).is_err());
    }
}
