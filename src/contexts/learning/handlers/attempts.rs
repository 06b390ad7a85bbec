//! Attempts at quizzes, and what is handed in.

use actix_web::{HttpResponse, http::header, web};

use super::{id, seen, tagged};
use crate::{
    contexts::{
        learning::{
            AnswersForm, AttemptId, AttemptView, EnrolmentId, ItemId, Learning, SubmissionForm, SubmissionId,
            SubmissionView,
        },
        objects::{DownloadView, UploadId},
    },
    http::{Idempotent, IfMatch, Json, OptionalJson, Problem, SignedIn},
};

/// Begin an attempt at a quiz, or go on with the one that is open.
#[utoipa::path(post, path = "/api/v1/enrolments/{id}/items/{item_id}/attempts", tag = "quizzes",
    params(
        ("id" = EnrolmentId, Path, description = "The enrolment"),
        ("item_id" = ItemId, Path, description = "The quiz"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Begun, or open already", body = AttemptView)))]
pub async fn begin(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    key: Idempotent,
) -> Result<HttpResponse, Problem> {
    let (enrolment, item) = (id(&path.0, "enrolment")?, id(&path.1, "quiz")?);
    let attempt = learning.begin_attempt(&who.0, enrolment, item, key.resource_id()).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/attempts/{}", attempt.id)));
    Ok(tagged(answer, attempt.version, &attempt))
}

/// An attempt: what is asked, what was answered, and, once it is over, what it is worth.
#[utoipa::path(get, path = "/api/v1/attempts/{id}", tag = "quizzes",
    params(("id" = AttemptId, Path, description = "The attempt")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The attempt", body = AttemptView)))]
pub async fn get(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let attempt = learning.attempt(&who.0, id(&path, "attempt")?).await?;
    Ok(tagged(HttpResponse::Ok(), attempt.version, &attempt))
}

/// Keep answers while the attempt is open. They take the place of those before.
#[utoipa::path(put, path = "/api/v1/attempts/{id}/answers", tag = "quizzes", request_body = AnswersForm,
    params(
        ("id" = AttemptId, Path, description = "The attempt"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "Kept", body = AttemptView),
        (status = 412, description = "Another tab was faster", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn save(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<AnswersForm>,
) -> Result<HttpResponse, Problem> {
    let attempt = learning.save_answers(&who.0, id(&path, "attempt")?, &form.0, seen(&tags)?).await?;
    Ok(tagged(HttpResponse::Ok(), attempt.version, &attempt))
}

/// Hand an attempt in, with these answers or with those that are kept.
#[utoipa::path(post, path = "/api/v1/attempts/{id}/submit", tag = "quizzes",
    request_body = Option<AnswersForm>,
    params(
        ("id" = AttemptId, Path, description = "The attempt"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "Handed in", body = AttemptView),
        (status = 412, description = "Another tab was faster", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn submit(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: OptionalJson<Option<AnswersForm>>,
) -> Result<HttpResponse, Problem> {
    let (attempt, version) = (id(&path, "attempt")?, seen(&tags)?);
    let attempt = learning.submit(&who.0, attempt, form.0.as_ref(), version).await?;
    Ok(tagged(HttpResponse::Ok(), attempt.version, &attempt))
}

/// Hand something in for an assignment.
#[utoipa::path(post, path = "/api/v1/enrolments/{id}/items/{item_id}/submissions", tag = "quizzes",
    request_body = SubmissionForm,
    params(
        ("id" = EnrolmentId, Path, description = "The enrolment"),
        ("item_id" = ItemId, Path, description = "The assignment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Handed in", body = SubmissionView)))]
pub async fn hand_in(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    key: Idempotent,
    form: Json<SubmissionForm>,
) -> Result<HttpResponse, Problem> {
    let (enrolment, item) = (id(&path.0, "enrolment")?, id(&path.1, "assignment")?);
    let one = learning.hand_in(&who.0, enrolment, item, key.resource_id(), &form.0).await?;
    Ok(tagged(HttpResponse::Created(), one.version, &one))
}

/// What was handed in: its text, its files, and what it is worth. For its learner and the instructor.
#[utoipa::path(get, path = "/api/v1/submissions/{id}", tag = "quizzes",
    params(("id" = SubmissionId, Path, description = "What was handed in")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "What was handed in", body = SubmissionView)))]
pub async fn submission(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let one = learning.submission(&who.0, id(&path, "submission")?).await?;
    Ok(tagged(HttpResponse::Ok(), one.version, &one))
}

/// A link to a file that was handed in, for its learner and the instructor.
#[utoipa::path(get, path = "/api/v1/submissions/{id}/files/{file_id}", tag = "quizzes",
    params(
        ("id" = SubmissionId, Path, description = "What was handed in"),
        ("file_id" = UploadId, Path, description = "The file"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The link", body = DownloadView)))]
pub async fn file(
    learning: web::Data<Learning>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (one, file) = (id(&path.0, "submission")?, id(&path.1, "file")?);
    let link = learning.submitted_file(&who.0, one, file).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(link))
}
