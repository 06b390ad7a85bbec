//! The `Origin` check. Cookies travel with WebSocket handshakes from any site, and CORS does not
//! apply to them, so a foreign page could act as the signed-in user if nobody asked where it is from.

use actix_web::http::header::{self, HeaderMap};

use crate::http::origins::Origins;

/// Whether the request may upgrade: it has no `Origin` (no browser), or one that is on the list.
pub(super) fn allowed(headers: &HeaderMap, origins: &Origins) -> bool {
    let mut given = headers.get_all(header::ORIGIN);
    match (given.next(), given.next()) {
        (None, _) => true,
        (Some(origin), None) => origin.to_str().is_ok_and(|origin| origins.allow(origin)),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    #[test]
    fn only_listed_origins_pass_and_no_origin_at_all() {
        let vars = [("GIGSY_PUBLIC_URL".to_owned(), "https://gigsy.example".to_owned())];
        let config = crate::config::layer("x".into(), "", vars.into_iter()).unwrap();
        let origins = Origins::new(&config);
        let check = |given: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for origin in given {
                headers.append(header::ORIGIN, HeaderValue::from_bytes(origin).unwrap());
            }
            allowed(&headers, &origins)
        };
        assert!(check(&[]));
        assert!(check(&[b"https://gigsy.example"]));
        for bad in [&b"http://gigsy.example"[..], b"https://evil.test", b"null", b"", b"\xff"] {
            assert!(!check(&[bad]), "{bad:?}");
        }
        assert!(!check(&[b"https://gigsy.example", b"https://gigsy.example"]), "one origin at most");
    }
}
