//! Uploads over HTTP: extract, call one use case, encode.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use utoipa::OpenApi;

use super::{
    CompleteForm, DownloadView, PartsForm, SignedPart, UploadError, UploadForm, UploadId, UploadState,
    UploadView, Uploads,
};
use crate::http::{Idempotent, Json, OptionalJson, Page, PageQuery, Problem, Query, SignedIn, etag};

#[derive(OpenApi)]
#[openapi(
    paths(begin, list, get, parts, complete, download, remove),
    tags((name = "uploads", description = "Files, sent straight to the object store"))
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

fn id(text: &str) -> Result<UploadId, UploadError> {
    text.parse().map_err(|_| UploadError::No)
}

fn shown(mut answer: actix_web::HttpResponseBuilder, upload: &UploadView) -> HttpResponse {
    answer.insert_header((header::ETAG, etag(upload.version))).json(upload)
}

/// Begin an upload.
///
/// A small file is sent with the request in `put`, as it is: URL, method and headers. A large one comes
/// in parts: ask for their requests, send them in any order, and again what broke off.
#[utoipa::path(post, path = "/api/v1/uploads", tag = "uploads", request_body = UploadForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Begun", body = UploadView)))]
pub async fn begin(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    key: Idempotent,
    form: Json<UploadForm>,
) -> Result<HttpResponse, Problem> {
    let upload = uploads.begin(&who.0, key.resource_id(), &form.0).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/uploads/{}", upload.id)));
    Ok(shown(answer, &upload))
}

/// One's uploads, the newest first.
#[utoipa::path(get, path = "/api/v1/uploads", tag = "uploads", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of uploads", body = Page<UploadView>)))]
pub async fn list(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = uploads.uploads(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// An upload: how to send it, what has arrived of it, or what became of it.
#[utoipa::path(get, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = UploadId, Path, description = "The upload")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The upload", body = UploadView)))]
pub async fn get(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(shown(HttpResponse::Ok(), &uploads.upload(&who.0, id(&path)?).await?))
}

/// Requests for parts of a large upload.
#[utoipa::path(post, path = "/api/v1/uploads/{id}/parts", tag = "uploads", request_body = PartsForm,
    params(("id" = UploadId, Path, description = "The upload")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "How to send them", body = Page<SignedPart>)))]
pub async fn parts(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<PartsForm>,
) -> Result<HttpResponse, Problem> {
    let items = uploads.sign_parts(&who.0, id(&path)?, &form.0).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// End an upload: what arrived is verified (size, type, checksum).
///
/// 200 when it is ready; 202 while a large one is verified: look again at `Location`. What is not as
/// announced is a 422, and its bytes are removed.
#[utoipa::path(post, path = "/api/v1/uploads/{id}/complete", tag = "uploads", request_body = CompleteForm,
    params(("id" = UploadId, Path, description = "The upload")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "Ready", body = UploadView),
        (status = 202, description = "It is being verified", body = UploadView),
    ))]
pub async fn complete(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    path: web::Path<String>,
    form: OptionalJson<CompleteForm>,
) -> Result<HttpResponse, Problem> {
    let upload = uploads.complete(&who.0, id(&path)?, &form.0).await?;
    if upload.state == UploadState::Verifying {
        let mut answer = HttpResponse::Accepted();
        answer.insert_header((header::LOCATION, format!("/api/v1/uploads/{}", upload.id)));
        return Ok(shown(answer, &upload));
    }
    Ok(shown(HttpResponse::Ok(), &upload))
}

/// A link to one's own file; it expires, and takes `Range`.
#[utoipa::path(get, path = "/api/v1/uploads/{id}/download", tag = "uploads",
    params(("id" = UploadId, Path, description = "The upload")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The link", body = DownloadView)))]
pub async fn download(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let link = uploads.download(&who.0, id(&path)?).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(link))
}

/// Remove one's own upload or file. One that is in use stays: 409.
#[utoipa::path(delete, path = "/api/v1/uploads/{id}", tag = "uploads",
    params(("id" = UploadId, Path, description = "The upload")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Gone")))]
pub async fn remove(
    uploads: web::Data<Uploads>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    uploads.remove(&who.0, id(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}
