//! Recommendations, and what people do with them.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{limit, split};
use crate::{
    contexts::discovery::{
        Discovery, DiscoveryError, FeedbackForm, Gap, Goal,
        views::{FeedbackView, RecommendationsView},
    },
    http::{Json, Problem, Query, SignedIn},
};

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LimitQuery {
    /// How many items at most, 1 to 50; 10 by default.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
}

/// For which gig.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct StudentsQuery {
    /// An open gig of one's own.
    pub gig_id: Uuid,
    /// How many items at most, 1 to 50; 10 by default.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
}

/// For which gap.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CoursesQuery {
    /// Skills to learn, by slug or name, separated by commas.
    #[param(max_length = 1_000)]
    pub skill: Option<String>,
    /// What this open gig asks for and one's profile lacks.
    pub gig_id: Option<Uuid>,
    /// How many items at most, 1 to 50; 10 by default.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
}

/// For which goal.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MentorsQuery {
    /// What one wants, in one's own words.
    #[param(max_length = 500)]
    pub goal: Option<String>,
    /// Skills, by slug or name, separated by commas.
    #[param(max_length = 1_000)]
    pub skill: Option<String>,
    /// How many items at most, 1 to 50; 10 by default.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
}

fn shown(view: &RecommendationsView) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(view)
}

fn skills(text: Option<&String>) -> Result<Vec<String>, Problem> {
    let skills = split(text);
    if skills.len() > 20 {
        return Err(DiscoveryError::field("?skill", "takes up to 20 values").into());
    }
    Ok(skills)
}

/// Open gigs that fit the caller, each with the reasons. Not those applied to or dismissed.
#[utoipa::path(get, path = "/api/v1/recommendations/gigs", tag = "discovery", params(LimitQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The best first", body = RecommendationsView)))]
pub async fn gigs(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    query: Query<LimitQuery>,
) -> Result<HttpResponse, Problem> {
    Ok(shown(&discovery.gigs_for(&who.0, limit(query.0.limit, 50, 10)?).await?))
}

/// People with a public profile who fit an open gig of the caller's, each with the reasons.
#[utoipa::path(get, path = "/api/v1/recommendations/students", tag = "discovery", params(StudentsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The best first", body = RecommendationsView)))]
pub async fn students(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    query: Query<StudentsQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = limit(query.0.limit, 50, 10)?;
    Ok(shown(&discovery.students_for(&who.0, query.0.gig_id, limit).await?))
}

/// Courses that teach what the caller lacks, each with the reasons: what they name, what a gig asks for, or else what
/// the gigs that fit them ask for.
#[utoipa::path(get, path = "/api/v1/recommendations/courses", tag = "discovery", params(CoursesQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The best first", body = RecommendationsView)))]
pub async fn courses(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    query: Query<CoursesQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = limit(query.0.limit, 50, 10)?;
    let gap = Gap { skills: skills(query.0.skill.as_ref())?, gig: query.0.gig_id };
    Ok(shown(&discovery.courses_for(&who.0, &gap, limit).await?))
}

/// Mentors for a goal, each with the reasons.
#[utoipa::path(get, path = "/api/v1/recommendations/mentors", tag = "discovery", params(MentorsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The best first", body = RecommendationsView)))]
pub async fn mentors(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    query: Query<MentorsQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = limit(query.0.limit, 50, 10)?;
    let text = query.0.goal.unwrap_or_default();
    if text.chars().count() > 500 {
        return Err(DiscoveryError::field("?goal", "takes up to 500 characters").into());
    }
    let goal = Goal { text: text.trim().to_owned(), skills: skills(query.0.skill.as_ref())? };
    Ok(shown(&discovery.mentors_for(&who.0, &goal, limit).await?))
}

/// Tell what was done with results: shown, opened, applied, dismissed. Each counts once; what was dismissed does not
/// come again.
#[utoipa::path(post, path = "/api/v1/recommendations/feedback", tag = "discovery", request_body = FeedbackForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Noted", body = FeedbackView)))]
pub async fn feedback(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    form: Json<FeedbackForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(discovery.take_feedback(&who.0, &form.0).await?))
}
