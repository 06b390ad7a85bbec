//! The `Origin` check. Cookies travel with WebSocket handshakes from any site, and CORS does not
//! apply to them, so a foreign page could act as the signed-in user if nobody asked where it is from.

use actix_web::http::header::{self, HeaderMap};
use url::{Host, Url};

use crate::realtime::settings::Settings;

/// Whether the request may upgrade: it has no `Origin` (no browser), or one that is allowed.
pub(super) fn allowed(headers: &HeaderMap, settings: &Settings) -> bool {
    let mut origins = headers.get_all(header::ORIGIN);
    let Some(origin) = origins.next() else { return true };
    if origins.next().is_some() {
        return false;
    }
    // "null" and whatever else is no URL is refused.
    let Some(url) = origin.to_str().ok().and_then(|text| Url::parse(text).ok()) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    settings.origins.contains(&url.origin()) || (settings.loopback && is_own_loopback(&url, host))
}

/// On a node that only its own machine reaches, `localhost` and `127.0.0.1` are the same place.
fn is_own_loopback(url: &Url, host: Option<&str>) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    loopback && host.is_some_and(|host| host == &url[url::Position::BeforeHost..url::Position::AfterPort])
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;
    use crate::config::Config;

    fn check(loopback: bool, host: &str, origins: &[&str]) -> bool {
        let mut settings = Settings::new(&Config::defaults());
        settings.loopback = loopback;
        settings.origins = ["https://gigsy.example", "https://app.example:8443"]
            .map(|o| Url::parse(o).unwrap().origin())
            .into();
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        allowed(&headers, &settings)
    }

    #[test]
    fn only_listed_origins_pass_and_no_origin_at_all() {
        let host = "gigsy.example";
        assert!(check(false, host, &[]));
        assert!(check(false, host, &["https://gigsy.example"]));
        assert!(check(false, host, &["https://app.example:8443"]));
        for bad in [
            "http://gigsy.example",
            "https://gigsy.example.evil.test",
            "https://evil.test",
            "https://app.example",
            "null",
            "",
            "gigsy.example",
            "http://localhost:8080",
        ] {
            assert!(!check(false, host, &[bad]), "{bad}");
        }
        assert!(!check(false, host, &["https://gigsy.example", "https://evil.test"]));
    }

    #[test]
    fn a_loopback_node_goes_by_all_its_names() {
        assert!(check(true, "localhost:8080", &["http://localhost:8080"]));
        assert!(check(true, "127.0.0.1:8080", &["http://127.0.0.1:8080"]));
        assert!(!check(true, "127.0.0.1:8080", &["http://127.0.0.1:9090"]));
        assert!(!check(true, "evil.test:8080", &["http://evil.test:8080"]));
    }
}
