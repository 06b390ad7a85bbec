//! What instructors grade.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{id, seen, tagged};
use crate::{
    contexts::learning::{
        AttemptId, AttemptView, CourseId, GradeForm, Learning, QueueItem, RegradeForm, SubmissionGradeForm,
        SubmissionId, SubmissionView,
    },
    http::{IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn},
};

/// What a regrade came to.
#[derive(Serialize, ToSchema)]
pub struct Regraded {
    /// Attempts that got another grade.
    pub changed: usize,
}

/// Mark by hand an attempt that waits for it. Takes being the instructor.
#[utoipa::path(post, path = "/api/v1/attempts/{id}/grade", tag = "quizzes", request_body = GradeForm,
    params(
        ("id" = AttemptId, Path, description = "The attempt"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "Graded", body = AttemptView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn grade_attempt(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<GradeForm>,
) -> Result<HttpResponse, Problem> {
    let attempt = learning.grade_attempt(&who.0, id(&path, "attempt")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), attempt.version, &attempt))
}

/// Grade what was handed in by its rubric, or return it. Takes being the instructor.
#[utoipa::path(post, path = "/api/v1/submissions/{id}/grade", tag = "quizzes",
    request_body = SubmissionGradeForm,
    params(
        ("id" = SubmissionId, Path, description = "What was handed in"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "Graded or returned", body = SubmissionView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn grade_submission(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<SubmissionGradeForm>,
) -> Result<HttpResponse, Problem> {
    let one = learning.grade_submission(&who.0, id(&path, "submission")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), one.version, &one))
}

/// Mark all graded attempts at a quiz anew, by the latest revisions of its questions. Old grades stay in
/// the history. Takes being the instructor.
#[utoipa::path(post, path = "/api/v1/courses/{id}/regrade", tag = "quizzes", request_body = RegradeForm,
    params(("id" = CourseId, Path, description = "The course")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Done", body = Regraded)))]
pub async fn regrade(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<RegradeForm>,
) -> Result<HttpResponse, Problem> {
    let changed = learning.regrade(&who.0, id(&path, "course")?, &form.0).await?;
    Ok(HttpResponse::Ok().json(Regraded { changed }))
}

/// What waits for the instructor of a course, the oldest first.
#[utoipa::path(get, path = "/api/v1/courses/{id}/queue", tag = "quizzes",
    params(("id" = CourseId, Path, description = "The course"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of the queue", body = Page<QueueItem>)))]
pub async fn queue(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (course, limit) = (id(&path, "course")?, query.0.limit()?);
    let (items, next_cursor) = learning.queue(&who.0, course, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// The gradebook of a course as CSV. Takes being its instructor.
#[utoipa::path(get, path = "/api/v1/courses/{id}/gradebook", tag = "quizzes",
    params(("id" = CourseId, Path, description = "The course")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "RFC 4180", body = String, content_type = "text/csv")))]
pub async fn gradebook(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let csv = learning.gradebook(&who.0, id(&path, "course")?).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment; filename=\"gradebook.csv\""))
        .body(csv))
}
