//! A REST client for tests.

use std::time::Duration;

use serde_json::Value;

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// `Content-Type`, or nothing.
    pub content_type: String,
    /// The cookie that the answer sets, as `name=value`, or nothing.
    pub cookie: Option<String>,
    /// The body as JSON; `Null` if it is none.
    pub json: Value,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The JSON body of an answer that must have `status`.
    ///
    /// # Panics
    /// On another status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json
    }

    /// The JSON body of an answer that must be a success.
    ///
    /// # Panics
    /// On a status that is none.
    #[track_caller]
    pub fn expect_success(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        self.json
    }

    /// Asserts an RFC 9457 problem.
    ///
    /// # Panics
    /// When it is none, or of another status.
    #[track_caller]
    pub fn expect_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text);
        assert!(
            self.content_type.starts_with("application/problem+json"),
            "{status} came as {:?}: {}",
            self.content_type,
            self.text
        );
        assert_eq!(self.json["status"], status, "{}", self.text);
        assert!(self.json["type"].is_string() && self.json["title"].is_string(), "{}", self.text);
    }
}

/// Calls one server, with or without a person's session token.
#[derive(Clone)]
pub struct Api {
    base: String,
    token: Option<String>,
    client: awc::Client,
}

impl Api {
    /// For the server at `base` (`http://127.0.0.1:1234`).
    pub fn new(base: &str, token: Option<&str>) -> Self {
        Self {
            base: base.to_owned(),
            token: token.map(str::to_owned),
            client: awc::Client::builder().timeout(Duration::from_secs(30)).finish(),
        }
    }

    /// Sends one request. `Err` is a transport failure: refused, reset, timed out.
    pub async fn try_call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer, String> {
        self.try_with(method, path, &[], body).await
    }

    /// The same with further headers.
    pub async fn try_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let method = awc::http::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let mut response = match body {
            Some(body) => request.send_json(body).await,
            None => request.send().await,
        }
        .map_err(|e| e.to_string())?;
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let content_type = header("content-type").unwrap_or_default();
        let cookie = header("set-cookie").and_then(|c| c.split(';').next().map(str::to_owned));
        let bytes = response.body().limit(64 << 20).await.map_err(|e| e.to_string())?;
        Ok(Answer {
            status: response.status().as_u16(),
            content_type,
            cookie,
            json: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        })
    }

    /// Sends one request that must be answered.
    ///
    /// # Panics
    /// On a transport failure.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        match self.try_call(method, path, body).await {
            Ok(answer) => answer,
            Err(e) => panic!("{method} {path}: {e}"),
        }
    }

    /// `GET path`, answered.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }

    /// `POST path`, answered.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body)).await
    }
}
