//! Mentorships: goals and actions.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::id;
use crate::{
    contexts::career::{Career, ItemForm, ItemId, ItemPatch, ItemView, MentorshipId, MentorshipView},
    http::{Idempotent, IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn, etag},
};

/// One's mentorships, the newest first. The chat room of each has the same id.
#[utoipa::path(get, path = "/api/v1/mentorships", tag = "mentorship", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of mentorships", body = Page<MentorshipView>)))]
pub async fn list(
    career: web::Data<Career>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = career.mentorships(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// One of one's mentorships.
#[utoipa::path(get, path = "/api/v1/mentorships/{id}", tag = "mentorship",
    params(("id" = MentorshipId, Path, description = "The mentorship")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It", body = MentorshipView)))]
pub async fn get(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(career.mentorship(&who.0, id(&path, "mentorship")?).await?))
}

/// Goals and actions of a mentorship, the oldest first.
#[utoipa::path(get, path = "/api/v1/mentorships/{id}/items", tag = "mentorship",
    params(("id" = MentorshipId, Path, description = "The mentorship")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "All of them", body = Page<ItemView>)))]
pub async fn items(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let items = career.items(&who.0, id(&path, "mentorship")?).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// Add a goal or an action.
#[utoipa::path(post, path = "/api/v1/mentorships/{id}/items", tag = "mentorship", request_body = ItemForm,
    params(
        ("id" = MentorshipId, Path, description = "The mentorship"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Added", body = ItemView)))]
pub async fn add_item(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<ItemForm>,
) -> Result<HttpResponse, Problem> {
    let mentorship = id(&path, "mentorship")?;
    let item = career.add_item(&who.0, mentorship, ItemId(key.resource_id()), &form.0).await?;
    Ok(HttpResponse::Created().insert_header((header::ETAG, etag(item.version))).json(item))
}

/// Change a goal or an action; either side may.
#[utoipa::path(patch, path = "/api/v1/mentorships/{id}/items/{item_id}", tag = "mentorship",
    request_body = ItemPatch,
    params(
        ("id" = MentorshipId, Path, description = "The mentorship"),
        ("item_id" = ItemId, Path, description = "The goal or action"),
        ("If-Match" = String, Header, description = "The ETag that was last read, or *"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "It as it is now", body = ItemView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn change_item(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    tags: IfMatch,
    form: Json<ItemPatch>,
) -> Result<HttpResponse, Problem> {
    let (mentorship, item) = path.into_inner();
    let (mentorship, item) = (id(&mentorship, "mentorship")?, id(&item, "item")?);
    // Of several tags, or `*`, the present version has to be one.
    let seen = match tags.version() {
        Some(version) => version,
        None => {
            let all = career.items(&who.0, mentorship).await?;
            let found: Option<&ItemView> = all.iter().find(|one| one.id == item);
            let version = found.map_or(0, |one| one.version);
            tags.check(version)?;
            version
        }
    };
    let item = career.change_item(&who.0, mentorship, item, &form.0, Some(seen)).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(item.version))).json(item))
}

/// Take a goal or an action away.
#[utoipa::path(delete, path = "/api/v1/mentorships/{id}/items/{item_id}", tag = "mentorship",
    params(
        ("id" = MentorshipId, Path, description = "The mentorship"),
        ("item_id" = ItemId, Path, description = "The goal or action"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Gone")))]
pub async fn drop_item(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (mentorship, item) = path.into_inner();
    career.drop_item(&who.0, id(&mentorship, "mentorship")?, id(&item, "item")?).await?;
    Ok(HttpResponse::NoContent().finish())
}
