//! Mentors and their slots.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::career::{
        AvailabilityForm, Career, CareerError, MatchQuery, MatchView, MentorForm, MentorQuery,
        MentorReviewView, MentorState, MentorView, OwnMentorView, SlotQuery, SlotsView, StepForm,
    },
    http::{Idempotent, IfMatch, Json, OptionalJson, Page, PageQuery, Problem, Query, SignedIn, etag},
    principal::UserId,
};

/// The parameters of the list of mentors.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MentorsQuery {
    /// Words of headline or biography.
    #[param(max_length = 200)]
    pub q: Option<String>,
    /// Skills that they must all have, by slug, separated by commas.
    #[param(max_length = 400)]
    pub skill: Option<String>,
    /// A language they speak, as `en`.
    #[param(max_length = 10)]
    pub language: Option<String>,
    /// Only those who take no money.
    #[serde(default)]
    pub free: bool,
    /// In this state; for moderators. Approved ones without it.
    #[param(inline)]
    pub state: Option<MentorState>,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// Which slots.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SlotsQuery {
    /// From then: a date of the zone, or an instant (RFC 3339); now without it.
    pub from: Option<String>,
    /// Up to then, by up to 62 days; two weeks without it.
    pub to: Option<String>,
    /// The IANA zone to show them in; that of one's profile without it.
    #[param(max_length = 60, example = "Europe/Berlin")]
    pub zone: Option<String>,
}

fn shown(mentor: &OwnMentorView) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(mentor.mentor.version))).json(mentor)
}

/// Apply to be a mentor; once. A moderator looks at it. Takes a verified e-mail address.
#[utoipa::path(post, path = "/api/v1/mentors", tag = "mentorship", request_body = MentorForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Applied", body = OwnMentorView)))]
pub async fn apply(
    career: web::Data<Career>,
    who: SignedIn,
    _key: Idempotent,
    form: Json<MentorForm>,
) -> Result<HttpResponse, Problem> {
    let mentor = career.apply_to_mentor(&who.0, &form.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/mentors/{}", mentor.mentor.id)))
        .insert_header((header::ETAG, etag(mentor.mentor.version)))
        .json(mentor))
}

/// Mentors who can be booked.
#[utoipa::path(get, path = "/api/v1/mentors", tag = "mentorship", params(MentorsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of mentors", body = Page<MentorView>)))]
pub async fn list(
    career: web::Data<Career>,
    who: SignedIn,
    query: Query<MentorsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.0;
    let limit = PageQuery { limit: asked.limit, cursor: None }.limit()?;
    if asked.q.as_deref().is_some_and(|q| q.chars().count() > 200) {
        return Err(CareerError::field("?q", "takes up to 200 characters").into());
    }
    let split = |text: String| text.split(',').map(|one| one.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    let skills: Vec<String> = asked.skill.map(split).unwrap_or_default();
    let query = MentorQuery {
        q: asked.q,
        skills: skills.into_iter().filter(|slug| !slug.is_empty()).collect(),
        language: asked.language,
        free: asked.free,
        state: asked.state,
    };
    let (items, next_cursor) = career.mentors(&who.0, query, limit, asked.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A mentor.
#[utoipa::path(get, path = "/api/v1/mentors/{id}", tag = "mentorship",
    params(("id" = UserId, Path, description = "The mentor")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The mentor", body = MentorView)))]
pub async fn get(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(career.mentor(&who.0, id(&path, "mentor")?).await?))
}

/// Take a step: `approve`, `reject`, `suspend`, `restore` (moderators), `withdraw`, `apply` again (the
/// mentor). A step that is not possible now is a 409 with `allowed_transitions`.
#[utoipa::path(post, path = "/api/v1/mentors/{id}/{transition}", tag = "mentorship",
    request_body = Option<StepForm>,
    params(
        ("id" = UserId, Path, description = "The mentor"),
        ("transition" = String, Path, description = "The step"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The mentor as they are now", body = OwnMentorView)))]
pub async fn transition(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: OptionalJson<StepForm>,
) -> Result<HttpResponse, Problem> {
    let (mentor, step) = path.into_inner();
    Ok(shown(&career.move_mentor(&who.0, id(&mentor, "mentor")?, &step, &form.0).await?))
}

/// The times of a mentor that can be booked, in the zone of who asks.
#[utoipa::path(get, path = "/api/v1/mentors/{id}/slots", tag = "mentorship",
    params(("id" = UserId, Path, description = "The mentor"), SlotsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They, in order", body = SlotsView)))]
pub async fn slots(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<SlotsQuery>,
) -> Result<HttpResponse, Problem> {
    let SlotsQuery { from, to, zone } = query.0;
    let query = SlotQuery { from, to, zone };
    Ok(HttpResponse::Ok().json(career.slots(&who.0, id(&path, "mentor")?, &query).await?))
}

/// What was said about a mentor, newest first.
#[utoipa::path(get, path = "/api/v1/mentors/{id}/reviews", tag = "mentorship",
    params(("id" = UserId, Path, description = "The mentor"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of reviews", body = Page<MentorReviewView>)))]
pub async fn reviews(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (mentor, limit) = (id(&path, "mentor")?, query.0.limit()?);
    let (items, next_cursor) =
        career.mentor_reviews(&who.0, mentor, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// One's own offer as a mentor, with the hours.
#[utoipa::path(get, path = "/api/v1/me/mentor", tag = "mentorship",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It", body = OwnMentorView)))]
pub async fn own(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(shown(&career.own_mentor(&who.0).await?))
}

/// The version that a client has seen of the caller's own offer.
async fn seen(career: &Career, who: &SignedIn, tags: &IfMatch) -> Result<i64, Problem> {
    if let Some(version) = tags.version() {
        return Ok(version);
    }
    let version = career.own_mentor(&who.0).await?.mentor.version;
    tags.check(version)?;
    Ok(version)
}

/// Change what one offers as a mentor; sessions that are booked keep their terms.
#[utoipa::path(put, path = "/api/v1/me/mentor", tag = "mentorship", request_body = MentorForm,
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "It as it is now", body = OwnMentorView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn change(
    career: web::Data<Career>,
    who: SignedIn,
    tags: IfMatch,
    form: Json<MentorForm>,
) -> Result<HttpResponse, Problem> {
    let version = seen(&career, &who, &tags).await?;
    Ok(shown(&career.change_mentor(&who.0, &form.0, version).await?))
}

/// Replace one's hours: weekly rules and exceptions, in wall-clock time of one's zone.
#[utoipa::path(put, path = "/api/v1/me/mentor/availability", tag = "mentorship", request_body = AvailabilityForm,
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The offer as it is now", body = OwnMentorView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn availability(
    career: web::Data<Career>,
    who: SignedIn,
    tags: IfMatch,
    form: Json<AvailabilityForm>,
) -> Result<HttpResponse, Problem> {
    let version = seen(&career, &who, &tags).await?;
    Ok(shown(&career.change_availability(&who.0, &form.0, version).await?))
}

/// What one looks for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MatchesQuery {
    /// In one's own words.
    #[param(max_length = 500)]
    pub goal: Option<String>,
    /// Skills by slug, separated by commas; those of one's profile and those that one follows without it.
    #[param(max_length = 400)]
    pub skill: Option<String>,
    /// Languages, separated by commas; those of one's profile without it.
    #[param(max_length = 100)]
    pub language: Option<String>,
    /// One's IANA zone; that of one's profile without it.
    #[param(max_length = 60)]
    pub zone: Option<String>,
    /// How many at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

/// Mentors who fit, the best first, each with the reasons.
#[utoipa::path(get, path = "/api/v1/mentors/matches", tag = "mentorship", params(MatchesQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They", body = Page<MatchView>)))]
pub async fn matches(
    career: web::Data<Career>,
    who: SignedIn,
    query: Query<MatchesQuery>,
) -> Result<HttpResponse, Problem> {
    let asked = query.0;
    let limit = PageQuery { limit: asked.limit, cursor: None }.limit()?;
    if asked.goal.as_deref().is_some_and(|goal| goal.chars().count() > 500) {
        return Err(CareerError::field("?goal", "takes up to 500 characters").into());
    }
    let split = |text: Option<String>| -> Vec<String> {
        let text = text.unwrap_or_default();
        text.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).take(30).collect()
    };
    let query = MatchQuery {
        goal: asked.goal,
        skills: split(asked.skill),
        languages: split(asked.language),
        zone: asked.zone,
    };
    let items = career.matches(&who.0, &query, limit).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}
