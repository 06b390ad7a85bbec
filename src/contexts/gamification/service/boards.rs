//! Asking leaderboards.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use serde::Deserialize;

use crate::{
    actors::AskError,
    contexts::gamification::{
        Boards, GameError, Gamification,
        actors::{Ask, Part, Question, Refresh},
        model::{BoardId, Window},
        store::{boards, members},
        views::{BoardInfo, BoardPart, BoardRow},
    },
    principal::UserId,
};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long before what the board was is good enough, while it is made anew.
const SOON: Duration = Duration::from_millis(300);
/// Places of one answer at most.
const MOST: usize = 100;
/// Places on either side at most.
const MOST_SPAN: usize = 50;

/// A board and window, as clients name them.
#[derive(Clone, Debug, Deserialize)]
pub struct BoardForm {
    /// `global`, `skill:<slug>`, `cohort:<slug>`, `course:<id>`.
    pub board: String,
    /// Which window; all time by default.
    #[serde(default)]
    pub window: Window,
}

/// What of it.
#[derive(Clone, Debug)]
pub enum PartForm {
    /// The first so many, 1 to 100.
    Top(usize),
    /// Oneself, with so many on either side, 0 to 50.
    Around(usize),
    /// These people, at most 100.
    Among(Vec<UserId>),
}

impl Boards {
    /// The boards there are for somebody: everybody's first, their cohort's, those of courses in which they have
    /// earned something, those of skills.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn list(&self, user: UserId) -> Result<Vec<BoardInfo>, GameError> {
        let mut conn = self.game.conn().await?;
        let cohort = members::load(&mut conn, user).await?.and_then(|member| member.cohort);
        let listed = boards::listed(&mut conn, user).await?;
        let own = std::iter::once(BoardId::Global).chain(cohort.map(BoardId::Cohort));
        let own = own.map(|board| BoardInfo::of(&board, None));
        let others =
            listed.into_iter().filter_map(|row| Some(BoardInfo::of(&row.board.parse().ok()?, row.name)));
        Ok(own.chain(others).collect())
    }

    /// A part of a board.
    ///
    /// # Errors
    /// [`GameError::No`] for a board that is not there, [`GameError::NotRanked`] around somebody who is not on
    /// it, [`GameError::Invalid`] for a part that is too large, [`GameError::Board`] while it cannot answer.
    pub async fn part(&self, who: UserId, form: &BoardForm, part: PartForm) -> Result<BoardPart, GameError> {
        let board: BoardId = form.board.parse()?;
        let question = match part {
            PartForm::Top(n @ 1..=MOST) => Question::Top(n),
            PartForm::Around(span @ 0..=MOST_SPAN) => Question::Around(who, span),
            PartForm::Among(users) if users.len() <= MOST => Question::Among(users),
            PartForm::Top(_) => return Err(GameError::field("?top", "must be from 1 to 100")),
            PartForm::Around(_) => return Err(GameError::field("?span", "must be from 0 to 50")),
            PartForm::Among(_) => return Err(GameError::field("?ids", "takes at most 100")),
        };
        let around = matches!(question, Question::Around(..));
        let part = self.ask(&board, Ask { window: form.window, question }).await?;
        if around && part.own.is_none() {
            return Err(GameError::NotRanked);
        }
        self.game.shown(who, &board, form.window, part).await
    }

    /// Asks the board. One that is being made anew after a crash answers with what it was; one that has never
    /// been is waited for.
    pub(in crate::contexts::gamification) async fn ask(
        &self,
        board: &BoardId,
        ask: Ask,
    ) -> Result<Part, GameError> {
        let answered = |from: &str| self.game.inner.parts.metrics.answers.with_label_values(&[from]).inc();
        let known = self.states.contains_key(board);
        let asked = self.domain.ask(board, ask.clone(), if known { SOON } else { PATIENCE });
        let mut asked = std::pin::pin!(asked);
        let answer = match tokio::time::timeout(SOON, &mut asked).await {
            Ok(answer) => answer,
            Err(_) if known => asked.await,
            // It is being made for the first time here; another node may have it.
            Err(_) => match self.copied_part(board, &ask).await {
                Some(part) => {
                    answered("copy");
                    return Ok(part);
                }
                None => asked.await,
            },
        };
        match answer {
            Ok(part) => {
                answered("memory");
                Ok(part)
            }
            Err(AskError::NotFound) => Err(GameError::No("leaderboard")),
            Err(error) => {
                let state = self.states.get(board).map(|state| state.clone());
                // A lock that is poisoned was held by whoever crashed: what is behind it may be half done.
                let old = state.as_ref().and_then(|state| state.read().ok()).map(|old| old.answer(&ask));
                let old = old.map(|part| Part { stale: true, ..part }).ok_or(error)?;
                answered("before");
                Ok(old)
            }
        }
    }

    /// The top of a board's copy, for tests.
    #[cfg(test)]
    pub(crate) async fn of_copy(&self, board: &BoardId, window: Window, top: usize) -> Option<Part> {
        self.copied_part(board, &Ask { window, question: Question::Top(top) }).await
    }

    /// What the copy that nodes share answers, if it will do: whole, of the present window, with nobody on it
    /// who has opted out since.
    pub(in crate::contexts::gamification) async fn copied_part(
        &self,
        board: &BoardId,
        ask: &Ask,
    ) -> Option<Part> {
        let span = ask.window.span(self.game.now(), self.game.inner.parts.zone);
        let mut part = self.copies.answer(board, ask, span).await?;
        if matches!(ask.question, Question::Around(..)) && part.own.is_none() {
            return None;
        }
        let ids: Vec<UserId> = part.rows.iter().map(|row| row.placed.standing.user).collect();
        let mut conn = self.game.conn().await.ok()?;
        let hidden = members::hidden_of(&mut conn, &ids).await.ok()?;
        if hidden.iter().any(|hidden| hidden.opted_out) {
            return None;
        }
        let unnamed: HashSet<UserId> = hidden.iter().map(|hidden| UserId(hidden.user_id)).collect();
        for row in &mut part.rows {
            row.anonymous = unnamed.contains(&row.placed.standing.user);
        }
        Some(part)
    }

    /// Has a board read the ledger now, and waits until it has.
    ///
    /// # Errors
    /// [`GameError::Board`].
    pub async fn refresh(&self, board: &BoardId) -> Result<(), GameError> {
        Ok(self.domain.ask(board, Refresh, PATIENCE).await?)
    }
}

impl Gamification {
    /// Names of people, but for those who do not want to be named.
    pub(super) async fn names(
        &self,
        ids: &[UserId],
        unnamed: &[UserId],
    ) -> Result<HashMap<UserId, String>, GameError> {
        let hidden: HashSet<&UserId> = unnamed.iter().collect();
        let ids: Vec<UserId> = ids.iter().filter(|id| !hidden.contains(id)).copied().collect();
        let people = self.inner.parts.people.people(&ids).await?;
        Ok(people.into_iter().map(|person| (person.id, person.display_name)).collect())
    }

    async fn shown(
        &self,
        who: UserId,
        board: &BoardId,
        window: Window,
        part: Part,
    ) -> Result<BoardPart, GameError> {
        let ids: Vec<UserId> = part.rows.iter().map(|row| row.placed.standing.user).collect();
        let unnamed: Vec<UserId> =
            part.rows.iter().filter(|row| row.anonymous).map(|row| row.placed.standing.user).collect();
        let names = self.names(&ids, &unnamed).await?;
        let items = part.rows.iter().map(|row| {
            let standing = row.placed.standing;
            let me = standing.user == who;
            BoardRow {
                rank: row.placed.rank,
                user_id: (me || !row.anonymous).then_some(standing.user),
                score: standing.score,
                display_name: names.get(&standing.user).cloned(),
                reached_at: chrono::DateTime::from_timestamp_micros(standing.reached).unwrap_or_default(),
                me,
            }
        });
        Ok(BoardPart {
            board: board.to_string(),
            window,
            starts_at: part.span.from,
            ends_at: part.span.to,
            items: items.collect(),
            total: part.total,
            rank: part.own.map(|own| own.rank),
            score: part.own.map(|own| own.standing.score),
            percentile: part.own.map(|own| percentile(own.rank, part.total)),
            as_of: part.as_of,
            version: part.version,
            stale: part.stale,
        })
    }
}

/// Of all on the board, how many in a hundred are behind.
fn percentile(rank: usize, total: usize) -> f64 {
    let behind = total.saturating_sub(rank) as f64;
    (behind * 1_000.0 / total.max(1) as f64).round() / 10.0
}

#[cfg(test)]
mod tests {
    #[test]
    fn percentiles() {
        assert_eq!(super::percentile(1, 1), 0.0);
        assert_eq!(super::percentile(1, 1_000), 99.9);
        assert_eq!(super::percentile(3, 4), 25.0);
    }
}
