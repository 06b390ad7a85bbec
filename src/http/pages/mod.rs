//! The pages that the binary serves itself: chat, gigs and courses at `/`, the operators' console, the API reference,
//! and those that links in mails lead to.
//!
//! The files under `assets/` are compiled in and served as they are: there is no build step. They
//! have no inline script or style and ask nothing of another host; every page's policy says so.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use sha2::{Digest, Sha256};

use super::Problem;
use crate::{config::Config, error::ErrorKind};

/// What a page may load and call: this origin, nothing inline, and text never becomes markup
/// (`require-trusted-types-for`; the one policy lets the service worker's address pass, see `push.js`).
/// `'self'` covers the WebSocket of the same origin (CSP 3).
pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types gigsy-worker";

/// Pages whose address carries a secret: it must not travel on in a `Referer`.
pub(crate) const NO_REFERRER: &str = "no-referrer";

/// A compiled-in file.
struct Asset {
    content_type: &'static str,
    body: &'static [u8],
}

macro_rules! assets {
    ($( $name:literal as $content_type:expr ),+ $(,)?) => {
        &[ $( ($name, Asset { content_type: $content_type, body: include_bytes!(concat!("assets/", $name)) }) ),+ ]
    };
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Every file, by its path below `/assets/`. Pages have addresses of their own.
const FILES: &[(&str, Asset)] = assets! {
    "account.js" as SCRIPT,
    "actors-table.js" as SCRIPT,
    "api.js" as SCRIPT,
    "app.css" as CSS,
    "badge.js" as SCRIPT,
    "badges/book.svg" as SVG,
    "badges/contract.svg" as SVG,
    "badges/flame.svg" as SVG,
    "badges/gig.svg" as SVG,
    "badges/hand.svg" as SVG,
    "badges/medal.svg" as SVG,
    "badges/mountain.svg" as SVG,
    "badges/star.svg" as SVG,
    "badges/welcome.svg" as SVG,
    "career.css" as CSS,
    "chat.js" as SCRIPT,
    "courses.js" as SCRIPT,
    "docs-schema.js" as SCRIPT,
    "docs.js" as SCRIPT,
    "contract-page.js" as SCRIPT,
    "dom.js" as SCRIPT,
    "emoji.js" as SCRIPT,
    "format.js" as SCRIPT,
    "game.css" as CSS,
    "game.js" as SCRIPT,
    "gig-board.js" as SCRIPT,
    "gig-page.js" as SCRIPT,
    "gig-post.js" as SCRIPT,
    "html.js" as SCRIPT,
    "icon.svg" as SVG,
    "learn.css" as CSS,
    "learn.js" as SCRIPT,
    "mentors.js" as SCRIPT,
    "notifications.css" as CSS,
    "notifications.js" as SCRIPT,
    "moderation.js" as SCRIPT,
    "money.js" as SCRIPT,
    "ops.js" as SCRIPT,
    "outbox.js" as SCRIPT,
    "own.js" as SCRIPT,
    "people-picker.js" as SCRIPT,
    "people.js" as SCRIPT,
    "live-quiz.js" as SCRIPT,
    "quiz-question.js" as SCRIPT,
    "quiz.js" as SCRIPT,
    "privacy.js" as SCRIPT,
    "push-worker.js" as SCRIPT,
    "push.js" as SCRIPT,
    "portfolio.js" as SCRIPT,
    "realtime.js" as SCRIPT,
    "room.js" as SCRIPT,
    "search.css" as CSS,
    "search.js" as SCRIPT,
    "rooms.js" as SCRIPT,
    "session.js" as SCRIPT,
    "side.css" as CSS,
    "side.js" as SCRIPT,
    "spark.js" as SCRIPT,
    "fold.js" as SCRIPT,
    "rich.js" as SCRIPT,
    "timeline.js" as SCRIPT,
    "upload.js" as SCRIPT,
    "vendor/centrifuge.LICENSE.txt" as TEXT,
    "vendor/centrifuge.js" as SCRIPT,
    "words.js" as SCRIPT,
    "work-parts.js" as SCRIPT,
    "work.js" as SCRIPT,
};

const PAGES: &[(&str, Asset)] = assets! {
    "badge.html" as HTML,
    "docs.html" as HTML,
    "index.html" as HTML,
    "mentors.html" as HTML,
    "ops.html" as HTML,
    "privacy.html" as HTML,
    "reset-password.html" as HTML,
    "search.html" as HTML,
    "verify-email.html" as HTML,
};

/// Entity tags by name: a file changes only with the binary, so one hash at first use is enough.
static TAGS: LazyLock<BTreeMap<&'static str, String>> =
    LazyLock::new(|| FILES.iter().chain(PAGES).map(|(name, asset)| (*name, tag(asset.body))).collect());

fn tag(body: &[u8]) -> String {
    let digest = Sha256::digest(body);
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &digest[..16] {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// Chat, the gig board and contracts: `GET /`.
pub async fn index(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "index.html")
}

/// The operators' console: `GET /ops`. The page holds nothing; its data needs an operator's session.
pub async fn ops(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "ops.html")
}

/// The API reference: `GET /docs`.
pub async fn docs(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "docs.html")
}

/// One badge of somebody, for everybody who has its address: `GET /badges/{id}`.
pub async fn badge(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "badge.html")
}

/// The service worker that shows what is pushed: `GET /push-worker.js`. At the root, because a worker
/// serves what is below its own address.
pub async fn push_worker(req: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut response = serve(&req, FILES, "push-worker.js")?;
    // A worker has a policy of its own.
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        header::HeaderValue::from_static("default-src 'none'; connect-src 'self'; img-src 'self'"),
    );
    Ok(response)
}

/// Mentors, bookings and one's own portfolio: `GET /mentors`.
pub async fn mentors(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "mentors.html")
}

/// One's data: archives, and being forgotten.
pub async fn privacy(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "privacy.html")
}

/// Search and recommendations: `GET /search`.
pub async fn search(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "search.html")
}

/// Whether a file of that name is compiled in.
#[cfg(test)]
pub(crate) fn has_asset(name: &str) -> bool {
    FILES.iter().any(|(known, _)| *known == name)
}

/// Where the mail about a new address leads: `GET /verify-email?token=`.
pub async fn verify_email(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "verify-email.html")
}

/// Where the mail about a forgotten password leads: `GET /reset-password?token=`.
pub async fn reset_password(req: HttpRequest) -> Result<HttpResponse, Problem> {
    page(&req, "reset-password.html")
}

/// Scripts, styles, pictures: `GET /assets/{file}`, where the file may lie in a folder.
///
/// # Errors
/// 404 for a name that is not compiled in.
pub async fn asset(req: HttpRequest, file: web::Path<String>) -> Result<HttpResponse, Problem> {
    serve(&req, FILES, &file)
}

fn page(req: &HttpRequest, name: &str) -> Result<HttpResponse, Problem> {
    let mut response = serve(req, PAGES, name)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy(req));
    if name == "verify-email.html" || name == "reset-password.html" {
        response.headers_mut().insert(header::REFERRER_POLICY, header::HeaderValue::from_static(NO_REFERRER));
    }
    Ok(response)
}

/// The policy, with the hosts of the object store where that is not this server.
fn policy(req: &HttpRequest) -> header::HeaderValue {
    let origins = req.app_data::<web::Data<Config>>().map(|config| config.objects.origins());
    let origins = origins.unwrap_or_default().join(" ");
    let plain = header::HeaderValue::from_static(POLICY);
    if origins.is_empty() {
        return plain;
    }
    let wider = ["img-src", "media-src", "connect-src"].iter().fold(POLICY.to_owned(), |policy, source| {
        policy.replace(&format!("{source} 'self'"), &format!("{source} 'self' {origins}"))
    });
    header::HeaderValue::from_str(&wider).unwrap_or(plain)
}

fn serve(req: &HttpRequest, files: &[(&str, Asset)], name: &str) -> Result<HttpResponse, Problem> {
    let found = files.iter().find(|(known, _)| *known == name);
    let (Some((_, asset)), Some(tag)) = (found, TAGS.get(name)) else {
        return Err(Problem::new(ErrorKind::NotFound, "there is no such file"));
    };
    // Names do not change with the content, so a browser has to ask each time; mostly the answer
    // is 304.
    let mut response = if unchanged(req, tag) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::ETAG, tag.as_str())).insert_header((header::CACHE_CONTROL, "no-cache"));
    if unchanged(req, tag) {
        return Ok(response.finish());
    }
    Ok(response.content_type(asset.content_type).body(web::Bytes::from_static(asset.body)))
}

/// Whether `If-None-Match` names the file as it is. Weak comparison (RFC 9110 §13.1.2): a proxy that
/// compresses turns our tag into a weak one.
fn unchanged(req: &HttpRequest, tag: &str) -> bool {
    req.headers().get_all(header::IF_NONE_MATCH).filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|given| given == "*" || given.trim_start_matches("W/") == tag)
    })
}

#[cfg(test)]
mod tests;
