//! Objects: bytes too large for a row, such as videos, hand-ins and certificates.
//!
//! Bytes do not pass through handlers of contexts: a client gets a signed URL, bound to size, type and
//! checksum, and talks to the store itself. [`directory::Directory`] keeps them in the data directory
//! and serves its own signed URLs; [`s3::S3`] keeps them in a bucket and presigns.
//!
//! Keys are made by the server ([`Key`]); no client ever names one.

pub mod directory;
mod key;
pub mod s3;
mod sizes;
mod sniff;

#[cfg(test)]
pub(crate) mod contract;

use std::{pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::Stream;

pub use key::{BadKey, Key};
pub use sizes::{LARGEST, MAX_PARTS, Plan, SINGLE_PUT};
pub use sniff::{MediaType, sniff};

use crate::error::{ErrorKind, Fault};

/// What lies behind an [`ObjectError`]; for the log.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A store cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It does not answer, or fails inside.
    #[error("the object store is not available at the moment")]
    Unavailable(#[source] Cause),
    /// There is no object under that key.
    #[error("there is no such object")]
    NotFound,
    /// The upload in parts is over, or never was.
    #[error("there is no such upload in parts")]
    NoUpload,
    /// A part that was to be joined is missing or another one.
    #[error("a part is missing or has changed")]
    BadPart,
}

impl ObjectError {
    /// Wraps a failure of the store.
    pub(crate) fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl From<std::io::Error> for ObjectError {
    fn from(error: std::io::Error) -> Self {
        Self::unavailable(error)
    }
}

impl Fault for ObjectError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::NotFound => ErrorKind::NotFound,
            Self::NoUpload | Self::BadPart => ErrorKind::Conflict,
        }
    }
}

/// What an upload may be: the URL is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Exactly so many bytes.
    pub size: u64,
    /// The `Content-Type` that must be sent.
    pub media_type: String,
    /// SHA-256 of the bytes, where the client knows it beforehand.
    pub sha256: Option<[u8; 32]>,
}

/// A request that a client may make once it has it; the headers must be sent as they are.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct SignedRequest {
    /// `PUT`.
    pub method: &'static str,
    /// Where; expires.
    pub url: String,
    /// Headers that are part of the signature.
    pub headers: std::collections::BTreeMap<String, String>,
}

/// A part of an upload that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u32,
    /// In bytes.
    pub size: u64,
    /// The store's tag of its bytes.
    pub tag: String,
}

/// An object's size and age.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// In bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: DateTime<Utc>,
}

/// How a download presents itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// `Content-Type`.
    pub media_type: String,
    /// The file's name, as people see it.
    pub name: String,
    /// Whether a browser may show it, instead of saving it.
    pub inline: bool,
}

impl Presented {
    /// `Content-Disposition` (RFC 6266), with the name in RFC 8187's form beside an ASCII one.
    pub fn disposition(&self) -> String {
        let kind = if self.inline { "inline" } else { "attachment" };
        let ascii: String = self
            .name
            .chars()
            .map(|c| {
                if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/' | '%') || c == ' ' { c } else { '_' }
            })
            .collect();
        let mut exact = String::new();
        for byte in self.name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    exact.push(char::from(byte))
                }
                other => exact.push_str(&format!("%{other:02X}")),
            }
        }
        format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{exact}")
    }
}

/// An object's bytes, chunk by chunk.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ObjectError>> + Send>>;

/// A store of objects.
///
/// Contract (`contract.rs` holds every adapter to it): an object is there whole or not at all; keys that
/// are prefixes of others are objects of their own; deleting and aborting twice is deleting and
/// aborting once; parts may come in any order and again, the last one counts.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// A request that puts one object, for `life`.
    async fn put_request(
        &self,
        key: &Key,
        bounds: &Bounds,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError>;

    /// Begins an upload in parts; its name in the store.
    async fn begin_parts(&self, key: &Key, media_type: &str) -> Result<String, ObjectError>;

    /// A request that puts one part of exactly `size` bytes, for `life`.
    async fn part_request(
        &self,
        key: &Key,
        upload: &str,
        number: u32,
        size: u64,
        life: Duration,
    ) -> Result<SignedRequest, ObjectError>;

    /// The parts that have arrived, by number.
    async fn parts(&self, key: &Key, upload: &str) -> Result<Vec<Part>, ObjectError>;

    /// Makes one object of parts, in the order given. The upload is over then.
    async fn join_parts(&self, key: &Key, upload: &str, parts: &[Part]) -> Result<(), ObjectError>;

    /// Forgets an upload in parts and what has arrived of it.
    async fn abort_parts(&self, key: &Key, upload: &str) -> Result<(), ObjectError>;

    /// Writes an object that the server made itself.
    async fn write(&self, key: &Key, media_type: &str, bytes: Bytes) -> Result<(), ObjectError>;

    /// An object's bytes.
    async fn read(&self, key: &Key) -> Result<ByteStream, ObjectError>;

    /// An object's size in bytes, if it is there.
    async fn size(&self, key: &Key) -> Result<Option<u64>, ObjectError>;

    /// Copies an object of at most [`SINGLE_PUT`] bytes.
    async fn copy(&self, from: &Key, to: &Key) -> Result<(), ObjectError>;

    /// Removes an object, if it is there.
    async fn delete(&self, key: &Key) -> Result<(), ObjectError>;

    /// A URL that downloads an object, with ranges, for `life`.
    async fn get_url(&self, key: &Key, presented: &Presented, life: Duration) -> Result<String, ObjectError>;

    /// Up to `limit` objects whose keys sort after `after`, by key.
    async fn list(&self, after: Option<&Key>, limit: usize) -> Result<Vec<Listed>, ObjectError>;
}
