//! Calls to Meilisearch: over the client that all outgoing HTTPS uses, bounded in time, tried again where
//! that can help.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::AsyncReadExt;
use meilisearch_sdk::{
    errors::Error,
    request::{HttpClient, Method, parse_response},
};
use reqwest::{StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};

/// How often a call is made at most.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer, whatever the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Nobody answered, or somebody said that they cannot now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Away(pub String);

/// The way to the server.
#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    key: Option<String>,
}

struct Call<'a> {
    url: &'a str,
    method: reqwest::Method,
    query: String,
    body: Option<Vec<u8>>,
    content: &'a str,
}

impl Http {
    pub fn new(client: reqwest::Client, key: Option<String>) -> Self {
        Self { client, key }
    }

    async fn once(&self, call: &Call<'_>) -> Result<(StatusCode, String), Failed> {
        let mut url = call.url.to_owned();
        if !call.query.is_empty() {
            url = format!("{url}?{}", call.query);
        }
        let mut request = self.client.request(call.method.clone(), url);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = &call.body {
            request = request.header(header::CONTENT_TYPE, call.content).body(body.clone());
        }
        let lost =
            |error: reqwest::Error| Failed { said: chain(&error), again: !error.is_timeout(), after: None };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504) {
            let asked = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let after = asked.and_then(|value| value.parse().ok()).map(Duration::from_secs);
            return Err(Failed { said: format!("the server answers {status}"), again: true, after });
        }
        Ok((status, response.text().await.map_err(lost)?))
    }

    async fn call<Output: DeserializeOwned>(&self, call: Call<'_>, expected: u16) -> Result<Output, Error> {
        // To swap twice is not to swap.
        let tries = if call.url.ends_with("/swap-indexes") { 1 } else { TRIES };
        let mut pause = PAUSE;
        let mut left = tries;
        loop {
            left -= 1;
            let failed = match self.once(&call).await {
                Ok((status, body)) => {
                    return parse_response(status.as_u16(), expected, &body, call.url.to_owned());
                }
                Err(failed) => failed,
            };
            if left == 0 || !failed.again {
                return Err(Error::Other(Box::new(Away(failed.said))));
            }
            tokio::time::sleep(failed.after.unwrap_or(pause).min(LONGEST_PAUSE)).await;
            pause *= 2;
        }
    }
}

struct Failed {
    said: String,
    again: bool,
    after: Option<Duration>,
}

/// An error with its causes, without the URL.
fn chain(error: &reqwest::Error) -> String {
    let mut said = if error.is_timeout() { "no answer in time".to_owned() } else { "no answer".to_owned() };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    said
}

fn parts<Q, B>(method: Method<Q, B>) -> (reqwest::Method, Q, Option<B>) {
    match method {
        Method::Get { query } => (reqwest::Method::GET, query, None),
        Method::Delete { query } => (reqwest::Method::DELETE, query, None),
        Method::Post { query, body } => (reqwest::Method::POST, query, Some(body)),
        Method::Patch { query, body } => (reqwest::Method::PATCH, query, Some(body)),
        Method::Put { query, body } => (reqwest::Method::PUT, query, Some(body)),
    }
}

fn encoded<Q: Serialize>(query: &Q) -> Result<String, Error> {
    serde_urlencoded::to_string(query).map_err(|error| Error::Other(Box::new(error)))
}

#[async_trait]
impl HttpClient for Http {
    async fn request<Query, Body, Output>(
        &self,
        url: &str,
        method: Method<Query, Body>,
        expected: u16,
    ) -> Result<Output, Error>
    where
        Query: Serialize + Send + Sync,
        Body: Serialize + Send + Sync,
        Output: DeserializeOwned + 'static + Send,
    {
        let (method, query, body) = parts(method);
        let body = body.map(|body| serde_json::to_vec(&body)).transpose()?;
        let query = encoded(&query)?;
        self.call(Call { url, method, query, body, content: "application/json" }, expected).await
    }

    async fn stream_request<
        Query: Serialize + Send + Sync,
        Body: futures_util::AsyncRead + Send + Sync + 'static,
        Output: DeserializeOwned + 'static,
    >(
        &self,
        url: &str,
        method: Method<Query, Body>,
        content: &str,
        expected: u16,
    ) -> Result<Output, Error> {
        let (method, query, body) = parts(method);
        let query = encoded(&query)?;
        let body = match body {
            Some(body) => {
                let mut all = Vec::new();
                let mut body = Box::pin(body);
                body.read_to_end(&mut all).await.map_err(|error| Error::Other(Box::new(error)))?;
                Some(all)
            }
            None => None,
        };
        self.call(Call { url, method, query, body, content }, expected).await
    }

    fn is_tokio(&self) -> bool {
        true
    }
}
