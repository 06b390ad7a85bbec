//! `leaderboard:<board>` and `leaderboard:<board>@<window>`: the top, live. Not recoverable: whoever
//! subscribes is handed the top as it is, and changes follow. A client drops what is not newer than what it
//! has (`version`).

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::{
    Boards, GameError,
    actors::{Ask, NAMESPACE, PublicRow, Question, TOP, Watch, of_channel},
};
use crate::{
    principal::Principal,
    realtime::{Channel, ChannelOptions, Json, Namespace, RtError},
};

/// For the real-time layer.
pub fn namespaces(boards: &Boards) -> Vec<Arc<dyn Namespace>> {
    vec![Arc::new(LeaderboardNamespace(boards.clone()))]
}

struct LeaderboardNamespace(Boards);

impl Namespace for LeaderboardNamespace {
    fn name(&self) -> &'static str {
        NAMESPACE
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions::default()
    }

    fn authorise<'a>(
        &'a self,
        _who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(async move {
            let (board, window) = of_channel(channel.id()).ok_or(RtError::UNKNOWN_CHANNEL)?;
            match self.0.ask(&board, Ask { window, question: Question::Top(0) }).await {
                Ok(_) => Ok(()),
                Err(GameError::No(_)) => Err(RtError::UNKNOWN_CHANNEL),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn snapshot<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Option<Json>, RtError>> {
        Box::pin(async move {
            let (board, window) = of_channel(channel.id()).ok_or(RtError::UNKNOWN_CHANNEL)?;
            let part = self.0.ask(&board, Ask { window, question: Question::Top(TOP) }).await?;
            // Their own place is told from now on; if the board is too busy to note that, with their next points.
            let _ = self.0.domain().tell(&board, Watch(who.user_id)).await;
            let items: Vec<PublicRow> = part.rows.iter().map(PublicRow::from).collect();
            let top = json!({
                "type": "snapshot", "board": board.to_string(), "window": window, "items": items,
                "total": part.total, "version": part.version,
            });
            Json::of(&top).map(Some).map_err(|_| RtError::INTERNAL)
        })
    }
}
