//! Weekly leagues: entering, closing, looking.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::{
    contexts::gamification::{
        GameError, Gamification,
        events::{self, LEAGUE_CLOSED},
        model::{Window, league},
        store::leagues::{self, Group},
        views::{LeagueRow, LeagueView},
    },
    principal::UserId,
    telemetry::log,
};

impl Gamification {
    /// Whoever earns something enters the week's league: a group of their tier with room. What is told of
    /// a week that is over enters nothing. The caller holds the people's locks.
    pub(super) async fn enter_leagues(
        &self,
        conn: &mut AsyncPgConnection,
        earned: &[(UserId, DateTime<Utc>)],
    ) -> Result<(), GameError> {
        let now = self.now();
        let zone = self.inner.parts.zone;
        let this = Window::Week.span(now, zone);
        let (Some(from), Some(to)) = (this.from, this.to) else { return Ok(()) };
        let week = from.with_timezone(&zone).date_naive();
        let mut entering = Vec::new();
        // The week before is closed first, since it decides the tier. In the order of ids, as everybody does.
        let mut open = BTreeMap::new();
        for (user, at) in earned {
            if !this.holds(*at) || entering.contains(user) {
                continue;
            }
            match leagues::latest_of(conn, *user).await? {
                Some(group) if group.week >= week => continue,
                Some(group) if group.closed_at.is_none() => drop(open.insert(group.id, group)),
                _ => {}
            }
            entering.push(*user);
        }
        for id in open.into_keys() {
            if let Some(group) = leagues::lock_open(conn, id).await? {
                self.close_group(conn, &group, now).await?;
            }
        }
        let mut by_tier: BTreeMap<i32, Vec<UserId>> = BTreeMap::new();
        for user in entering {
            by_tier.entry(leagues::next_tier(conn, user).await?).or_default().push(user);
        }
        for (tier, users) in by_tier {
            for user in users {
                leagues::enter(conn, user, week, (from, to), tier).await?;
            }
        }
        Ok(())
    }

    /// Closes one group whose week is over, if there is one that nobody else has in hand.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn close_due_league(&self) -> Result<bool, GameError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let closed = (*conn)
            .transaction(async |conn| {
                let Some(group) = leagues::take_due(conn, now).await? else { return Ok(false) };
                self.close_group(conn, &group, now).await?;
                Ok::<_, GameError>(true)
            })
            .await?;
        if closed {
            self.inner.parts.metrics.leagues.inc();
        }
        Ok(closed)
    }

    /// Places everybody of a group, says who goes up and down, and tells. The caller holds the group's lock,
    /// and the group was open under it: so it happens once.
    async fn close_group(
        &self,
        conn: &mut AsyncPgConnection,
        group: &Group,
        now: DateTime<Utc>,
    ) -> Result<(), GameError> {
        let standings = leagues::standings(conn, group).await?;
        for (n, standing) in standings.iter().enumerate() {
            let rank = n + 1;
            let (outcome, next) = league::outcome(rank, standings.len(), group.tier, standing.score);
            let place = (rank as i32, standing.score);
            leagues::settle(conn, group, standing.user_id, place, outcome.as_str(), next).await?;
            let data = json!({
                "user_id": standing.user_id, "group_id": group.id, "week": group.week, "tier": group.tier,
                "league": league::tier_name(group.tier), "rank": rank, "size": standings.len(),
                "score": standing.score, "outcome": outcome, "next_tier": next,
            });
            events::tell(conn, LEAGUE_CLOSED, group.id.to_string(), i64::from(place.0), data).await?;
        }
        leagues::close(conn, group.id, now).await?;
        slog::debug!(log(), "a league closed"; "group" => %group.id, "people" => standings.len());
        Ok(())
    }

    /// One's latest league: the running week's, or the last one's result.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn league_of(&self, user: UserId) -> Result<LeagueView, GameError> {
        let mut conn = self.conn().await?;
        let Some(group) = leagues::latest_of(&mut conn, user).await? else {
            let tier = leagues::next_tier(&mut conn, user).await?;
            return Ok(LeagueView::outside(tier));
        };
        let standings = leagues::standings(&mut conn, &group).await?;
        let ids: Vec<UserId> = standings.iter().map(|standing| UserId(standing.user_id)).collect();
        let unnamed = crate::contexts::gamification::store::members::anonymous_of(&mut conn, &ids).await?;
        drop(conn);
        let names = self.names(&ids, &unnamed).await?;
        let size = standings.len();
        let rows = standings.iter().enumerate().map(|(n, standing)| {
            let who = UserId(standing.user_id);
            let (would, _) = league::outcome(n + 1, size, group.tier, standing.score);
            let shown = who == user || !unnamed.contains(&who);
            LeagueRow {
                rank: n + 1,
                user_id: shown.then_some(who),
                display_name: names.get(&who).cloned(),
                score: standing.score,
                outcome: standing.outcome.clone().unwrap_or_else(|| would.as_str().to_owned()),
                me: who == user,
            }
        });
        Ok(LeagueView {
            tier: group.tier,
            tier_name: league::tier_name(group.tier).to_owned(),
            group: Some(group.number),
            week: Some(group.week),
            starts_at: Some(group.starts_at),
            ends_at: Some(group.ends_at),
            closed: group.closed_at.is_some(),
            items: rows.collect(),
        })
    }
}
