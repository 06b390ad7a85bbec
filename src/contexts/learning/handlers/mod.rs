//! Learning over HTTP: extract, call one use case, encode.

pub mod attempts;
pub mod banks;
pub mod certificates;
pub mod cohorts;
pub mod courses;
pub mod enrolments;
pub mod grades;
pub mod live;

use std::str::FromStr;

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};
use serde::Serialize;
use utoipa::OpenApi;

use super::LearningError;
use crate::http::{IfMatch, Problem, etag};

#[derive(OpenApi)]
#[openapi(
    paths(
        courses::create,
        courses::list,
        courses::get,
        courses::patch,
        courses::draft,
        courses::write_draft,
        courses::transition,
        courses::announce,
        courses::announcements,
        cohorts::open,
        cohorts::list,
        cohorts::change,
        enrolments::enrol,
        enrolments::of_course,
        enrolments::mine,
        enrolments::get,
        enrolments::transition,
        enrolments::access,
        enrolments::item,
        enrolments::progress,
        attempts::begin,
        attempts::get,
        attempts::save,
        attempts::submit,
        attempts::hand_in,
        attempts::submission,
        attempts::file,
        grades::grade_attempt,
        grades::grade_submission,
        grades::regrade,
        grades::queue,
        grades::gradebook,
        live::create,
        live::running,
        live::get,
        live::transition,
        live::answer,
        banks::create,
        banks::list,
        banks::get,
        banks::add,
        banks::revise,
        banks::import,
        banks::export,
        banks::qti,
        banks::statistics,
        certificates::mine,
        certificates::get,
        certificates::pdf,
        certificates::transition,
        certificates::rotate_key,
    ),
    tags(
        (name = "courses", description = "Courses, enrolments, progress"),
        (name = "quizzes", description = "Banks of questions, attempts, grades"),
        (name = "certificates", description = "Open Badges 3.0 credentials"),
    )
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// An id out of a path: what is no id names nothing.
fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, LearningError> {
    text.parse().map_err(|_| LearningError::No(what))
}

fn tagged(mut answer: HttpResponseBuilder, version: i64, body: &impl Serialize) -> HttpResponse {
    answer.insert_header((header::ETAG, etag(version))).json(body)
}

/// The one version that `If-Match` names. `*` is any; several, or none of ours, are another one.
fn seen(tags: &IfMatch) -> Result<Option<i64>, Problem> {
    match tags.version() {
        Some(version) => Ok(Some(version)),
        // No row has version 0: only `*` passes.
        None => tags.check(0).map(|()| None),
    }
}
