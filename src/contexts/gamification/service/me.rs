//! One's own points and streak.

use crate::{
    contexts::gamification::{
        GameError, Gamification,
        model::streak,
        store::{
            facts, ledger,
            members::{self, Member},
        },
        views::{EntryView, LevelView, RulesView, StreakView},
    },
    error::ErrorKind,
    http::Problem,
    principal::UserId,
};

const XP_CURSOR: &str = "gamification.xp";
/// Days that a streak's calendar shows.
const SHOWN: usize = 35;

impl Gamification {
    /// One's ledger, newest first, and where to go on.
    ///
    /// # Errors
    /// [`GameError::Invalid`] for a cursor of another list.
    pub async fn xp_of(
        &self,
        user: UserId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<EntryView>, Option<String>), Problem> {
        let before = cursor.map(|cursor| self.xp_cursor(user, cursor)).transpose()?;
        let mut conn = self.conn().await?;
        let mut rows =
            ledger::page(&mut conn, user, before, super::one_more(limit)).await.map_err(GameError::from)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| {
            let payload = [user.0.as_bytes().as_slice(), &last.seq.to_be_bytes()].concat();
            self.inner.parts.signer.sign(XP_CURSOR, &payload, None)
        });
        Ok((rows.into_iter().map(EntryView::from).collect(), next))
    }

    fn xp_cursor(&self, user: UserId, cursor: &str) -> Result<i64, Problem> {
        let parts = &self.inner.parts;
        let payload = parts.signer.verify(XP_CURSOR, cursor, parts.clock.now()).ok();
        payload
            .as_deref()
            .and_then(|bytes| bytes.strip_prefix(user.0.as_bytes().as_slice()))
            .and_then(|rest| rest.try_into().ok())
            .map(i64::from_be_bytes)
            .ok_or_else(|| Problem::field(ErrorKind::Invalid, "?cursor", "is not a cursor of this list"))
    }

    /// One's streak, as of today where one is.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn streak_of(&self, user: UserId) -> Result<StreakView, GameError> {
        let mut conn = self.conn().await?;
        let member = members::load(&mut conn, user).await?.unwrap_or_else(|| Member::new(user));
        let days = facts::days(&mut conn, user).await?;
        let today = streak::local_date(self.now(), member.tz());
        let now = streak::streak(&days, today);
        Ok(StreakView {
            current: now.current,
            longest: now.longest,
            freezes: now.freezes,
            zone: member.zone,
            today,
            active_today: now.last.is_some_and(|last| last >= today),
            days: days.iter().rev().take(SHOWN).rev().copied().collect(),
        })
    }

    /// What is worth points, and what levels take.
    pub fn rules_view(&self) -> RulesView {
        let level = |level| LevelView { level, from: crate::contexts::gamification::model::threshold(level) };
        let rules = self.rules();
        RulesView { version: rules.version, xp: rules.xp.clone(), levels: (1..=30).map(level).collect() }
    }
}
