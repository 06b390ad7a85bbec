//! What clients send, and its bounds.

use serde::Deserialize;
use utoipa::ToSchema;

use super::UploadError;
use crate::{
    error::FieldError,
    ports::objects::{MediaType, Plan},
};

/// An upload to begin.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct UploadForm {
    /// The file's name as people see it: 1 to 200 characters.
    #[schema(min_length = 1, max_length = 200, example = "lecture-1.mp4")]
    pub name: String,
    /// What it is; its bytes must agree.
    #[schema(max_length = 100, example = "video/mp4")]
    pub media_type: String,
    /// In bytes, exactly.
    #[schema(minimum = 1, example = 1_048_576)]
    pub size: u64,
    /// SHA-256 in hexadecimal digits, where it is known beforehand.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: Option<String>,
}

/// Parts to sign.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct PartsForm {
    /// Their numbers, from 1; 100 at most.
    #[schema(min_items = 1, max_items = 100)]
    pub numbers: Vec<u32>,
}

/// The end of an upload.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct CompleteForm {
    /// SHA-256 in hexadecimal digits, where it was not announced before.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub sha256: Option<String>,
}

/// A form that has been checked.
pub(super) struct Checked {
    pub name: String,
    pub media_type: String,
    pub size: u64,
    pub sha256: Option<[u8; 32]>,
    pub plan: Plan,
}

/// A digest out of its hexadecimal digits.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(bytes)
}

impl UploadForm {
    pub(super) fn check(&self, largest: u64, part: u64) -> Result<Checked, UploadError> {
        let mut wrong = Vec::new();
        let name = self.name.trim();
        let count = name.chars().count();
        if !(1..=200).contains(&count) || name.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) {
            wrong.push(FieldError::new("/name", "takes 1 to 200 characters without / and \\"));
        }
        let media_type = self.media_type.trim().to_ascii_lowercase();
        if MediaType::named(&media_type).is_none() {
            let taken: Vec<_> = MediaType::names().collect();
            wrong.push(FieldError::new("/media_type", format!("takes {}", taken.join(", "))));
        }
        let sha256 = self.sha256.as_deref().map(digest);
        if sha256 == Some(None) {
            wrong.push(FieldError::new("/sha256", "takes 64 hexadecimal digits"));
        }
        let plan = Plan::new(self.size, part).filter(|_| self.size <= largest);
        let Some(plan) = plan else {
            wrong.push(FieldError::new("/size", format!("must be from 1 to {largest}")));
            return Err(UploadError::Invalid(wrong));
        };
        if !wrong.is_empty() {
            return Err(UploadError::Invalid(wrong));
        }
        Ok(Checked { name: name.to_owned(), media_type, size: self.size, sha256: sha256.flatten(), plan })
    }
}
