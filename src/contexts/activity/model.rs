//! What an entry is. No I/O.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::principal::UserId;

/// What was acted on.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Object {
    /// Its sort: `gig`, `contract`, `milestone`, `application`, `person`, `course`, `quiz`, `certificate`.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
}

/// Something that a person did, or that happened to what is theirs.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Entry {
    /// Its id; later entries have higher ones.
    pub id: Uuid,
    /// Who.
    pub actor_id: UserId,
    /// What: the subject of the event, `gig.posted`.
    pub verb: String,
    /// On what.
    pub object: Object,
    /// Whether others see it.
    pub public: bool,
    /// What else the event said: `title`, `rating`, `amount`.
    pub data: Value,
    /// When.
    pub at: DateTime<Utc>,
}

impl Entry {
    /// The id of what an event tells of a person: the event's time, then a hash of both.
    pub fn id_of(event: Uuid, actor: UserId) -> Uuid {
        let hash = Sha256::new_with_prefix(event.as_bytes()).chain_update(actor.0.as_bytes()).finalize();
        let mut bytes = *event.as_bytes();
        bytes[9..].copy_from_slice(&hash[..7]);
        Uuid::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_the_event_and_the_person_and_go_with_time() {
        let (a, b) = (UserId::new(), UserId::new());
        let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
        assert_eq!(Entry::id_of(first, a), Entry::id_of(first, a));
        assert_ne!(Entry::id_of(first, a), Entry::id_of(first, b));
        assert_ne!(Entry::id_of(first, a), Entry::id_of(second, a));
        assert_eq!(Entry::id_of(first, a).get_version_num(), 7);
        assert_eq!(Entry::id_of(first, a).as_bytes()[..6], first.as_bytes()[..6]);
    }
}
