//! Optimistic concurrency: strong entity tags made of row versions (RFC 9110 §8.8, §13.1).

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};

use crate::{error::ErrorKind, http::Problem};

/// The tag of a row at `version`.
pub fn etag(version: i64) -> String {
    format!("\"v{version}\"")
}

/// Whether `If-None-Match` already names `version`: answer 304.
pub fn not_modified(req: &HttpRequest, version: i64) -> bool {
    let ours = etag(version);
    req.headers()
        .get_all(header::IF_NONE_MATCH)
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .any(|tag| tag == "*" || tag == ours)
}

/// The required `If-Match`: 428 without it, 412 where it names another version.
#[derive(Clone, Debug)]
pub struct IfMatch(Vec<String>);

impl IfMatch {
    /// Goes on only if the row is still at a version that the client has seen.
    ///
    /// # Errors
    /// 412.
    pub fn check(&self, version: i64) -> Result<(), Problem> {
        let ours = etag(version);
        if self.0.iter().any(|tag| tag == "*" || *tag == ours) {
            return Ok(());
        }
        Err(Problem::new(
            ErrorKind::PreconditionFailed,
            "the resource has changed since you read it; read it again",
        ))
    }

    /// Whether any version will do (`*`).
    pub fn is_any(&self) -> bool {
        self.0.iter().any(|tag| tag == "*")
    }

    /// The version that the client has seen, where the header names exactly one of ours.
    pub fn version(&self) -> Option<i64> {
        match self.0.as_slice() {
            [one] => one.strip_prefix("\"v")?.strip_suffix('"')?.parse().ok(),
            _ => None,
        }
    }
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let tags: Vec<String> = req
            .headers()
            .get_all(header::IF_MATCH)
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect();
        ready(if tags.is_empty() {
            Err(Problem::new(
                ErrorKind::PreconditionRequired,
                "send If-Match with the ETag that you last read, so that nobody's change is overwritten unseen",
            ))
        } else {
            Ok(Self(tags))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_matches_its_own_version_only() {
        let seen = IfMatch(vec![etag(7)]);
        assert!(seen.check(7).is_ok());
        assert_eq!(seen.check(8).unwrap_err().kind(), ErrorKind::PreconditionFailed);
        assert_eq!(seen.version(), Some(7));
        assert!(IfMatch(vec!["*".into()]).check(3).is_ok());
    }
}
