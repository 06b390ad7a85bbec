//! An upload and its states. No I/O.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Binary, Integer, Nullable, Text, Timestamptz, Uuid},
};

use crate::{
    machine::{Actor, Due, Machine, Transition},
    ports::objects::{Key, Plan},
    principal::UserId,
};

crate::id_type!(
    /// An upload, and the object that becomes of it.
    UploadId
);

crate::states! {
    /// Where an upload is.
    UploadState {
        /// Bytes may arrive.
        Open = "open",
        /// They have, and are looked at.
        Verifying = "verifying",
        /// They are what was announced: the object may be used.
        Ready = "ready",
        /// They are not.
        Refused = "refused",
        /// They did not arrive in time.
        Expired = "expired",
        /// The owner does not want it any more.
        Deleted = "deleted",
    }
}

/// The ways of an upload.
pub const UPLOAD: Machine<UploadState> = Machine {
    name: "upload",
    states: UploadState::ALL,
    initial: UploadState::Open,
    finals: &[UploadState::Ready, UploadState::Refused, UploadState::Expired, UploadState::Deleted],
    transitions: &[
        step(
            "complete",
            &[Actor::Student],
            &[UploadState::Open],
            UploadState::Verifying,
            "upload.arrived",
            None,
        ),
        step(
            "accept",
            &[Actor::System],
            &[UploadState::Verifying],
            UploadState::Ready,
            "upload.completed",
            None,
        ),
        step(
            "refuse",
            &[Actor::System],
            &[UploadState::Verifying],
            UploadState::Refused,
            "upload.refused",
            None,
        ),
        step(
            "expire",
            &[Actor::Timer],
            &[UploadState::Open],
            UploadState::Expired,
            "upload.expired",
            Some(Due::Deadline),
        ),
        step(
            "delete",
            &[Actor::Student],
            &[UploadState::Open, UploadState::Ready],
            UploadState::Deleted,
            "upload.deleted",
            None,
        ),
    ],
};

const fn step(
    name: &'static str,
    who: &'static [Actor],
    from: &'static [UploadState],
    to: UploadState,
    event: &'static str,
    timer: Option<Due>,
) -> Transition<UploadState> {
    Transition { name, who, from, to, event, timer }
}

/// An upload as it is stored.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Upload {
    #[diesel(sql_type = Uuid)]
    pub id: UploadId,
    #[diesel(sql_type = Uuid)]
    pub owner_id: UserId,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub media_type: String,
    #[diesel(sql_type = BigInt)]
    pub size: i64,
    #[diesel(sql_type = Nullable<Binary>)]
    pub sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Text)]
    pub key: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub staging: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub parts: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub part_size: Option<i64>,
    #[diesel(sql_type = Text)]
    pub state: UploadState,
    #[diesel(sql_type = Nullable<Text>)]
    pub refusal: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub due_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Nullable<Text>)]
    pub purge: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

impl Upload {
    /// In bytes.
    pub fn bytes(&self) -> u64 {
        self.size.unsigned_abs()
    }

    /// How it comes.
    pub fn plan(&self) -> Plan {
        match self.part_size {
            None => Plan::Whole,
            Some(size) => {
                let part_size = size.unsigned_abs().max(1);
                let count = u32::try_from(self.bytes().div_ceil(part_size)).unwrap_or(u32::MAX);
                Plan::Parts { part_size, count }
            }
        }
    }

    /// The announced or found digest.
    pub fn digest(&self) -> Option<[u8; 32]> {
        self.sha256.as_deref().and_then(|bytes| bytes.try_into().ok())
    }

    /// Where the bytes of an object lie that the server made itself.
    pub fn made_key(id: UploadId) -> Key {
        Key::of("made", id.0)
    }

    /// Whether the server made it. Such an object counts against nobody's quota.
    pub fn is_made(&self) -> bool {
        self.key == Self::made_key(self.id).to_string()
    }

    /// Where the verified bytes are.
    pub fn place(&self) -> Option<Key> {
        Key::new(self.key.clone()).ok()
    }

    /// Where bytes arrive in one piece.
    pub fn arrival(&self) -> Option<Key> {
        self.staging.clone().and_then(|key| Key::new(key).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_no_traps() {
        assert_eq!(UPLOAD.flaws(), Vec::<String>::new());
    }
}
