//! Live quizzes.

use actix_web::{HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{id, tagged};
use crate::{
    contexts::learning::{CourseId, LiveAnswerForm, LiveForm, LiveQuizId, LiveQuizzes, LiveView},
    http::{Idempotent, Json, Problem, SignedIn},
};

/// Make a live quiz of a bank's questions. Takes being the course's instructor; a course has one at a time.
#[utoipa::path(post, path = "/api/v1/courses/{id}/live", tag = "quizzes", request_body = LiveForm,
    params(
        ("id" = CourseId, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Made; nothing is asked yet", body = LiveView)))]
pub async fn create(
    live: web::Data<LiveQuizzes>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<LiveForm>,
) -> Result<HttpResponse, Problem> {
    let made = live.make(&who.0, id(&path, "course")?, key.resource_id(), &form.0).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/api/v1/live/{}", made.id)));
    Ok(tagged(answer, made.version, &made))
}

/// The course's live quiz that is not over.
#[utoipa::path(get, path = "/api/v1/courses/{id}/live", tag = "quizzes",
    params(("id" = CourseId, Path, description = "The course")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "How it stands", body = LiveView)))]
pub async fn running(
    live: web::Data<LiveQuizzes>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(live.running(&who.0, id(&path, "course")?).await?))
}

/// How a live quiz stands: the open question, the scoreboard, one's own place. News come on `course:<id>`.
#[utoipa::path(get, path = "/api/v1/live/{id}", tag = "quizzes",
    params(("id" = LiveQuizId, Path, description = "The live quiz")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "How it stands", body = LiveView)))]
pub async fn get(
    live: web::Data<LiveQuizzes>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(live.get(&who.0, id(&path, "live quiz")?).await?))
}

/// Take a step: `next` opens the next question, `close` closes it before its time, `end` ends the quiz. Takes
/// being its host.
#[utoipa::path(post, path = "/api/v1/live/{id}/{transition}", tag = "quizzes",
    params(
        ("id" = LiveQuizId, Path, description = "The live quiz"),
        ("transition" = String, Path, description = "`next`, `close` or `end`"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "How it stands", body = LiveView)))]
pub async fn transition(
    live: web::Data<LiveQuizzes>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(live.step(&who.0, id(&path.0, "live quiz")?, &path.1).await?))
}

/// An answer that is kept.
#[derive(Serialize, ToSchema)]
pub struct LiveAnswered {
    /// The question, from 1.
    pub number: i32,
    /// One was kept before, and counts.
    pub duplicate: bool,
}

/// Answer the open question. The first answer counts; it is kept when this answers.
#[utoipa::path(post, path = "/api/v1/live/{id}/answers", tag = "quizzes", request_body = LiveAnswerForm,
    params(("id" = LiveQuizId, Path, description = "The live quiz")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Kept", body = LiveAnswered)))]
pub async fn answer(
    live: web::Data<LiveQuizzes>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<LiveAnswerForm>,
) -> Result<HttpResponse, Problem> {
    let number = form.0.number;
    let said = live.answer(&who.0, id(&path, "live quiz")?, form.0).await?;
    Ok(HttpResponse::Ok().json(LiveAnswered { number, duplicate: said.duplicate }))
}
