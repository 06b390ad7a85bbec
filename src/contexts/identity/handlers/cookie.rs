//! The session cookie (RFC 6265bis).

use crate::{contexts::identity::Settings, http::extract::COOKIE};

/// The longest life a browser grants. The session's own end is the store's to decide: it slides
/// with use, and the cookie must not end before it.
const MAX_AGE_SECONDS: u32 = 400 * 24 * 60 * 60;

/// `Set-Cookie` that keeps the token.
pub(super) fn keep(token: &str, settings: &Settings) -> String {
    // The token is base64url: nothing in it needs quoting.
    format!("{COOKIE}={token}; Max-Age={MAX_AGE_SECONDS}; {}", attributes(settings))
}

/// `Set-Cookie` that removes it.
pub(super) fn drop(settings: &Settings) -> String {
    format!("{COOKIE}=; Max-Age=0; {}", attributes(settings))
}

fn attributes(settings: &Settings) -> &'static str {
    match (settings.cross_site_cookie, settings.secure_cookie) {
        // A frontend on another site: the browser sends it there, but only from that frontend.
        (true, _) => "Path=/; HttpOnly; Secure; SameSite=None; Partitioned",
        (false, true) => "Path=/; HttpOnly; Secure; SameSite=Lax",
        (false, false) => "Path=/; HttpOnly; SameSite=Lax",
    }
}
