//! What callers are shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::model::{Upload, UploadId, UploadState};
use crate::ports::objects::{MediaType, Plan, SignedRequest};

/// An upload.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UploadView {
    /// Its id; contexts name the file by it.
    pub id: UploadId,
    /// The file's name.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal digits: announced, then found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where it is.
    pub state: UploadState,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Of an open one in one piece: how to send it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put: Option<SignedRequest>,
    /// Of one in parts: how it is cut and what has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsView>,
    /// Until when an open one must be completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
}

/// How an upload is cut and what has arrived.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PartsView {
    /// Every part but the last has so many bytes.
    pub size: u64,
    /// How many parts there are.
    pub count: u32,
    /// Those that have arrived whole, by number: a client that was interrupted sends the others.
    pub arrived: Vec<PartView>,
    /// The bytes of these: progress.
    pub arrived_bytes: u64,
}

/// A part that has arrived.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PartView {
    /// From 1.
    pub number: u32,
    /// In bytes.
    pub size: u64,
}

/// How to send a part.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SignedPart {
    /// From 1.
    pub number: u32,
    /// In bytes, exactly.
    pub size: u64,
    /// The request.
    pub put: SignedRequest,
}

/// A link that expires.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DownloadView {
    /// Takes `Range`.
    pub url: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// A file that is ready, for other contexts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileView {
    /// Its upload.
    pub id: UploadId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub media_type: String,
    /// In bytes.
    pub size: u64,
}

impl From<&Upload> for FileView {
    fn from(upload: &Upload) -> Self {
        Self {
            id: upload.id,
            name: upload.name.clone(),
            media_type: upload.media_type.clone(),
            size: upload.bytes(),
        }
    }
}

impl UploadView {
    pub(super) fn of(upload: &Upload) -> Self {
        let parts = match upload.plan() {
            Plan::Whole => None,
            Plan::Parts { part_size, count } => {
                Some(PartsView { size: part_size, count, arrived: Vec::new(), arrived_bytes: 0 })
            }
        };
        let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            id: upload.id,
            name: upload.name.clone(),
            media_type: upload.media_type.clone(),
            size: upload.bytes(),
            sha256: upload.sha256.as_ref().map(hex),
            state: upload.state,
            refusal: upload.refusal.clone(),
            put: None,
            parts,
            expires_at: upload.due_at.filter(|_| upload.state == UploadState::Open),
            version: upload.version,
            created_at: upload.created_at,
        }
    }
}

/// Whether a browser may show it.
pub(super) fn is_inline(media_type: &str) -> bool {
    MediaType::named(media_type).is_some_and(MediaType::is_inline)
}
