//! A JSON body whose every failure names the place.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::{config::Config, error::ErrorKind, http::Problem};

/// The body, parsed.
///
/// Refuses another media type (415), a body over `server.max_body_bytes` (413), text that is not
/// JSON (400), a value that does not fit (422, with a JSON pointer), and the NUL character in any
/// string (422): no store takes it.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = req.app_data::<web::Data<Config>>().map_or(256 * 1024, |c| c.server.max_body_bytes);
        let media = check_media_type(req);
        let mut payload = payload.take();
        Box::pin(async move {
            media?;
            let mut body = web::BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk
                    .map_err(|e| Problem::new(ErrorKind::BadRequest, format!("the body broke off: {e}")))?;
                if body.len() + chunk.len() > limit {
                    return Err(Problem::new(
                        ErrorKind::TooLarge,
                        format!("the body is over the limit of {limit} bytes"),
                    ));
                }
                body.extend_from_slice(&chunk);
            }
            parse(&body).map(Json)
        })
    }
}

/// A body that may be left out: then `T` is its default. Otherwise as [`Json`].
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default + 'static> FromRequest for OptionalJson<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let chunked = req.headers().contains_key(header::TRANSFER_ENCODING);
        let length = req.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok());
        if !chunked && length.is_none_or(|length| length == "0") {
            return Box::pin(async { Ok(Self(T::default())) });
        }
        let whole = Json::<T>::from_request(req, payload);
        Box::pin(async move { whole.await.map(|body| Self(body.0)) })
    }
}

fn check_media_type(req: &HttpRequest) -> Result<(), Problem> {
    let media = req.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    let essence = media.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Problem::new(ErrorKind::UnsupportedMedia, "send the body as application/json"))
}

/// Parses a body; public to the crate so that other carriers of JSON give the same answers.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if let Some(pointer) = find_nul(body) {
        return Err(Problem::field(ErrorKind::Invalid, pointer, "must not contain the NUL character"));
    }
    let mut de = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut de).map_err(|e| {
        let at = pointer(e.path());
        let inner = e.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => {
                let said = inner.to_string();
                let (at, detail) = describe(at, &said);
                Problem::field(ErrorKind::Invalid, at, detail)
            }
            _ => Problem::new(ErrorKind::BadRequest, format!("the body is not valid JSON: {inner}")),
        }
    })?;
    de.end().map_err(|e| Problem::new(ErrorKind::BadRequest, format!("the body is not valid JSON: {e}")))?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let mut text = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                text.push('/');
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

/// serde names a missing or unknown field in its message only; move the name into the pointer.
fn describe(at: String, said: &str) -> (String, String) {
    let said = said.rsplit_once(" at line ").map_or(said, |(head, _)| head);
    let named = |prefix: &str| {
        said.strip_prefix(prefix).and_then(|rest| rest.split_once('`')).map(|(name, _)| name.to_owned())
    };
    if let Some(name) = named("missing field `") {
        return (format!("{at}/{name}"), "is required".into());
    }
    if let Some(name) = named("unknown field `") {
        let at = if at.ends_with(&format!("/{name}")) { at } else { format!("{at}/{name}") };
        return (at, "is not a field of this request".into());
    }
    (at, said.to_owned())
}

/// Where a string holds NUL, if one does. The text can only hold it escaped, so most bodies cost
/// one scan.
fn find_nul(body: &[u8]) -> Option<String> {
    if !body.windows(6).any(|w| w == b"\\u0000") {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    walk(&value, String::new())
}

fn walk(value: &serde_json::Value, at: String) -> Option<String> {
    match value {
        serde_json::Value::String(text) => text.contains('\0').then_some(at),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().find_map(|(i, item)| walk(item, format!("{at}/{i}")))
        }
        serde_json::Value::Object(map) => map.iter().find_map(|(key, item)| {
            if key.contains('\0') { Some(at.clone()) } else { walk(item, format!("{at}/{key}")) }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Sample {
        name: String,
        tags: Vec<u8>,
    }

    fn refused(body: &str) -> (ErrorKind, String) {
        let problem = parse::<Sample>(body.as_bytes()).unwrap_err();
        (problem.kind(), problem.to_string())
    }

    #[test]
    fn failures_name_the_field() {
        for (body, kind, place) in [
            (r#"{"tags":[]}"#, ErrorKind::Invalid, "/name"),
            (r#"{"name":"a","tags":[1,"x"]}"#, ErrorKind::Invalid, "/tags/1"),
            (r#"{"name":"a","tags":[],"more":1}"#, ErrorKind::Invalid, "/more"),
            ("{\"name\":\"a\\u0000\",\"tags\":[]}", ErrorKind::Invalid, "/name"),
            (r#"{"name":"#, ErrorKind::BadRequest, "not valid JSON"),
            (r#"{"name":"a","tags":[]} trailing"#, ErrorKind::BadRequest, "not valid JSON"),
        ] {
            let (got, said) = refused(body);
            assert_eq!(got, kind, "{body}");
            assert!(said.contains(place), "{body}: {said}");
        }
    }

    #[test]
    fn an_escaped_backslash_is_not_nul() {
        assert!(parse::<Sample>(br#"{"name":"\\u0000","tags":[]}"#).is_ok());
    }
}
