//! Profiles, projects, evidence, follows.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::Value;

use super::id;
use crate::{
    contexts::career::{
        Career, EvidenceId, EvidenceView, FeedEntryView, FollowsView, ImportedView, OrderForm,
        OwnProfileView, PortfolioView, ProfileForm, ProjectForm, ProjectId, ProjectView, ShowForm,
    },
    http::{Idempotent, IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn, etag},
    principal::UserId,
};

fn own(profile: &OwnProfileView) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(profile.version))).json(profile)
}

/// The version that a client has seen of the caller's own profile.
async fn seen(career: &Career, who: &SignedIn, tags: &IfMatch) -> Result<i64, Problem> {
    if let Some(version) = tags.version() {
        return Ok(version);
    }
    let version = career.own_profile(&who.0).await?.version;
    tags.check(version)?;
    Ok(version)
}

/// One's own profile with projects and evidence; empty at version 0 before it was ever written.
#[utoipa::path(get, path = "/api/v1/me/profile", tag = "portfolio",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It", body = OwnProfileView)))]
pub async fn get(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(own(&career.own_profile(&who.0).await?))
}

/// Write one's profile; what is left out becomes empty.
#[utoipa::path(put, path = "/api/v1/me/profile", tag = "portfolio", request_body = ProfileForm,
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "It as it is now", body = OwnProfileView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn put(
    career: web::Data<Career>,
    who: SignedIn,
    tags: IfMatch,
    form: Json<ProfileForm>,
) -> Result<HttpResponse, Problem> {
    let version = seen(&career, &who, &tags).await?;
    Ok(own(&career.write_profile(&who.0, &form.0, version).await?))
}

/// One's portfolio as JSON Resume (jsonresume.org).
#[utoipa::path(get, path = "/api/v1/me/profile/resume", tag = "portfolio",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The file", body = Value)))]
pub async fn resume(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_DISPOSITION, "inline; filename=\"resume.json\""))
        .json(career.resume(&who.0).await?))
}

/// Take a JSON Resume into one's profile: what it says nothing about stays, what a profile has no place
/// for is named in `ignored`.
#[utoipa::path(put, path = "/api/v1/me/profile/resume", tag = "portfolio", request_body = Value,
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The profile as it is now", body = ImportedView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn import(
    career: web::Data<Career>,
    who: SignedIn,
    tags: IfMatch,
    file: Json<Value>,
) -> Result<HttpResponse, Problem> {
    let version = seen(&career, &who, &tags).await?;
    let imported = career.import_resume(&who.0, &file.0, version).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(imported.profile.version))).json(imported))
}

/// A person's portfolio, as the caller may see it.
#[utoipa::path(get, path = "/api/v1/people/{id}/portfolio", tag = "portfolio",
    params(("id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It", body = PortfolioView)))]
pub async fn of_person(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let person = id(&path, "person")?;
    Ok(HttpResponse::Ok().json(career.portfolio(Some(who.0.user_id), person).await?))
}

/// Vouch for a skill that somebody claims.
#[utoipa::path(put, path = "/api/v1/people/{id}/skills/{skill}/endorsement", tag = "portfolio",
    params(("id" = UserId, Path, description = "The person"), ("skill" = String, Path, description = "Its slug")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Noted")))]
pub async fn endorse(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (person, skill) = path.into_inner();
    career.endorse(&who.0, id(&person, "person")?, &skill, true).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Vouch for it no more.
#[utoipa::path(delete, path = "/api/v1/people/{id}/skills/{skill}/endorsement", tag = "portfolio",
    params(("id" = UserId, Path, description = "The person"), ("skill" = String, Path, description = "Its slug")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Noted")))]
pub async fn unendorse(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (person, skill) = path.into_inner();
    career.endorse(&who.0, id(&person, "person")?, super::plain(&skill, "skill")?, false).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Add a project, as the last one.
#[utoipa::path(post, path = "/api/v1/me/projects", tag = "portfolio", request_body = ProjectForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Added", body = ProjectView)))]
pub async fn add_project(
    career: web::Data<Career>,
    who: SignedIn,
    key: Idempotent,
    form: Json<ProjectForm>,
) -> Result<HttpResponse, Problem> {
    let project = career.add_project(&who.0, ProjectId(key.resource_id()), &form.0).await?;
    Ok(HttpResponse::Created().insert_header((header::ETAG, etag(project.version))).json(project))
}

/// Put one's projects into an order.
#[utoipa::path(put, path = "/api/v1/me/projects", tag = "portfolio", request_body = OrderForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They in that order", body = Page<ProjectView>)))]
pub async fn order(
    career: web::Data<Career>,
    who: SignedIn,
    form: Json<OrderForm>,
) -> Result<HttpResponse, Problem> {
    let items = career.order_projects(&who.0, &form.0).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// Change a project; what is left out becomes empty.
#[utoipa::path(put, path = "/api/v1/me/projects/{id}", tag = "portfolio", request_body = ProjectForm,
    params(
        ("id" = ProjectId, Path, description = "The project"),
        ("If-Match" = String, Header, description = "The ETag that was last read, or *"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "It as it is now", body = ProjectView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn change_project(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    tags: IfMatch,
    form: Json<ProjectForm>,
) -> Result<HttpResponse, Problem> {
    let project = id(&path, "project")?;
    let seen = match tags.version() {
        Some(version) => version,
        None => {
            let all = career.own_profile(&who.0).await?.projects;
            let version = all.iter().find(|one| one.id == project).map_or(0, |one| one.version);
            tags.check(version)?;
            version
        }
    };
    let project = career.change_project(&who.0, project, &form.0, Some(seen)).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(project.version))).json(project))
}

/// Take a project away.
#[utoipa::path(delete, path = "/api/v1/me/projects/{id}", tag = "portfolio",
    params(("id" = ProjectId, Path, description = "The project")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Gone")))]
pub async fn drop_project(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    career.drop_project(&who.0, id(&path, "project")?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Show a piece of one's evidence to others, or hide it.
#[utoipa::path(put, path = "/api/v1/me/evidence/{id}", tag = "portfolio", request_body = ShowForm,
    params(("id" = EvidenceId, Path, description = "The evidence")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It as it is now", body = EvidenceView)))]
pub async fn show(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<ShowForm>,
) -> Result<HttpResponse, Problem> {
    let evidence = id(&path, "evidence")?;
    Ok(HttpResponse::Ok().json(career.show_evidence(&who.0, evidence, form.0.shown).await?))
}

/// Whom and what one follows.
#[utoipa::path(get, path = "/api/v1/me/follows", tag = "portfolio",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They", body = FollowsView)))]
pub async fn follows(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(career.follows(&who.0).await?))
}

/// What the people do whom one follows, and what is about the skills, the newest first.
///
/// A page may be short and still go on: while there is a cursor, there is more.
#[utoipa::path(get, path = "/api/v1/me/feed", tag = "portfolio", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of the feed", body = Page<FeedEntryView>)))]
pub async fn feed(
    career: web::Data<Career>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = career.followed(&who.0, limit, query.0.cursor.as_deref()).await?;
    let mut answer = Page { items, next_cursor }.respond(&req);
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("private, no-store"));
    Ok(answer)
}

/// Follow a person. Those who follow each other are connections.
#[utoipa::path(put, path = "/api/v1/me/follows/people/{id}", tag = "portfolio",
    params(("id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Followed")))]
pub async fn follow_person(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    career.follow_person(&who.0, id(&path, "person")?, true).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Follow a person no more.
#[utoipa::path(delete, path = "/api/v1/me/follows/people/{id}", tag = "portfolio",
    params(("id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Not followed")))]
pub async fn unfollow_person(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    career.follow_person(&who.0, id(&path, "person")?, false).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Follow a skill.
#[utoipa::path(put, path = "/api/v1/me/follows/skills/{skill}", tag = "portfolio",
    params(("skill" = String, Path, description = "Its slug")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Followed")))]
pub async fn follow_skill(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    career.follow_skill(&who.0, super::plain(&path, "skill")?, true).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Follow a skill no more.
#[utoipa::path(delete, path = "/api/v1/me/follows/skills/{skill}", tag = "portfolio",
    params(("skill" = String, Path, description = "Its slug")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Not followed")))]
pub async fn unfollow_skill(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    career.follow_skill(&who.0, super::plain(&path, "skill")?, false).await?;
    Ok(HttpResponse::NoContent().finish())
}
