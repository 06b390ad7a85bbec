//! Gamification over HTTP: extract, call one use case, encode.

pub mod badges;
pub mod boards;
pub mod me;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(
        boards::list,
        boards::top,
        boards::around_me,
        boards::among,
        me::game,
        me::change,
        me::xp,
        me::streak,
        me::league,
        me::rules,
        badges::catalogue,
        badges::of_person,
        badges::award,
    ),
    tags(
        (name = "leaderboards", description = "Who stands where"),
        (name = "gamification", description = "Points, levels, streaks, badges, leagues"),
    )
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}
