//! Data rights over HTTP: extract, call one use case, encode.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use utoipa::OpenApi;

use super::{ErasureView, ExportId, ExportView, OpenErasureView, Privacy, PrivacyError};
use crate::{
    contexts::objects::DownloadView,
    http::{Idempotent, OperatorOnly, Page, PageQuery, Problem, Query, SignedIn, etag},
};

#[derive(OpenApi)]
#[openapi(
    paths(request, list, get, download, remove, erasure, open_erasures),
    tags((name = "privacy", description = "Everything that is known of one: as an archive, or forgotten"))
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

fn id(text: &str) -> Result<ExportId, PrivacyError> {
    text.parse().map_err(|_| PrivacyError::No("archive"))
}

fn shown(mut answer: actix_web::HttpResponseBuilder, export: &ExportView) -> HttpResponse {
    answer
        .insert_header((header::ETAG, etag(export.version)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(export)
}

/// Ask for an archive of everything that is known of one: a ZIP of JSON documents and files.
///
/// While one is being made, that is the answer. Its progress goes to `user:<id>` as `export_changed`, and a
/// notification says when it can be fetched.
#[utoipa::path(post, path = "/api/v1/me/exports", tag = "privacy",
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "It is being made", body = ExportView)))]
pub async fn request(
    privacy: web::Data<Privacy>,
    who: SignedIn,
    key: Idempotent,
) -> Result<HttpResponse, Problem> {
    let export = privacy.request_export(&who.0, ExportId(key.resource_id())).await?;
    let mut answer = HttpResponse::Accepted();
    answer.insert_header((header::LOCATION, format!("/api/v1/me/exports/{}", export.id)));
    Ok(shown(answer, &export))
}

/// One's archives, the newest first.
#[utoipa::path(get, path = "/api/v1/me/exports", tag = "privacy", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of archives", body = Page<ExportView>)))]
pub async fn list(
    privacy: web::Data<Privacy>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = privacy.exports(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// An archive, and what each context did for it.
#[utoipa::path(get, path = "/api/v1/me/exports/{id}", tag = "privacy",
    params(("id" = ExportId, Path, description = "The archive")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It", body = ExportView)))]
pub async fn get(
    privacy: web::Data<Privacy>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let export = privacy.export(&who.0, id(&path)?).await?;
    Ok(shown(HttpResponse::Ok(), &export))
}

/// A link to an archive. It expires; so does the archive, seven days after it was made.
#[utoipa::path(get, path = "/api/v1/me/exports/{id}/download", tag = "privacy",
    params(("id" = ExportId, Path, description = "The archive")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The link", body = DownloadView),
        (status = 409, description = "It is still being made, or has expired",
            content_type = "application/problem+json")))]
pub async fn download(
    privacy: web::Data<Privacy>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let link = privacy.fetch(&who.0, id(&path)?).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(link))
}

/// Remove an archive before its time, or stop making it.
#[utoipa::path(delete, path = "/api/v1/me/exports/{id}", tag = "privacy",
    params(("id" = ExportId, Path, description = "The archive")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Gone")))]
pub async fn remove(
    privacy: web::Data<Privacy>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    privacy.drop_export(&who.0, id(&path)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// How far everybody is with forgetting one: a receipt for each context.
///
/// An account that is erased can ask for an hour, or until every receipt is there. Receipts come to `user:<id>`
/// as `erasure_receipt`, and `erasure_completed` when nothing is left.
#[utoipa::path(get, path = "/api/v1/me/erasure", tag = "privacy",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The receipts", body = ErasureView),
        (status = 404, description = "Nobody was asked to forget one", content_type = "application/problem+json")))]
pub async fn erasure(privacy: web::Data<Privacy>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let shown = privacy.erasure(&who.0).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(shown))
}

/// Erasures that are not complete, with what keeps them; for operators.
#[utoipa::path(get, path = "/api/v1/ops/erasures", tag = "ops",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They, the oldest first", body = Page<OpenErasureView>)))]
pub async fn open_erasures(privacy: web::Data<Privacy>, _who: OperatorOnly) -> Result<HttpResponse, Problem> {
    let items = privacy.open_erasures().await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}
