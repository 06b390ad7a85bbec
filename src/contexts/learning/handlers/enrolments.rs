//! Enrolments, progress, items.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{id, seen, tagged};
use crate::{
    contexts::learning::{
        AccessForm, CourseId, EnrolForm, EnrolmentId, EnrolmentView, ItemId, ItemView, Learning, ProgressForm,
    },
    http::{Idempotent, IfMatch, Json, OptionalJson, Page, PageQuery, Problem, Query, SignedIn},
};

/// Enrol in a course's latest version, in a cohort or at one's own pace.
///
/// A place that costs something is `pending` until it is paid: `payment` has what the browser completes it
/// with. It is kept for a day. The money goes to the instructor after 14 days; until then withdrawing gives
/// it back.
#[utoipa::path(post, path = "/api/v1/courses/{id}/enrolments", tag = "courses", request_body = EnrolForm,
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Enrolled", body = EnrolmentView)))]
pub async fn enrol(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: OptionalJson<EnrolForm>,
) -> Result<HttpResponse, Problem> {
    let enrolment = learning.enrol(&who.0, id(&path, "course")?, key.resource_id(), &form.0).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/enrolments/{}", enrolment.id)));
    Ok(tagged(answer, enrolment.version, &enrolment))
}

/// Who is in a course, the latest first. Takes being its instructor.
#[utoipa::path(get, path = "/api/v1/courses/{id}/enrolments", tag = "courses",
    params(("id" = CourseId, Path, description = "The course"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of enrolments", body = Page<EnrolmentView>)))]
pub async fn of_course(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (course, limit) = (Some(id(&path, "course")?), query.0.limit()?);
    let cursor = query.0.cursor.as_deref();
    let (items, next_cursor) = learning.enrolments(&who.0, course, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// One's own enrolments, the latest first.
#[utoipa::path(get, path = "/api/v1/enrolments", tag = "courses", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of enrolments", body = Page<EnrolmentView>)))]
pub async fn mine(
    learning: web::Data<Learning>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let cursor = query.0.cursor.as_deref();
    let (items, next_cursor) = learning.enrolments(&who.0, None, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// An enrolment with its progress.
#[utoipa::path(get, path = "/api/v1/enrolments/{id}", tag = "courses",
    params(("id" = EnrolmentId, Path, description = "The enrolment")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The enrolment", body = EnrolmentView)))]
pub async fn get(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let enrolment = learning.enrolment(&who.0, id(&path, "enrolment")?).await?;
    Ok(tagged(HttpResponse::Ok(), enrolment.version, &enrolment))
}

/// Take a step: `withdraw`, `pay` (again, when a payment failed), or `move` to the latest version: what was reached stays reached.
#[utoipa::path(post, path = "/api/v1/enrolments/{id}/{transition}", tag = "courses",
    params(
        ("id" = EnrolmentId, Path, description = "The enrolment"),
        ("transition" = String, Path, description = "`withdraw`, `pay` or `move`"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The enrolment as it is now", body = EnrolmentView)))]
pub async fn transition(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (enrolment, step) = path.into_inner();
    let enrolment = learning.move_enrolment(&who.0, id(&enrolment, "enrolment")?, &step).await?;
    Ok(tagged(HttpResponse::Ok(), enrolment.version, &enrolment))
}

/// Grant a learner more time in quizzes and later dates. Takes being the instructor.
#[utoipa::path(put, path = "/api/v1/enrolments/{id}/access", tag = "courses", request_body = AccessForm,
    params(
        ("id" = EnrolmentId, Path, description = "The enrolment"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The enrolment as it is now", body = EnrolmentView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn access(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<AccessForm>,
) -> Result<HttpResponse, Problem> {
    let enrolment = learning.grant_access(&who.0, id(&path, "enrolment")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), enrolment.version, &enrolment))
}

/// An item of one's course, to take.
#[utoipa::path(get, path = "/api/v1/enrolments/{id}/items/{item_id}", tag = "courses",
    params(
        ("id" = EnrolmentId, Path, description = "The enrolment"),
        ("item_id" = ItemId, Path, description = "The item"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The item", body = ItemView)))]
pub async fn item(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (enrolment, item) = (id(&path.0, "enrolment")?, id(&path.1, "item")?);
    Ok(HttpResponse::Ok().json(learning.item(&who.0, enrolment, item).await?))
}

/// Say how far one is with an item. Only ever forward; what completes the course, does.
#[utoipa::path(post, path = "/api/v1/enrolments/{id}/items/{item_id}/progress", tag = "courses",
    request_body = ProgressForm,
    params(
        ("id" = EnrolmentId, Path, description = "The enrolment"),
        ("item_id" = ItemId, Path, description = "The item"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The enrolment as it is now", body = EnrolmentView)))]
pub async fn progress(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: Json<ProgressForm>,
) -> Result<HttpResponse, Problem> {
    let (enrolment, item) = (id(&path.0, "enrolment")?, id(&path.1, "item")?);
    let enrolment = learning.advance(&who.0, enrolment, item, &form.0).await?;
    Ok(tagged(HttpResponse::Ok(), enrolment.version, &enrolment))
}
