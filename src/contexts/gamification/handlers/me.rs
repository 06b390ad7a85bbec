//! One's own points, settings, streak and league.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use crate::{
    contexts::gamification::{
        Gamification, SettingsPatch,
        views::{EntryView, GameView, LeagueView, RulesView, StreakView},
    },
    http::{IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn, etag},
};

fn shown(view: &GameView) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag(view.version)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(view)
}

/// One's points and level, and what others may see.
#[utoipa::path(get, path = "/api/v1/me/game", tag = "gamification",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Points and settings", body = GameView,
        headers(("ETag" = String, description = "Of the settings, for If-Match")))))]
pub async fn game(game: web::Data<Gamification>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(shown(&game.game_of(who.0.user_id).await?))
}

/// Change what others may see, one's zone or one's cohort. What is absent stays.
#[utoipa::path(patch, path = "/api/v1/me/game", tag = "gamification", request_body = SettingsPatch,
    security(("bearer" = []), ("cookie" = [])),
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    responses((status = 200, description = "Points and settings", body = GameView,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 412, description = "Changed in the meantime", body = crate::http::problem::ProblemBody,
            content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = crate::http::problem::ProblemBody,
            content_type = "application/problem+json")))]
pub async fn change(
    game: web::Data<Gamification>,
    who: SignedIn,
    seen: IfMatch,
    form: Json<SettingsPatch>,
) -> Result<HttpResponse, Problem> {
    let version = game.game_of(who.0.user_id).await?.version;
    seen.check(version)?;
    Ok(shown(&game.change_settings(who.0.user_id, version, &form.0).await?))
}

/// One's ledger of points, newest first.
#[utoipa::path(get, path = "/api/v1/me/xp", tag = "gamification", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of entries", body = Page<EntryView>)))]
pub async fn xp(
    game: web::Data<Gamification>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = game.xp_of(who.0.user_id, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// One's streak.
#[utoipa::path(get, path = "/api/v1/me/streak", tag = "gamification",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The streak", body = StreakView)))]
pub async fn streak(game: web::Data<Gamification>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(game.streak_of(who.0.user_id).await?))
}

/// One's league of the week.
#[utoipa::path(get, path = "/api/v1/me/league", tag = "gamification",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The league", body = LeagueView)))]
pub async fn league(game: web::Data<Gamification>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(game.league_of(who.0.user_id).await?))
}

/// What is worth points, and what levels take.
#[utoipa::path(get, path = "/api/v1/xp/rules", tag = "gamification",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The rules", body = RulesView)))]
pub async fn rules(game: web::Data<Gamification>, _who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(game.rules_view()))
}
