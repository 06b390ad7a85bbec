//! Gigs.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::gigs::{
        BudgetKind, GigForm, GigId, GigPatch, GigQuery, GigState, GigView, Gigs, GigsError, Skill,
    },
    http::{Idempotent, IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn, etag},
    money::Currency,
    principal::UserId,
};

/// The parameters of the list of gigs.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct GigsQuery {
    /// Words of title or description.
    #[param(max_length = 200)]
    pub q: Option<String>,
    /// Skills that it must all have, by slug, separated by commas.
    #[param(max_length = 400)]
    pub skill: Option<String>,
    /// Pays at least so much, in minor units.
    #[param(minimum = 0)]
    pub budget_min: Option<i64>,
    /// Pays at most so much, in minor units.
    #[param(minimum = 0)]
    pub budget_max: Option<i64>,
    /// In this currency: an ISO 4217 code.
    #[param(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    pub currency: Option<Currency>,
    /// Paid at once or by the hour.
    #[param(inline)]
    pub kind: Option<BudgetKind>,
    /// In this state. Without it: open ones; among one's own, all of them.
    #[param(inline)]
    pub state: Option<GigState>,
    /// Of this client.
    pub owner_id: Option<UserId>,
    /// One's own only.
    #[serde(default)]
    pub mine: bool,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

fn shown(gig: &GigView) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(gig.version))).json(gig)
}

/// The skills that gigs may ask for, by category.
#[utoipa::path(get, path = "/api/v1/skills", tag = "gigs",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "All of them", body = Page<Skill>)))]
pub async fn skills(gigs: web::Data<Gigs>, _who: SignedIn) -> Result<HttpResponse, Problem> {
    let items = gigs.skills().await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// Draft a gig. Only its client sees it until it is posted. Takes the role `client`.
#[utoipa::path(post, path = "/api/v1/gigs", tag = "gigs", request_body = GigForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Drafted", body = GigView)))]
pub async fn create(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    key: Idempotent,
    form: Json<GigForm>,
) -> Result<HttpResponse, Problem> {
    let gig = gigs.draft_as(&who.0, GigId(key.resource_id()), &form.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/gigs/{}", gig.id)))
        .insert_header((header::ETAG, etag(gig.version)))
        .json(gig))
}

/// Gigs, the newest first.
#[utoipa::path(get, path = "/api/v1/gigs", tag = "gigs", params(GigsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of gigs", body = Page<GigView>)))]
pub async fn list(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    query: Query<GigsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.0;
    let limit = PageQuery { limit: asked.limit, cursor: None }.limit()?;
    if asked.q.as_deref().is_some_and(|q| q.chars().count() > 200) {
        return Err(GigsError::field("?q", "takes up to 200 characters").into());
    }
    let split = |text: String| text.split(',').map(|one| one.trim().to_ascii_lowercase()).collect::<Vec<_>>();
    let skills: Vec<String> = asked.skill.map(split).unwrap_or_default();
    let query = GigQuery {
        q: asked.q,
        skills: skills.into_iter().filter(|slug| !slug.is_empty()).collect(),
        budget_min: asked.budget_min,
        budget_max: asked.budget_max,
        currency: asked.currency,
        kind: asked.kind,
        state: asked.state,
        owner: asked.owner_id,
        mine: asked.mine,
    };
    let (items, next_cursor) = gigs.gigs(&who.0, query, limit, asked.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A gig, with what the caller may do with it.
#[utoipa::path(get, path = "/api/v1/gigs/{id}", tag = "gigs",
    params(("id" = GigId, Path, description = "The gig")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The gig", body = GigView)))]
pub async fn get(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(shown(&gigs.gig_page(&who.0, id(&path, "gig")?).await?))
}

/// Change a gig that is a draft, open or paused. Takes being its client.
#[utoipa::path(patch, path = "/api/v1/gigs/{id}", tag = "gigs", request_body = GigPatch,
    params(
        ("id" = GigId, Path, description = "The gig"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The gig as it is now", body = GigView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn patch(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    seen: IfMatch,
    form: Json<GigPatch>,
) -> Result<HttpResponse, Problem> {
    let gig = id(&path, "gig")?;
    let version = match seen.version() {
        Some(version) => version,
        None => {
            let version = gigs.gig(&who.0, gig).await?.version;
            seen.check(version)?;
            version
        }
    };
    Ok(shown(&gigs.patch_gig(&who.0, gig, &form.0, Some(version)).await?))
}

/// Take a step: `post`, `pause`, `resume`, `cancel` (its client), `remove` (a moderator).
///
/// A step that is not possible now is a 409 with `allowed_transitions`. Posting takes a verified
/// e-mail address.
#[utoipa::path(post, path = "/api/v1/gigs/{id}/{transition}", tag = "gigs",
    params(
        ("id" = GigId, Path, description = "The gig"),
        ("transition" = String, Path, description = "`post`, `pause`, `resume`, `cancel` or `remove`"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The gig as it is now", body = GigView)))]
pub async fn transition(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (gig, step) = path.into_inner();
    Ok(shown(&gigs.move_gig(&who.0, id(&gig, "gig")?, &step).await?))
}
