//! What a board tells those who look: changes of its top, and to each their own place.

use serde::Serialize;
use serde_json::json;

use super::messages::Row;
use crate::{
    contexts::gamification::model::{BoardId, Window},
    principal::UserId,
    realtime::{Channel, Hub, Json, Personal, Publication},
    telemetry::log,
};

/// What stands before the colon of a board's channel.
pub const NAMESPACE: &str = "leaderboard";

/// The channel of a board's window: `leaderboard:<board>` for all time, else `leaderboard:<board>@<window>`.
pub fn channel(board: &BoardId, window: Window) -> Channel {
    match window {
        Window::All => Channel::of(NAMESPACE, board),
        other => Channel::of(NAMESPACE, format!("{board}@{}", other.as_str())),
    }
}

/// The board and window of such a channel's id. Only the canonical form names it.
pub fn of_channel(id: &str) -> Option<(BoardId, Window)> {
    let (board, window) = match id.split_once('@') {
        None => (id, Window::All),
        Some((board, window)) => (board, Window::parse(window).filter(|window| *window != Window::All)?),
    };
    Some((board.parse().ok()?, window))
}

/// A row as everybody may see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PublicRow {
    /// The place, from 1; no two are the same.
    pub rank: usize,
    /// Who stands there; `null` for somebody who does not want to be named.
    pub user_id: Option<UserId>,
    /// Points.
    pub score: i64,
}

impl From<&Row> for PublicRow {
    fn from(row: &Row) -> Self {
        let standing = row.placed.standing;
        let user_id = (!row.anonymous).then_some(standing.user);
        Self { rank: row.placed.rank, user_id, score: standing.score }
    }
}

/// Where news go. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    hub: Hub,
    personal: Personal,
}

impl Live {
    /// News on a hub.
    pub fn new(hub: Hub, personal: Personal) -> Self {
        Self { hub, personal }
    }

    /// Whether anybody here looks at it.
    pub fn is_watched(&self, board: &BoardId, window: Window) -> bool {
        self.hub.has_members(&channel(board, window))
    }

    /// Whether somebody is connected here.
    pub fn is_here(&self, user: UserId) -> bool {
        self.hub.has_members(&Personal::channel(user))
    }

    /// Places of the top whose holder or score changed.
    pub fn top(&self, board: &BoardId, window: Window, changed: &[PublicRow], total: usize, version: i64) {
        let news = json!({
            "type": "top", "board": board.to_string(), "window": window, "items": changed, "total": total,
            "version": version,
        });
        let channel = channel(board, window);
        match Json::of(&news) {
            Ok(data) => self.hub.publish(&channel, &Publication::ephemeral(data)),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }

    /// Somebody's own place.
    pub fn own(&self, user: UserId, board: &BoardId, window: Window, place: (usize, i64), total: usize) {
        let news = json!({
            "type": "rank", "board": board.to_string(), "window": window, "rank": place.0, "score": place.1,
            "total": total,
        });
        match Json::of(&news) {
            Ok(data) => self.personal.publish(&Personal::channel(user), data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }
}
