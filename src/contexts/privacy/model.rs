//! Archives and receipts as they are stored. No I/O.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid},
};

use crate::{contexts::objects::UploadId, principal::UserId};

crate::id_type!(
    /// An archive of everything that is known of a person.
    ExportId
);

crate::states! {
    /// Where an archive is.
    ExportState {
        /// Contexts are asked.
        Gathering = "gathering",
        /// It is written.
        Packing = "packing",
        /// It can be fetched.
        Ready = "ready",
        /// It is gone.
        Expired = "expired",
    }
}

#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Export {
    #[diesel(sql_type = Uuid)]
    pub id: ExportId,
    #[diesel(sql_type = Uuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Text)]
    pub state: ExportState,
    #[diesel(sql_type = Array<Text>)]
    pub contexts: Vec<String>,
    #[diesel(sql_type = Uuid)]
    pub event_id: uuid::Uuid,
    #[diesel(sql_type = Nullable<Uuid>)]
    pub object_id: Option<UploadId>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub size: Option<i64>,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub expires_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// One context's part of an archive.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Part {
    #[diesel(sql_type = Text)]
    pub context: String,
    #[diesel(sql_type = Integer)]
    pub documents: i32,
    #[diesel(sql_type = Integer)]
    pub files: i32,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}

/// Something that goes into an archive.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Entry {
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub body: Option<serde_json::Value>,
    #[diesel(sql_type = Nullable<Uuid>)]
    pub object_id: Option<UploadId>,
}

/// Somebody who asked to be forgotten.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Erasure {
    #[diesel(sql_type = Uuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Array<Text>)]
    pub contexts: Vec<String>,
    #[diesel(sql_type = Uuid)]
    pub event_id: uuid::Uuid,
    #[diesel(sql_type = Timestamptz)]
    pub requested_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub completed_at: Option<DateTime<Utc>>,
}

/// What one context answered.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
pub struct Receipt {
    #[diesel(sql_type = Text)]
    pub context: String,
    #[diesel(sql_type = Bool)]
    pub done: bool,
    #[diesel(sql_type = Jsonb)]
    pub counts: serde_json::Value,
    #[diesel(sql_type = Array<Text>)]
    pub kept: Vec<String>,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}
