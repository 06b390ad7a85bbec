//! What an endpoint says, read with care.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{self, HeaderMap};
use serde::Deserialize;

use crate::ports::embed::EmbedError;

#[derive(Deserialize)]
struct Answer {
    data: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    index: usize,
    embedding: Vec<f32>,
}

/// The vectors in the order of their texts: one for each, of the dimension, of finite numbers, not all zero.
pub(super) fn read(body: &[u8], texts: usize, dimension: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
    let rejected = |reason: &str| EmbedError::Rejected { reason: reason.to_owned() };
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        if error.is_eof() {
            // A proxy that gave up half-way: the next call may be whole.
            let reason = "the answer ends too early".to_owned();
            EmbedError::Unavailable { retry_after: None, reason }
        } else {
            rejected("the answer is of another shape")
        }
    })?;
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    for One { index, embedding } in answer.data {
        if embedding.len() != dimension {
            return Err(EmbedError::Dimension { expected: dimension, found: embedding.len() });
        }
        if !embedding.iter().all(|number| number.is_finite()) || embedding.iter().all(|number| *number == 0.0)
        {
            return Err(rejected("a vector is not of finite numbers, or null"));
        }
        let slot = vectors.get_mut(index).ok_or_else(|| rejected("a vector of a text that was not sent"))?;
        if slot.replace(embedding).is_some() {
            return Err(rejected("two vectors of one text"));
        }
    }
    vectors.into_iter().map(|slot| slot.ok_or_else(|| rejected("a text has no vector"))).collect()
}

/// When to come back (RFC 9110 §10.2.3): seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = DateTime::parse_from_rfc2822(value).ok()?;
    Some((then.with_timezone(&Utc) - now).to_std().unwrap_or_default())
}
