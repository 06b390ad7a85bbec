//! Vectors from an endpoint that speaks OpenAI's embeddings call
//! (<https://platform.openai.com/docs/api-reference/embeddings/create>), as many servers do.
//!
//! Texts go in batches; a call that fails for the moment is repeated, at growing distances and not before the
//! endpoint wants it; calls are spread so that a minute holds no more than was agreed. What comes back is
//! believed only if each text has one vector of the stated dimension.

mod answer;
mod pace;

use std::{
    fmt,
    time::{Duration, Instant},
};

use reqwest::{StatusCode, header};
use serde::Serialize;
use tokio::sync::Semaphore;
use url::Url;

use super::{EmbedError, normalise};
use crate::tls;
use pace::Pace;

/// Calls under way at once.
const AT_ONCE: usize = 4;
/// An answer's size in bytes at most; 128 vectors of 2,000 numbers are 5 MB.
const LARGEST: usize = 32 * 1024 * 1024;
/// As far as a text is sent, in characters; about 4,000 tokens of the 8,191 that OpenAI takes.
const MAX_CHARS: usize = 16_384;

/// Where the endpoint is and how it is used.
#[derive(Clone)]
pub struct EndpointSettings {
    /// The API's base, such as `https://api.openai.com/v1`; `/embeddings` is appended.
    pub url: Url,
    /// The model's name, as the endpoint knows it.
    pub model: String,
    /// Numbers in one of its vectors.
    pub dimension: usize,
    /// Sent as a bearer token. A secret.
    pub key: Option<String>,
    /// Texts in one call.
    pub batch: usize,
    /// Calls in a minute at most.
    pub per_minute: u32,
    /// How long one call may take.
    pub timeout: Duration,
    /// After so many calls a batch is given up for now.
    pub attempts: u32,
    /// Before the second call; doubles with each.
    pub first_wait: Duration,
    /// The longest wait, of our choice or the endpoint's; a longer one is the caller's to wait.
    pub longest_wait: Duration,
}

impl EndpointSettings {
    /// With the defaults of `default.toml` for what is not given.
    pub fn new(url: Url, model: String, dimension: usize) -> Self {
        Self {
            url,
            model,
            dimension,
            key: None,
            batch: 64,
            per_minute: 600,
            timeout: Duration::from_secs(20),
            attempts: 4,
            first_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(10),
        }
    }
}

/// The endpoint. Prints nothing of its key.
pub(super) struct Endpoint {
    settings: EndpointSettings,
    url: Url,
    http: reqwest::Client,
    pace: Pace,
    gate: Semaphore,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.settings.model)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
}

impl Endpoint {
    pub fn new(settings: EndpointSettings) -> Result<Self, EmbedError> {
        let rejected = |reason: String| EmbedError::Rejected { reason };
        let mut url = settings.url.clone();
        if settings.key.is_some() {
            // One way to sign in is enough; neither can fail for a URL with a host.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
        let path = format!("{}/embeddings", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let http = tls::http_client(settings.timeout).map_err(|error| rejected(error.to_string()))?;
        let pace = Pace::new(settings.per_minute);
        Ok(Self { settings, url, http, pace, gate: Semaphore::new(AT_ONCE) })
    }

    /// Where it is, without what may be secret in it.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Vectors of the texts, in their order.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = vec![Vec::new(); texts.len()];
        // Endpoints refuse empty texts, and with one of them the whole batch.
        let (asked, input): (Vec<usize>, Vec<String>) = texts
            .iter()
            .enumerate()
            .filter(|(_, text)| !text.trim().is_empty())
            .map(|(place, text)| (place, text.chars().take(MAX_CHARS).collect()))
            .unzip();
        for (places, input) in
            asked.chunks(self.settings.batch.max(1)).zip(input.chunks(self.settings.batch.max(1)))
        {
            for (place, vector) in places.iter().zip(self.batch(input).await?) {
                if let Some(slot) = vectors.get_mut(*place) {
                    *slot = vector;
                }
            }
        }
        for vector in &mut vectors {
            vector.resize(self.settings.dimension, 0.0);
            normalise(vector);
        }
        Ok(vectors)
    }

    /// One batch, again and again while that may help.
    async fn batch(&self, input: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut wait = self.settings.first_wait;
        let mut attempt = 1;
        loop {
            let error = match self.call(input).await {
                Ok(vectors) => return Ok(vectors),
                Err(error) => error,
            };
            let EmbedError::Unavailable { retry_after, .. } = &error else { return Err(error) };
            let asked = retry_after.unwrap_or_default();
            if asked > Duration::ZERO {
                // The others need not find out for themselves.
                self.pace.not_before(Instant::now() + asked.min(self.settings.longest_wait));
            }
            if attempt >= self.settings.attempts || asked > self.settings.longest_wait {
                return Err(error);
            }
            tokio::time::sleep(jittered(wait).max(asked)).await;
            wait = (wait * 2).min(self.settings.longest_wait);
            attempt += 1;
        }
    }

    async fn call(&self, input: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let unavailable = |reason: String| EmbedError::Unavailable { retry_after: None, reason };
        let _permit = self.gate.acquire().await.map_err(|error| unavailable(error.to_string()))?;
        self.pace.turn(self.settings.longest_wait).await.map_err(|wait| EmbedError::Unavailable {
            retry_after: Some(wait),
            reason: "more calls than agreed wait already".to_owned(),
        })?;
        let body = Body { model: &self.settings.model, input, encoding_format: "float" };
        let body = serde_json::to_vec(&body).map_err(|error| unavailable(error.to_string()))?;
        let mut request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .body(body);
        if let Some(key) = &self.settings.key {
            request = request.bearer_auth(key);
        }
        // The URL may hold a secret, and so may what the endpoint says: neither goes into an error.
        let lost = |error: reqwest::Error| unavailable(error.without_url().to_string());
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        if !status.is_success() {
            let retry_after = answer::retry_after(response.headers(), chrono::Utc::now());
            return Err(failure(status, retry_after));
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(EmbedError::Rejected { reason: "the answer is too large".to_owned() });
            }
            bytes.extend_from_slice(&chunk);
        }
        answer::read(&bytes, input.len(), self.settings.dimension)
    }
}

/// Statuses by what can be done about them.
fn failure(status: StatusCode, retry_after: Option<Duration>) -> EmbedError {
    let reason = format!("it answered {status}");
    match status.as_u16() {
        408 | 409 | 425 | 429 | 500..=599 => EmbedError::Unavailable { retry_after, reason },
        _ => EmbedError::Rejected { reason },
    }
}

/// Three quarters of it to five quarters, so that nodes that failed together do not return together.
fn jittered(wait: Duration) -> Duration {
    let drawn = getrandom::u32().unwrap_or(500) % 501;
    wait * (750 + drawn) / 1000
}

#[cfg(test)]
mod tests;
