//! What a signed URL says.

use serde::{Deserialize, Serialize};

/// What tokens that put are signed for.
pub(super) const PUT: &str = "objects.put";
/// What tokens that get are signed for.
pub(super) const GET: &str = "objects.get";

/// Permission to put these bytes there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Put {
    #[serde(rename = "k")]
    pub key: String,
    /// Exactly so many bytes.
    #[serde(rename = "s")]
    pub size: u64,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// In hexadecimal digits.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// A part of that upload, by its number.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub part: Option<(String, u32)>,
}

/// Permission to get an object, presented so.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Get {
    #[serde(rename = "k")]
    pub key: String,
    #[serde(rename = "t")]
    pub media_type: String,
    #[serde(rename = "d")]
    pub disposition: String,
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
