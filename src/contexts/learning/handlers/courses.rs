//! Courses.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{id, seen, tagged};
use crate::{
    contexts::learning::{
        AnnouncementForm, AnnouncementView, CourseForm, CourseId, CoursePatch, CourseQuery, CourseView,
        DraftView, Learning, LearningError, content::Content,
    },
    http::{Idempotent, IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn},
    principal::UserId,
};

/// The parameters of the catalogue.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CoursesQuery {
    /// Words of title or summary.
    #[param(max_length = 200)]
    pub q: Option<String>,
    /// Of this instructor.
    pub owner_id: Option<UserId>,
    /// One's own only, drafts included.
    #[serde(default)]
    pub mine: bool,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// Draft a course. Only its instructor sees it until it is published. Takes the role `instructor`.
#[utoipa::path(post, path = "/api/v1/courses", tag = "courses", request_body = CourseForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Drafted", body = CourseView)))]
pub async fn create(
    learning: web::Data<Learning>,
    who: SignedIn,
    key: Idempotent,
    form: Json<CourseForm>,
) -> Result<HttpResponse, Problem> {
    let course = learning.draft_course(&who.0, key.resource_id(), &form.0).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/courses/{}", course.id)));
    Ok(tagged(answer, course.version, &course))
}

/// The catalogue, the newest first.
#[utoipa::path(get, path = "/api/v1/courses", tag = "courses", params(CoursesQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of courses", body = Page<CourseView>)))]
pub async fn list(
    learning: web::Data<Learning>,
    who: SignedIn,
    query: Query<CoursesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let CoursesQuery { q, owner_id, mine, limit, cursor } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    if q.as_deref().is_some_and(|q| q.chars().count() > 200) {
        return Err(LearningError::field("?q", "takes up to 200 characters").into());
    }
    let query = CourseQuery { q, owner: owner_id, mine };
    let (items, next_cursor) = learning.courses(&who.0, query, limit, cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A course with its outline.
#[utoipa::path(get, path = "/api/v1/courses/{id}", tag = "courses",
    params(("id" = CourseId, Path, description = "The course")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The course", body = CourseView)))]
pub async fn get(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let course = learning.course(&who.0, id(&path, "course")?).await?;
    Ok(tagged(HttpResponse::Ok(), course.version, &course))
}

/// Change a course's card. Takes being its instructor.
#[utoipa::path(patch, path = "/api/v1/courses/{id}", tag = "courses", request_body = CoursePatch,
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The course as it is now", body = CourseView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn patch(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<CoursePatch>,
) -> Result<HttpResponse, Problem> {
    let course = learning.patch_course(&who.0, id(&path, "course")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), course.version, &course))
}

/// What the instructor works at.
#[utoipa::path(get, path = "/api/v1/courses/{id}/draft", tag = "courses",
    params(("id" = CourseId, Path, description = "The course")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The draft", body = DraftView)))]
pub async fn draft(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let draft = learning.draft(&who.0, id(&path, "course")?).await?;
    Ok(tagged(HttpResponse::Ok(), draft.version, &draft))
}

/// Write the draft. Learners see nothing of it until it is published.
#[utoipa::path(put, path = "/api/v1/courses/{id}/draft", tag = "courses", request_body = Content,
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The draft as it is now", body = DraftView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn write_draft(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<Content>,
) -> Result<HttpResponse, Problem> {
    let draft = learning.write_draft(&who.0, id(&path, "course")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), draft.version, &draft))
}

/// Take a step: `publish` (the draft becomes the next version) or `archive`. Takes being its instructor.
#[utoipa::path(post, path = "/api/v1/courses/{id}/{transition}", tag = "courses",
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("transition" = String, Path, description = "`publish` or `archive`"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The course as it is now", body = CourseView)))]
pub async fn transition(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (course, step) = path.into_inner();
    let course = learning.move_course(&who.0, id(&course, "course")?, &step).await?;
    Ok(tagged(HttpResponse::Ok(), course.version, &course))
}

/// Tell everybody in a course something; live on `course:<id>`. Takes being its instructor.
#[utoipa::path(post, path = "/api/v1/courses/{id}/announcements", tag = "courses",
    request_body = AnnouncementForm,
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Told", body = AnnouncementView)))]
pub async fn announce(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<AnnouncementForm>,
) -> Result<HttpResponse, Problem> {
    let told = learning.announce(&who.0, id(&path, "course")?, key.resource_id(), &form.0).await?;
    Ok(HttpResponse::Created().json(told))
}

/// What was told in a course, the latest first. Takes being in it.
#[utoipa::path(get, path = "/api/v1/courses/{id}/announcements", tag = "courses",
    params(("id" = CourseId, Path, description = "The course"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of announcements", body = Page<AnnouncementView>)))]
pub async fn announcements(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (course, limit) = (id(&path, "course")?, query.0.limit()?);
    let cursor = query.0.cursor.as_deref();
    let (items, next_cursor) = learning.announcements(&who.0, course, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}
