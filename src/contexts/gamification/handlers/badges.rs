//! Badges.

use actix_web::{HttpResponse, web};
use uuid::Uuid;

use crate::{
    contexts::gamification::{
        GameError, Gamification,
        views::{AwardList, AwardView, BadgeList},
    },
    http::{Problem, SignedIn},
    principal::UserId,
};

/// The badges there are.
#[utoipa::path(get, path = "/api/v1/badges", tag = "gamification",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The badges", body = BadgeList)))]
pub async fn catalogue(game: web::Data<Gamification>, _who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(BadgeList { items: game.badge_catalogue() }))
}

/// Somebody's badges.
#[utoipa::path(get, path = "/api/v1/people/{id}/badges", tag = "gamification",
    params(("id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The badges", body = AwardList)))]
pub async fn of_person(
    game: web::Data<Gamification>,
    _who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let user: UserId = path.parse().map_err(|_| GameError::No("person"))?;
    Ok(HttpResponse::Ok().json(AwardList { items: game.badges_of(user).await? }))
}

/// One badge of somebody. Public: whoever has the address may look, and shows it to others.
#[utoipa::path(get, path = "/api/v1/badges/{id}", tag = "gamification",
    params(("id" = Uuid, Path, description = "The award")),
    responses((status = 200, description = "The badge", body = AwardView)))]
pub async fn award(game: web::Data<Gamification>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let id: Uuid = path.parse().map_err(|_| GameError::No("badge"))?;
    Ok(HttpResponse::Ok().json(game.award(id).await?))
}
