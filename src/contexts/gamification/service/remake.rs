//! Making leaderboards again from the ledger.

use diesel_async::AsyncConnection;

use crate::{
    contexts::gamification::{
        CopyParts, GameError, Gamification, actors,
        copies::{self, CopyError},
        model::{BoardId, Window},
        store::boards,
    },
    telemetry::log,
};

/// Boards read at once.
const PART: i64 = 200;

/// What became of a board's copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    /// It was written.
    Written,
    /// A running server keeps it: it reads the board again, and writes it.
    Kept,
    /// There is no place for copies, or it does not answer.
    No,
}

/// A board that was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuiltBoard {
    /// Which.
    pub board: BoardId,
    /// People on it, of all time.
    pub people: usize,
    /// Its copy.
    pub copy: Copied,
}

/// What it came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RebuiltBoards {
    /// Each board.
    pub boards: Vec<RebuiltBoard>,
    /// Credits to skills that were missing.
    pub credits: usize,
    /// Boards that were not noted.
    pub noted: usize,
}

impl Gamification {
    /// Sets right what boards are found by, reads each from the ledger, and writes its copy, unless a running
    /// server keeps it. Live boards, on all nodes, are told to read the ledger again; they answer meanwhile.
    ///
    /// # Errors
    /// [`GameError::Db`]; doing it again does no harm.
    pub async fn rebuild_boards(
        &self,
        copies: Option<&CopyParts>,
        progress: &dyn Fn(&BoardId),
    ) -> Result<RebuiltBoards, GameError> {
        let mut conn = self.conn().await?;
        let (credits, noted) = (*conn)
            .transaction(async |conn| {
                let found = boards::repair(conn).await?;
                boards::remake(conn).await?;
                Ok::<_, GameError>(found)
            })
            .await?;
        drop(conn);
        let mut done = RebuiltBoards { boards: Vec::new(), credits, noted };
        let mut part = vec![BoardId::Global];
        let mut last = String::new();
        loop {
            for board in part {
                progress(&board);
                done.boards.extend(self.rebuild_board(copies, board).await?);
            }
            part = boards::after(&mut *self.conn().await?, &last, PART).await?;
            match part.last() {
                Some(board) => last = board.to_string(),
                None => return Ok(done),
            }
        }
    }

    async fn rebuild_board(
        &self,
        copies: Option<&CopyParts>,
        board: BoardId,
    ) -> Result<Option<RebuiltBoard>, GameError> {
        let parts = &self.inner.parts;
        let now = (self.now(), parts.zone);
        let Some(state) = actors::read(&parts.database, now, &board).await? else { return Ok(None) };
        let people = state.ranking(Window::All).map_or(0, |slot| slot.ranking.len());
        let copy = match copies {
            None => Copied::No,
            Some(copies) => match copies::write_once(copies, &board, &state).await {
                Ok(true) => Copied::Written,
                Ok(false) => Copied::Kept,
                Err(CopyError(why)) => {
                    slog::warn!(log(), "a board's copy is not written"; "board" => %board, "why" => why);
                    Copied::No
                }
            },
        };
        Ok(Some(RebuiltBoard { board, people, copy }))
    }
}
