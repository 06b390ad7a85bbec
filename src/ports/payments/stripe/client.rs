//! One call of Stripe's API: form in, JSON out, errors sorted by what a caller can do about them.

use std::{fmt, time::Duration};

use reqwest::{Method, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use crate::{
    ports::payments::PaymentError,
    tls::{self, TlsError},
};

/// The API version that the shapes in `wire.rs` are of; pinned, so that the account's default cannot
/// change them under us.
const VERSION: &str = "2024-06-20";
/// How long a call may take; past it whether it took effect is unknown, and the key makes repeating safe.
const DEADLINE: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;
/// Refusals of money that Stripe sends as mistakes of the caller, with status 400
/// (<https://docs.stripe.com/error-codes>). Nothing moved, and the same call will not succeed. No others: what
/// is not known to have moved nothing must not be taken for it.
const REFUSALS: [&str; 4] =
    ["balance_insufficient", "amount_too_small", "amount_too_large", "payouts_not_allowed"];

/// What calls go through. Prints nothing of the key.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    base: Url,
    key: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stripe at {}", self.base)
    }
}

/// One call.
pub(super) struct Call<'a> {
    pub method: Method,
    pub path: String,
    pub form: Vec<(&'a str, String)>,
    /// For calls that change something.
    pub key: Option<&'a str>,
    /// On whose connected account, if not ours.
    pub account: Option<&'a str>,
}

impl<'a> Call<'a> {
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, form: Vec::new(), key: None, account: None }
    }

    pub fn post(path: &str, key: &'a str, form: Vec<(&'a str, String)>) -> Self {
        Self { method: Method::POST, path: path.to_owned(), form, key: Some(key), account: None }
    }

    pub fn on(mut self, account: Option<&'a str>) -> Self {
        self.account = account;
        self
    }
}

impl Client {
    pub fn new(base: Url, key: String) -> Result<Self, TlsError> {
        let http = tls::http_client(DEADLINE)?;
        Ok(Self { http, base, key })
    }

    pub async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, PaymentError> {
        let url = self.base.join(&call.path).map_err(|e| rejected(&e))?;
        let mut request =
            self.http.request(call.method, url).bearer_auth(&self.key).header("stripe-version", VERSION);
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key);
        }
        if let Some(account) = call.account {
            request = request.header("stripe-account", account);
        }
        if !call.form.is_empty() {
            let form = serde_urlencoded::to_string(&call.form).map_err(|e| rejected(&e))?;
            request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        }
        // The URL is left out of what goes into the log: it may name an object of a person.
        let lost = |e: reqwest::Error| PaymentError::Unavailable {
            retry_after: None,
            reason: e.without_url().to_string(),
        };
        let mut response = request.send().await.map_err(lost)?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(rejected(&"the answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|e| rejected(&format!("an answer of another shape: {e}")));
        }
        Err(failure(status, retry_after, &body))
    }
}

fn rejected(reason: &dyn fmt::Display) -> PaymentError {
    PaymentError::Rejected { reason: reason.to_string() }
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    error: ErrorDetail,
}

#[derive(Default, Deserialize)]
struct ErrorDetail {
    #[serde(default, rename = "type")]
    kind: String,
    code: Option<String>,
    decline_code: Option<String>,
    #[serde(default)]
    message: String,
}

/// Stripe's errors (<https://docs.stripe.com/api/errors>) as what can be done about them.
fn failure(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> PaymentError {
    let ErrorBody { error } = serde_json::from_slice(body).unwrap_or_default();
    let code = error.decline_code.or(error.code).unwrap_or_default();
    let reason = format!("{status}: {} {code} {}", error.kind, error.message);
    match (status.as_u16(), error.kind.as_str()) {
        (_, "idempotency_error") => PaymentError::KeyReused,
        (402, _) | (_, "card_error") => PaymentError::Refused { code },
        (400, _) if REFUSALS.contains(&code.as_str()) => PaymentError::Refused { code },
        (404, _) => PaymentError::NotFound,
        // 409: another call with the same key is under way.
        (409 | 429 | 500..=599, _) => PaymentError::Unavailable { retry_after, reason },
        _ => PaymentError::Rejected { reason },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_what_can_be_done_about_them() {
        let sort =
            |status: u16, body: &str| failure(StatusCode::from_u16(status).unwrap(), None, body.as_bytes());
        let declined = r#"{"error":{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds","message":"x"}}"#;
        assert!(
            matches!(sort(402, declined), PaymentError::Refused { code } if code == "insufficient_funds")
        );
        let reused = r#"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests…"}}"#;
        assert!(matches!(sort(400, reused), PaymentError::KeyReused));
        for status in [409, 429, 500, 502, 503] {
            assert!(sort(status, "<html>").is_temporary(), "{status}");
        }
        assert!(matches!(sort(404, "{}"), PaymentError::NotFound));
        assert!(matches!(sort(401, "{}"), PaymentError::Rejected { .. }));
    }

    #[test]
    fn what_moved_nothing_is_told_from_a_mistake_of_ours() {
        let sort = |status: u16, code: &str| {
            let body = format!(r#"{{"error":{{"type":"invalid_request_error","code":"{code}"}}}}"#);
            failure(StatusCode::from_u16(status).unwrap(), None, body.as_bytes())
        };
        for code in REFUSALS {
            let refused = sort(400, code);
            assert!(matches!(&refused, PaymentError::Refused { code: told } if told == code), "{refused:?}");
            assert!(matches!(sort(403, code), PaymentError::Rejected { .. }), "{code}");
            assert!(sort(500, code).is_temporary(), "{code}");
        }
        assert!(matches!(sort(400, "parameter_missing"), PaymentError::Rejected { .. }));
    }
}
