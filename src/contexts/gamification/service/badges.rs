//! Awarding badges, and showing them.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;
use uuid::Uuid;

use crate::{
    contexts::gamification::{
        GameError, Gamification,
        events::{self, BADGE_AWARDED, BADGE_REVOKED},
        model::badges::{Deserved, Known, deserved},
        store::{
            badges::{self, Award},
            facts,
            members::{self, Member},
        },
        views::{AwardView, BadgeView},
    },
    principal::UserId,
};

impl Gamification {
    /// Gives what somebody deserves and does not have, and takes what is not sticky and not deserved any
    /// more; the ids of what was given. The caller holds the lock and saves the member.
    pub(super) async fn look_at_badges(
        &self,
        conn: &mut AsyncPgConnection,
        member: &mut Member,
        at: DateTime<Utc>,
    ) -> Result<Vec<String>, GameError> {
        let user = member.user();
        let known = Known {
            counts: facts::counts(conn, user).await?,
            longest_streak: i64::from(member.longest_streak),
            level: i64::from(member.level),
        };
        let should = deserved(self.rules(), &known);
        let has = badges::of(conn, user).await?;
        let mut given = Vec::new();
        for new in &should {
            let before = has.iter().find(|award| is(award, new));
            if before.is_some_and(|award| award.revoked_at.is_none()) {
                continue;
            }
            let award = Award {
                id: before.map_or_else(Uuid::now_v7, |award| award.id),
                user_id: member.user_id,
                badge: new.badge.clone(),
                tier: new.tier.as_str().to_owned(),
                n: new.n,
                rule_version: self.rules().version,
                awarded_at: at,
                revoked_at: None,
            };
            badges::put(conn, &award).await?;
            self.tell_badge(conn, member, &award, BADGE_AWARDED, at).await?;
            given.push(award.badge);
        }
        for award in has.iter().filter(|award| award.revoked_at.is_none()) {
            // A badge whose rule is gone stays as it is.
            let sticky = self.rules().badge(&award.badge).is_none_or(|rule| rule.sticky);
            if !sticky && !should.iter().any(|new| is(award, new)) {
                badges::revoke(conn, award.id, at).await?;
                self.tell_badge(conn, member, award, BADGE_REVOKED, at).await?;
            }
        }
        Ok(given)
    }

    async fn tell_badge(
        &self,
        conn: &mut AsyncPgConnection,
        member: &mut Member,
        award: &Award,
        subject: &'static str,
        at: DateTime<Utc>,
    ) -> Result<(), GameError> {
        member.news += 1;
        let name = self.rules().badge(&award.badge).map_or(award.badge.as_str(), |rule| &rule.name);
        let data = json!({
            "user_id": award.user_id, "award_id": award.id, "badge": award.badge, "name": name,
            "tier": award.tier, "n": award.n, "at": at,
        });
        events::tell(conn, subject, member.user_id.to_string(), member.news, data).await?;
        Ok(())
    }

    /// Every badge there is.
    pub fn badge_catalogue(&self) -> Vec<BadgeView> {
        self.rules().badge.iter().map(BadgeView::from).collect()
    }

    /// Somebody's badges, those that stand, oldest first.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn badges_of(&self, user: UserId) -> Result<Vec<AwardView>, GameError> {
        let mut conn = self.conn().await?;
        let all = badges::of(&mut conn, user).await?;
        let stands = all.into_iter().filter(|award| award.revoked_at.is_none());
        Ok(stands.filter_map(|award| AwardView::of(&award, self.rules(), None)).collect())
    }

    /// One award, for everybody who has its address.
    ///
    /// # Errors
    /// [`GameError::No`].
    pub async fn award(&self, id: Uuid) -> Result<AwardView, GameError> {
        let none = || GameError::No("badge");
        let mut conn = self.conn().await?;
        let award = badges::load(&mut conn, id).await?.ok_or_else(none)?;
        let user = UserId(award.user_id);
        let member = members::load(&mut conn, user).await?.ok_or_else(none)?;
        drop(conn);
        let named = !member.anonymous && !member.opted_out && member.erased_at.is_none();
        let person = match named {
            true => self.inner.parts.people.people(&[user]).await?.pop(),
            false => None,
        };
        let mut view =
            AwardView::of(&award, self.rules(), person.map(|person| person.display_name)).ok_or_else(none)?;
        if !named {
            view.user_id = None;
        }
        Ok(view)
    }
}

fn is(award: &Award, new: &Deserved) -> bool {
    award.badge == new.badge && award.tier == new.tier.as_str() && award.n == new.n
}
