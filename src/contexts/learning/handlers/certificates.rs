//! Certificates, and what anybody needs to verify one.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{id, tagged};
use crate::{
    contexts::learning::{CertificateId, CertificateView, Learning, RevokeForm, VerifyView},
    http::{Json, OperatorOnly, Page, PageQuery, Problem, Query, SignedIn, pages},
};

/// One's own certificates, the newest first.
#[utoipa::path(get, path = "/api/v1/certificates", tag = "certificates", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of certificates", body = Page<CertificateView>)))]
pub async fn mine(
    learning: web::Data<Learning>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = learning.certificates(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A certificate with its Open Badges 3.0 credential. Public: whoever has its id may see it.
#[utoipa::path(get, path = "/api/v1/certificates/{id}", tag = "certificates",
    params(("id" = CertificateId, Path, description = "The certificate")),
    responses((status = 200, description = "The certificate", body = CertificateView)))]
pub async fn get(learning: web::Data<Learning>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let one = learning.certificate(id(&path, "certificate")?).await?;
    Ok(tagged(HttpResponse::Ok(), one.version, &one))
}

/// Take a step: `revoke`, or `reissue` after that. Takes being the instructor or an operator.
#[utoipa::path(post, path = "/api/v1/certificates/{id}/{transition}", tag = "certificates",
    request_body = RevokeForm,
    params(
        ("id" = CertificateId, Path, description = "The certificate"),
        ("transition" = String, Path, description = "`revoke` or `reissue`"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The certificate, or the new one", body = CertificateView)))]
pub async fn transition(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: Json<RevokeForm>,
) -> Result<HttpResponse, Problem> {
    let one = learning.move_certificate(&who.0, id(&path.0, "certificate")?, &path.1, &form.0).await?;
    Ok(tagged(HttpResponse::Ok(), one.version, &one))
}

/// A certificate as a PDF: a redirection to its bytes. Public, as the certificate is.
#[utoipa::path(get, path = "/api/v1/certificates/{id}/pdf", tag = "certificates",
    params(("id" = CertificateId, Path, description = "The certificate")),
    responses(
        (status = 302, description = "Where the bytes are, for some time",
            headers(("Location" = String, description = "A signed URL"))),
        (status = 409, description = "No font here has the name's letters: nothing is made until one has",
            content_type = "application/problem+json"),
    ))]
pub async fn pdf(learning: web::Data<Learning>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let link = learning.document(id(&path, "certificate")?).await?;
    Ok(HttpResponse::Found()
        .insert_header((header::LOCATION, link.url))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .finish())
}

/// The key that signs from now on.
#[derive(Serialize, ToSchema)]
pub struct SigningKey {
    /// Its name in the issuer's document.
    pub key_id: String,
}

/// Take a fresh key for the credentials to come; what was signed before stays good. Operators only.
#[utoipa::path(post, path = "/api/v1/ops/certificates/rotate-key", tag = "ops",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Done", body = SigningKey)))]
pub async fn rotate_key(learning: web::Data<Learning>, _who: OperatorOnly) -> Result<HttpResponse, Problem> {
    let key_id = learning.rotate_key().await?;
    Ok(HttpResponse::Ok().json(SigningKey { key_id }))
}

/// `GET /verify/{id}`: a page for people, JSON for programs (by `Accept`).
pub async fn verify(
    learning: web::Data<Learning>,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let found = learning.verify(id(&path, "certificate")?).await?;
    let accept = req.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let (html, json) = (accept.find("text/html"), accept.find("application/json"));
    let wants_page = match (html, json) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    };
    if wants_page {
        return Ok(HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((header::VARY, "accept"))
            .insert_header((header::CONTENT_SECURITY_POLICY, pages::POLICY))
            .body(page(&found)));
    }
    Ok(HttpResponse::Ok().insert_header((header::VARY, "accept")).json(found))
}

/// `GET /.well-known/did.json`: the issuer's document (`did:web`).
pub async fn did(learning: web::Data<Learning>) -> Result<HttpResponse, Problem> {
    let document = learning.did_document().await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(document))
}

/// `GET /credentials/status/{list}`: a Bitstring Status List credential, as a JWT.
pub async fn status(learning: web::Data<Learning>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let list = learning.status_list(id(&path, "status list")?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "application/vc+jwt"))
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .body(list))
}

/// A text as it may stand in HTML.
fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn page(found: &VerifyView) -> String {
    let one = &found.certificate;
    let verdict = match (found.valid, found.signature_valid) {
        (true, _) => "This certificate is valid.",
        (false, true) => "This certificate was revoked.",
        (false, false) => "This certificate is not what was signed.",
    };
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <title>Certificate · Gigsy</title><link rel=\"icon\" href=\"/assets/icon.svg\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"/assets/app.css\"><link rel=\"stylesheet\" href=\"/assets/learn.css\"></head>\n\
         <body><main class=\"verify\">\n<h1>{verdict}</h1>\n\
         <p><bdi>{}</bdi> completed <strong><bdi>{}</bdi></strong>.</p>\n\
         <dl><dt>Issued</dt><dd><time datetime=\"{}\">{}</time></dd><dt>Number</dt><dd>{}</dd></dl>\n\
         <p><a href=\"/api/v1/certificates/{}/pdf\">Download it as a PDF</a></p>\n\
         <details><summary>Open Badges 3.0 credential (JWT)</summary><pre>{}</pre></details>\n</main></body></html>\n",
        text(&one.learner_name),
        text(&one.course_title),
        one.issued_at.to_rfc3339(),
        one.issued_at.format("%-d %B %Y"),
        one.id,
        one.id,
        text(&one.credential),
    )
}
