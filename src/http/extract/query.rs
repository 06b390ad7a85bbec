//! Query parameters whose every failure names the parameter.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde::de::DeserializeOwned;

use crate::{error::ErrorKind, http::Problem};

/// The query string, parsed into `T`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(parse(req.query_string()).map(Query))
    }
}

pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name.contains('\0') || value.contains('\0') {
            return Err(Problem::field(
                ErrorKind::Invalid,
                format!("?{}", name.replace('\0', "")),
                "must not contain the NUL character",
            ));
        }
    }
    let de = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(de).map_err(|e| {
        let name = e.path().to_string();
        let detail = e.into_inner().to_string();
        let pointer = if name == "." { "?".to_owned() } else { format!("?{name}") };
        Problem::field(ErrorKind::Invalid, pointer, detail)
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Sample {
        limit: Option<u32>,
    }

    #[test]
    fn a_bad_parameter_is_named() {
        let said = parse::<Sample>("limit=many").unwrap_err().to_string();
        assert!(said.contains("?limit"), "{said}");
        assert!(parse::<Sample>("limit=%00").is_err());
        assert_eq!(parse::<Sample>("limit=7&other=x").unwrap().limit, Some(7));
    }
}
