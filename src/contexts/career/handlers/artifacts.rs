//! Pictures and documents of projects over HTTP.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use futures_util::TryStreamExt;

use super::{id, page::asker};
use crate::{
    contexts::career::{ArtifactForm, ArtifactId, ArtifactOrderForm, ArtifactView, Career, Shown},
    http::{Idempotent, Json, Page, Problem, SignedIn},
    ports::objects::Presented,
};

/// Add a picture or a document to a project, as its last one.
///
/// Upload it first (`POST /api/v1/uploads`). A picture (PNG, JPEG, WebP; up to 20 MB and 24 million pixels) is
/// written anew, without metadata, with a thumbnail, and what was uploaded goes; a PDF (up to 50 MB) stays as it is.
#[utoipa::path(post, path = "/api/v1/me/projects/{id}/artifacts", tag = "portfolio", request_body = ArtifactForm,
    params(
        ("id" = crate::contexts::career::ProjectId, Path, description = "The project"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Added", body = ArtifactView),
        (status = 422, description = "The file is refused, and why", content_type = "application/problem+json")))]
pub async fn add(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<ArtifactForm>,
) -> Result<HttpResponse, Problem> {
    let artifact = ArtifactId(key.resource_id());
    let made = career.add_artifact(&who.0, id(&path, "project")?, artifact, &form.0).await?;
    Ok(HttpResponse::Created().insert_header((header::LOCATION, made.url.clone())).json(made))
}

/// Put a project's files into an order.
#[utoipa::path(put, path = "/api/v1/me/projects/{id}/artifacts", tag = "portfolio",
    request_body = ArtifactOrderForm,
    params(("id" = crate::contexts::career::ProjectId, Path, description = "The project")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They in that order", body = Page<ArtifactView>)))]
pub async fn order(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<ArtifactOrderForm>,
) -> Result<HttpResponse, Problem> {
    let items = career.order_artifacts(&who.0, id(&path, "project")?, &form.0).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// Take a file away from a project.
#[utoipa::path(delete, path = "/api/v1/me/projects/{id}/artifacts/{artifact}", tag = "portfolio",
    params(
        ("id" = crate::contexts::career::ProjectId, Path, description = "The project"),
        ("artifact" = ArtifactId, Path, description = "The file"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Gone")))]
pub async fn remove(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (project, artifact) = path.into_inner();
    career.drop_artifact(&who.0, id(&project, "project")?, id(&artifact, "artifact")?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A picture or a document of a project, for whoever may see the project; no session is needed for a public one.
#[utoipa::path(get, path = "/api/v1/artifacts/{id}", tag = "portfolio",
    params(("id" = ArtifactId, Path, description = "The file")),
    responses(
        (status = 200, description = "Its bytes", content(
            (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "application/pdf"))),
        (status = 304, description = "As it was"),
    ))]
pub async fn get(
    career: web::Data<Career>,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    send(&career, &path, &req, false).await
}

/// A smaller version of a picture.
#[utoipa::path(get, path = "/api/v1/artifacts/{id}/thumbnail", tag = "portfolio",
    params(("id" = ArtifactId, Path, description = "The picture")),
    responses(
        (status = 200, description = "Its bytes",
            content((Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"))),
        (status = 304, description = "As it was"),
    ))]
pub async fn thumbnail(
    career: web::Data<Career>,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    send(&career, &path, &req, true).await
}

async fn send(career: &Career, path: &str, req: &HttpRequest, small: bool) -> Result<HttpResponse, Problem> {
    let artifact: ArtifactId = id(path, "artifact")?;
    let shown: Shown = career.artifact(asker(req).await, artifact, small).await?;
    // The bytes of an id never change.
    let tag = format!("\"{artifact}{}\"", if small { "-s" } else { "" });
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::ETAG, tag.clone()))
        .insert_header((header::VARY, "Cookie, Authorization"))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header(("Cross-Origin-Resource-Policy", "same-origin"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"));
    let known = req.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.contains(&tag)) {
        return Ok(answer.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    let presented =
        Presented { media_type: shown.media_type.clone(), name: shown.name, inline: shown.inline };
    Ok(answer
        .insert_header((header::CONTENT_DISPOSITION, presented.disposition()))
        .content_type(shown.media_type)
        .streaming(shown.bytes.map_err(std::io::Error::other)))
}
