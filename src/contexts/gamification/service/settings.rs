//! What one wants others to see, and where one's day ends.

use diesel_async::AsyncConnection;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{
    contexts::gamification::{
        GameError, Gamification,
        model::{BoardId, is_slug, level, threshold},
        store::{
            boards,
            members::{self, Member},
        },
        views::GameView,
    },
    error::FieldError,
    principal::UserId,
};

/// What is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsPatch {
    /// On no leaderboard at all.
    #[serde(default)]
    pub opted_out: Option<bool>,
    /// On leaderboards without a name.
    #[serde(default)]
    pub anonymous: Option<bool>,
    /// IANA zone: where one's day begins, for the streak.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64, example = "Europe/Berlin")]
    pub zone: Option<String>,
    /// One's school or cohort: 1 to 40 lower-case letters, digits and hyphens; `null` for none.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9-]{0,39}$")]
    pub cohort: Option<Option<String>>,
}

/// Tells `null` from what is absent.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Gamification {
    /// One's points, level and settings.
    ///
    /// # Errors
    /// [`GameError::Db`].
    pub async fn game_of(&self, user: UserId) -> Result<GameView, GameError> {
        let member = members::load(&mut *self.conn().await?, user).await?;
        Ok(shown(member.unwrap_or_else(|| Member::new(user))))
    }

    /// Changes one's settings, if they are still at `version`.
    ///
    /// # Errors
    /// [`GameError::Invalid`], [`GameError::Stale`].
    pub async fn change_settings(
        &self,
        user: UserId,
        version: i64,
        patch: &SettingsPatch,
    ) -> Result<GameView, GameError> {
        check(patch)?;
        let mut conn = self.conn().await?;
        let member = (*conn)
            .transaction(async |conn| {
                let mut member = members::lock(conn, user).await?;
                if member.version != version {
                    return Err(GameError::Stale);
                }
                member.opted_out = patch.opted_out.unwrap_or(member.opted_out);
                member.anonymous = patch.anonymous.unwrap_or(member.anonymous);
                if let Some(zone) = &patch.zone {
                    member.zone.clone_from(zone);
                }
                if let Some(cohort) = &patch.cohort {
                    member.cohort.clone_from(cohort);
                    if let Some(slug) = cohort {
                        boards::note(conn, &BoardId::Cohort(slug.clone())).await?;
                    }
                }
                members::save_settings(conn, &member).await?;
                member.version += 1;
                Ok(member)
            })
            .await?;
        self.awarded();
        Ok(shown(member))
    }
}

fn check(patch: &SettingsPatch) -> Result<(), GameError> {
    let mut wrong = Vec::new();
    if patch.zone.as_ref().is_some_and(|zone| zone.parse::<chrono_tz::Tz>().is_err()) {
        wrong.push(FieldError::new("/zone", "is no IANA time zone"));
    }
    if patch.cohort.as_ref().and_then(Option::as_ref).is_some_and(|slug| !is_slug(slug)) {
        wrong.push(FieldError::new("/cohort", "takes 1 to 40 lower-case letters, digits and hyphens"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(GameError::Invalid(wrong)) }
}

fn shown(member: Member) -> GameView {
    let level = level(member.total);
    GameView {
        total: member.total,
        level,
        level_from: threshold(level),
        next_level_from: threshold(level + 1),
        opted_out: member.opted_out,
        anonymous: member.anonymous,
        zone: member.zone,
        cohort: member.cohort,
        version: member.version,
    }
}
