//! What gamification does about events.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use super::{GameError, Gamification, model::SUBJECTS};
use crate::events::{AfterCommit, ConsumeError, Consumer, Envelope};

/// The durable name of the consumer that awards.
pub const AWARDS: &str = "gamification.awards";

/// Everybody here who acts on events.
pub fn consumers(game: &Gamification) -> Vec<Arc<dyn Consumer>> {
    vec![Arc::new(Awards(game.clone()))]
}

struct Awards(Gamification);

impl Consumer for Awards {
    fn name(&self) -> &'static str {
        AWARDS
    }

    fn subjects(&self) -> &'static [&'static str] {
        SUBJECTS
    }

    fn prepare<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        events: &'a [&'a Envelope],
    ) -> BoxFuture<'a, Result<(), ConsumeError>> {
        Box::pin(async move { self.0.lock_for(conn, events).await.map_err(refused) })
    }

    fn handle<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            let awarded = self.0.take(conn, event).await.map_err(refused)?;
            if awarded.is_empty() {
                return Ok(AfterCommit::nothing());
            }
            let game = self.0.clone();
            Ok(AfterCommit::run(move || game.count(&awarded)))
        })
    }
}

pub(super) fn refused(error: GameError) -> ConsumeError {
    match error {
        GameError::Db(error) => ConsumeError::Db(error),
        other => ConsumeError::of(&other),
    }
}
