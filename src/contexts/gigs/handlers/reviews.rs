//! Reviews.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::id;
use crate::{
    contexts::gigs::{ContractId, Gigs, RatingView, ReviewForm, ReviewView},
    http::{Json, Page, PageQuery, Problem, Query, SignedIn},
    principal::UserId,
};

/// What is said about a person.
#[derive(Serialize, ToSchema)]
pub struct ReviewsAnswer {
    /// Published reviews, the newest first.
    pub items: Vec<ReviewView>,
    /// Present while there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Over all of them.
    pub rating: RatingView,
}

/// Review the other side of a contract that has ended; once.
///
/// Nobody else reads it until both sides have written theirs, or 14 days have passed.
#[utoipa::path(post, path = "/api/v1/contracts/{id}/reviews", tag = "contracts", request_body = ReviewForm,
    params(("id" = ContractId, Path, description = "The contract")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Taken", body = ReviewView)))]
pub async fn write(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<ReviewForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Created().json(gigs.review(&who.0, id(&path, "contract")?, &form.0).await?))
}

/// A contract's reviews: one's own, and those that are published.
#[utoipa::path(get, path = "/api/v1/contracts/{id}/reviews", tag = "contracts",
    params(("id" = ContractId, Path, description = "The contract")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The reviews", body = Page<ReviewView>)))]
pub async fn of_contract(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let items = gigs.contract_reviews(&who.0, id(&path, "contract")?).await?;
    Ok(Page { items, next_cursor: None }.respond(&req))
}

/// What was published about a person, the newest first, and their rating.
#[utoipa::path(get, path = "/api/v1/people/{id}/reviews", tag = "contracts",
    params(("id" = UserId, Path, description = "The person"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of reviews", body = ReviewsAnswer)))]
pub async fn about(
    gigs: web::Data<Gigs>,
    _who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let (person, limit) = (id(&path, "person")?, query.0.limit()?);
    let (items, next_cursor, rating) = gigs.reviews_about(person, limit, query.0.cursor.as_deref()).await?;
    Ok(HttpResponse::Ok().json(ReviewsAnswer { items, next_cursor, rating }))
}
