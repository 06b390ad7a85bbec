//! Leaderboards.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    contexts::gamification::{
        Boards, Window,
        service::{BoardForm, PartForm},
        views::{BoardList, BoardPart},
    },
    error::ErrorKind,
    http::{Problem, Query, SignedIn},
};

/// Which part of the top.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TopQuery {
    /// How many places, 1 to 100; 10 by default.
    #[param(minimum = 1, maximum = 100)]
    pub top: Option<usize>,
    /// Which stretch of time; all by default.
    #[serde(default)]
    #[param(inline)]
    pub window: Window,
}

/// How far around.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AroundQuery {
    /// How many places on either side, 0 to 50; 5 by default.
    #[param(minimum = 0, maximum = 50)]
    pub span: Option<usize>,
    /// Which stretch of time; all by default.
    #[serde(default)]
    #[param(inline)]
    pub window: Window,
}

/// Among whom.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AmongQuery {
    /// Ids of people, separated by commas; 100 at most. One's own is added.
    #[param(
        max_length = 3699,
        pattern = "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}(,[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}){0,99}$"
    )]
    pub ids: String,
    /// Which stretch of time; all by default.
    #[serde(default)]
    #[param(inline)]
    pub window: Window,
}

fn shown(part: &BoardPart) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(part)
}

/// The leaderboards: everybody's first, one's own cohort's, those of courses one has earned something in, of skills.
#[utoipa::path(get, path = "/api/v1/leaderboards", tag = "leaderboards",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The boards", body = BoardList)))]
pub async fn list(boards: web::Data<Boards>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let items = boards.list(who.0.user_id).await?;
    Ok(HttpResponse::Ok().json(BoardList { items }))
}

/// The first places of a board.
#[utoipa::path(get, path = "/api/v1/leaderboards/{board}", tag = "leaderboards",
    params(("board" = String, Path, description = "The board: global, skill:<slug>, cohort:<slug>, course:<id>"), TopQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The top", body = BoardPart)))]
pub async fn top(
    boards: web::Data<Boards>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<TopQuery>,
) -> Result<HttpResponse, Problem> {
    let form = BoardForm { board: path.into_inner(), window: query.0.window };
    let part = boards.part(who.0.user_id, &form, PartForm::Top(query.0.top.unwrap_or(10))).await?;
    Ok(shown(&part))
}

/// One's own place, with those around it.
#[utoipa::path(get, path = "/api/v1/leaderboards/{board}/around-me", tag = "leaderboards",
    params(("board" = String, Path, description = "The board"), AroundQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The places around one's own", body = BoardPart)))]
pub async fn around_me(
    boards: web::Data<Boards>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<AroundQuery>,
) -> Result<HttpResponse, Problem> {
    let form = BoardForm { board: path.into_inner(), window: query.0.window };
    let part = boards.part(who.0.user_id, &form, PartForm::Around(query.0.span.unwrap_or(5))).await?;
    Ok(shown(&part))
}

/// Where certain people are on a board, oneself among them: friends, say.
#[utoipa::path(get, path = "/api/v1/leaderboards/{board}/among", tag = "leaderboards",
    params(("board" = String, Path, description = "The board"), AmongQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Those who are on it, by their places on the whole board", body = BoardPart)))]
pub async fn among(
    boards: web::Data<Boards>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<AmongQuery>,
) -> Result<HttpResponse, Problem> {
    let bad = || Problem::field(ErrorKind::Invalid, "?ids", "takes ids separated by commas, 100 at most");
    let named = query.0.ids.split(',').map(|id| id.trim().parse());
    let mut users = named.collect::<Result<Vec<_>, _>>().map_err(|_| bad())?;
    if users.len() > 100 {
        return Err(bad());
    }
    users.retain(|user| *user != who.0.user_id);
    users.truncate(99);
    users.push(who.0.user_id);
    let form = BoardForm { board: path.into_inner(), window: query.0.window };
    let part = boards.part(who.0.user_id, &form, PartForm::Among(users)).await?;
    Ok(shown(&part))
}
