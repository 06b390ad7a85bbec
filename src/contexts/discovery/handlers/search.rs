//! Search and suggestions.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{limit, split};
use crate::{
    contexts::discovery::{Discovery, DiscoveryError, FoundView, Kind, SearchForm, SuggestionsView},
    http::{Problem, Query, SignedIn, link_next},
    money::Currency,
    ports::text::Sort,
};

/// The longest text that a query may have at all, in characters.
const MOST: usize = 20_000;

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// What was typed: anything. Its first 300 characters are read.
    #[param(max_length = 2_000)]
    pub q: Option<String>,
    /// Every one of these skills, by slug, separated by commas.
    #[param(max_length = 1_000)]
    pub skill: Option<String>,
    /// One of these languages, as `en`, separated by commas.
    #[param(max_length = 1_000)]
    pub language: Option<String>,
    /// One of these levels, separated by commas.
    #[param(max_length = 1_000)]
    pub level: Option<String>,
    /// One of these tags, separated by commas: `fixed`, `hourly`, `free`, `paid`, `open`, `part_time`, …
    #[param(max_length = 1_000)]
    pub tag: Option<String>,
    /// Done from anywhere.
    pub remote: Option<bool>,
    /// Pays or costs at least so many minor units.
    #[param(minimum = 0)]
    pub budget_min: Option<i64>,
    /// Pays or costs at most so many minor units.
    #[param(minimum = 0)]
    pub budget_max: Option<i64>,
    /// In this currency.
    #[param(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    pub currency: Option<Currency>,
    /// Rated at least so, from 1 to 5.
    #[param(minimum = 1, maximum = 5)]
    pub rating_min: Option<f64>,
    /// Posted or renewed then or later.
    pub posted_after: Option<DateTime<Utc>>,
    /// The order; the best match first without it.
    #[serde(default)]
    #[param(inline)]
    pub sort: Sort,
    /// How many items at most, 1 to 50; 20 by default.
    #[param(minimum = 1, maximum = 50)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    #[param(max_length = 500)]
    pub cursor: Option<String>,
}

/// What is searched for, and among what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KindsQuery {
    /// `gig`, `course`, `person`, `mentor`; several separated by commas; all without it.
    #[param(pattern = "^(gig|course|person|mentor)(,(gig|course|person|mentor)){0,3}$")]
    pub kind: Option<String>,
}

/// What was typed so far.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SuggestQuery {
    /// What was typed so far.
    #[param(max_length = 2_000)]
    pub q: String,
    /// Of this kind; all without it.
    #[param(inline)]
    pub kind: Option<Kind>,
    /// How many at most, 1 to 20; 8 by default.
    #[param(minimum = 1, maximum = 20)]
    pub limit: Option<u32>,
}

fn form(query: &SearchQuery, kinds: Vec<Kind>) -> Result<SearchForm, Problem> {
    let q = query.q.clone().unwrap_or_default();
    if q.chars().count() > MOST {
        return Err(DiscoveryError::field("?q", "takes up to 20,000 characters").into());
    }
    Ok(SearchForm {
        q,
        kinds,
        skills: split(query.skill.as_ref()).into_iter().map(|slug| slug.to_lowercase()).collect(),
        languages: split(query.language.as_ref()),
        levels: split(query.level.as_ref()),
        tags: split(query.tag.as_ref()),
        remote: query.remote,
        budget_min: query.budget_min,
        budget_max: query.budget_max,
        currency: query.currency,
        rating_min: query.rating_min,
        posted_after: query.posted_after,
        sort: query.sort,
    })
}

async fn answer(
    discovery: &Discovery,
    who: &SignedIn,
    query: &SearchQuery,
    kinds: Vec<Kind>,
    req: &HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = limit(query.limit, 50, 20)?;
    let form = form(query, kinds)?;
    let found = discovery.search(&who.0, &form, limit, query.cursor.as_deref()).await?;
    let mut response = HttpResponse::Ok();
    if let Some(cursor) = &found.next_cursor {
        link_next(&mut response, req, cursor);
    }
    Ok(response.insert_header((header::CACHE_CONTROL, "private, no-store")).json(found))
}

/// Search gigs, courses, people and mentors.
///
/// Words are found with typing mistakes, and what means the same in other words is found too. Only what everybody
/// may see is found; people whom the caller blocked, or who blocked the caller, are not.
#[utoipa::path(get, path = "/api/v1/search", tag = "discovery", params(SearchQuery, KindsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "What was found", body = FoundView)))]
pub async fn search(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    query: Query<SearchQuery>,
    among: Query<KindsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut kinds = Vec::new();
    for name in split(among.0.kind.as_ref()) {
        let unknown = || DiscoveryError::field("?kind", "takes gig, course, person and mentor");
        let kind = Kind::parse(&name).ok_or_else(unknown)?;
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    answer(&discovery, &who, &query.0, kinds, &req).await
}

macro_rules! of_one_kind {
    ($( $(#[$doc:meta])* $name:ident $path:literal $kind:ident; )+) => { $(
        $(#[$doc])*
        #[utoipa::path(get, path = $path, tag = "discovery", params(SearchQuery),
            security(("bearer" = []), ("cookie" = [])),
            responses((status = 200, description = "What was found", body = FoundView)))]
        pub async fn $name(
            discovery: web::Data<Discovery>,
            who: SignedIn,
            query: Query<SearchQuery>,
            req: HttpRequest,
        ) -> Result<HttpResponse, Problem> {
            answer(&discovery, &who, &query.0, vec![Kind::$kind], &req).await
        }
    )+ };
}

of_one_kind! {
    /// Search open gigs.
    gigs "/api/v1/search/gigs" Gig;
    /// Search published courses.
    courses "/api/v1/search/courses" Course;
    /// Search people with a public profile.
    people "/api/v1/search/people" Person;
    /// Search approved mentors.
    mentors "/api/v1/search/mentors" Mentor;
}

/// What somebody may be about to type.
#[utoipa::path(get, path = "/api/v1/suggest", tag = "discovery", params(SuggestQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Suggestions", body = SuggestionsView)))]
pub async fn suggest(
    discovery: web::Data<Discovery>,
    who: SignedIn,
    query: Query<SuggestQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = limit(query.0.limit, 20, 8)?;
    if query.0.q.chars().count() > MOST {
        return Err(DiscoveryError::field("?q", "takes up to 20,000 characters").into());
    }
    let found = discovery.suggest(&who.0, &query.0.q, query.0.kind, limit).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(found))
}
