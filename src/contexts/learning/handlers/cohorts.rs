//! Cohorts.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{id, seen, tagged};
use crate::{
    contexts::learning::{CohortForm, CohortId, CohortView, CourseId, Learning},
    http::{Idempotent, IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn},
};

/// Open a cohort: a group that begins together. Takes being the course's instructor.
#[utoipa::path(post, path = "/api/v1/courses/{id}/cohorts", tag = "courses", request_body = CohortForm,
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Opened", body = CohortView)))]
pub async fn open(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<CohortForm>,
) -> Result<HttpResponse, Problem> {
    let course: CourseId = id(&path, "course")?;
    let cohort = learning.open_cohort(&who.0, course, key.resource_id(), &form.0).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/courses/{course}/cohorts")));
    Ok(tagged(answer, cohort.version, &cohort))
}

/// A course's cohorts, the latest first.
#[utoipa::path(get, path = "/api/v1/courses/{id}/cohorts", tag = "courses",
    params(("id" = CourseId, Path, description = "The course"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of cohorts", body = Page<CohortView>)))]
pub async fn list(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (course, limit) = (id(&path, "course")?, query.0.limit()?);
    let (items, next_cursor) = learning.cohorts(&who.0, course, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Change a cohort; `extension_hours` moves the due dates of everybody in it. Takes being the instructor.
#[utoipa::path(put, path = "/api/v1/cohorts/{id}", tag = "courses", request_body = CohortForm,
    params(
        ("id" = CohortId, Path, description = "The cohort"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The cohort as it is now", body = CohortView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn change(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<CohortForm>,
) -> Result<HttpResponse, Problem> {
    let cohort = learning.change_cohort(&who.0, id(&path, "cohort")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), cohort.version, &cohort))
}
