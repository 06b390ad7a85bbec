//! The `Idempotency-Key` header, and what a handler sees of it.

use std::{convert::Infallible, future::Ready, future::ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, HeaderName},
};
use uuid::Uuid;

use crate::{error::ErrorKind, http::Problem};

/// The header (draft-ietf-httpapi-idempotency-key-header).
pub const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in characters.
const LONGEST: usize = 255;

/// The key of a request that the middleware is guarding, for handlers that create something or pass
/// the key on. Absent where the request has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: String,
    resource_id: Uuid,
}

impl IdempotencyKey {
    pub(super) fn new(key: String, resource_id: Uuid) -> Self {
        Self { key, resource_id }
    }

    /// As the client sent it, without quotes.
    pub fn as_str(&self) -> &str {
        &self.key
    }

    /// The id to create with (UUIDv7): the same in every attempt of this request. An attempt that
    /// follows one whose answer was lost finds its row under this id instead of making a second.
    pub fn resource_id(&self) -> Uuid {
        self.resource_id
    }
}

/// A handler's parameter.
#[derive(Clone, Debug)]
pub struct Idempotent(pub Option<IdempotencyKey>);

impl Idempotent {
    /// The id to create with.
    pub fn resource_id(&self) -> Uuid {
        self.0.as_ref().map_or_else(Uuid::now_v7, IdempotencyKey::resource_id)
    }
}

impl FromRequest for Idempotent {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(req.extensions().get::<IdempotencyKey>().cloned())))
    }
}

/// The key of a request, bare (`abc`) or as a structured field's string (`"abc"`, RFC 9651 §3.3.3).
pub(super) fn parse(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(&HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    let refuse = |said: &str| Err(Problem::new(ErrorKind::BadRequest, format!("Idempotency-Key: {said}")));
    if values.next().is_some() {
        return refuse("send it once");
    }
    let Ok(text) = value.to_str() else { return refuse("must be visible ASCII characters") };
    let text = text.trim();
    let key = match text.strip_prefix('"') {
        None if text.contains('"') => return refuse("the quotes do not match"),
        None => text.to_owned(),
        Some(rest) => match unquote(rest) {
            Some(key) => key,
            None => return refuse("the quotes do not match"),
        },
    };
    if key.is_empty() || key.len() > LONGEST || !key.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return refuse("must be 1 to 255 visible ASCII characters");
    }
    Ok(Some(key))
}

/// What stands before the closing quote, which must be the end.
fn unquote(rest: &str) -> Option<String> {
    let mut key = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return chars.next().is_none().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn read(value: &[u8]) -> Result<Option<String>, ErrorKind> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(value).unwrap());
        parse(&headers).map_err(|problem| problem.kind())
    }

    #[test]
    fn bare_and_quoted_keys_are_the_same() {
        for value in ["abc-1", "\"abc-1\"", "  abc-1 "] {
            assert_eq!(read(value.as_bytes()), Ok(Some("abc-1".into())), "{value}");
        }
        assert_eq!(read(br#""a\"b\\c""#), Ok(Some(r#"a"b\c"#.into())));
        assert_eq!(parse(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for value in
            [&b""[..], b"\"\"", b"\"abc", b"abc\"", b"\"a\"b", b"\xff\xfe", b"\"a\\n\"", &[b'x'; 256]]
        {
            assert_eq!(read(value), Err(ErrorKind::BadRequest), "{value:?}");
        }
        let mut twice = HeaderMap::new();
        twice.append(HEADER, HeaderValue::from_static("a"));
        twice.append(HEADER, HeaderValue::from_static("a"));
        assert!(parse(&twice).is_err());
    }
}
