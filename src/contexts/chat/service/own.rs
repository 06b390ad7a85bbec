//! What a person sets for themselves.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    contexts::chat::{
        Chat, ChatError,
        actors::room::messages::Reconsider,
        channels::personal_channel,
        model::{Body, LastSeenTo, NotifyLevel, RoomId, Status},
        store::desk::{Own, OwnPatch, Seen},
        veils::Blocks,
        views::{BlockedView, OwnView, PrivacyView},
    },
    principal::{Principal, UserId},
    realtime::{Json, Publication},
};

/// Changes of what a member has set for a room; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OwnForm {
    /// Nothing of this room is to ring.
    #[serde(default)]
    pub muted: Option<bool>,
    /// What to hear of.
    #[serde(default)]
    pub notify: Option<NotifyLevel>,
    /// Among the favourites.
    #[serde(default)]
    pub favourite: Option<bool>,
    /// What one has begun to write: up to 4,000 characters; empty for nothing.
    #[serde(default)]
    #[schema(max_length = 4000)]
    pub draft: Option<String>,
}

/// What others may see.
#[derive(Debug, Deserialize, ToSchema)]
pub struct PrivacyForm {
    /// Who sees when one was last there.
    pub last_seen_to: LastSeenTo,
    /// Whether others see what one has read; then one sees it of them.
    pub receipts: bool,
}

/// What a session says of itself.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct StatusForm {
    /// The status.
    pub status: Status,
}

/// People that one person may block.
const MOST_BLOCKED: i64 = 1_000;
/// Between two notes that somebody is there.
const TOUCH: Duration = Duration::from_secs(60);

impl Chat {
    /// Tells a person something on every device of theirs; kept nowhere.
    pub(super) fn tell(&self, user: UserId, news: &serde_json::Value) {
        if let Ok(data) = Json::of(news) {
            self.inner.outlet.publish(&personal_channel(user), &Publication::ephemeral(data));
        }
    }

    /// What somebody has set for a room.
    ///
    /// # Errors
    /// [`ChatError::NotMember`].
    pub async fn own(&self, who: UserId, room: RoomId) -> Result<OwnView, ChatError> {
        self.enter(who, room).await?;
        Ok(self.inner.desk.own(room, who).await?.ok_or(ChatError::NotMember)?.into())
    }

    /// Changes it, and tells the person's other devices.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Invalid`].
    pub async fn set_own(&self, who: UserId, room: RoomId, form: &OwnForm) -> Result<OwnView, ChatError> {
        let draft = match form.draft.as_deref().map(str::trim) {
            None => None,
            Some("") => Some(String::new()),
            Some(text) => Some(super::field::<Body>("/draft", text)?.into_inner()),
        };
        self.enter(who, room).await?;
        let patch = OwnPatch { muted: form.muted, notify: form.notify, favourite: form.favourite, draft };
        let own: Own = self.inner.desk.set_own(room, who, &patch).await?.ok_or(ChatError::NotMember)?;
        let view = OwnView::from(own);
        self.tell(who, &json!({ "type": "room_settings", "room_id": room, "settings": view }));
        Ok(view)
    }

    /// What somebody lets others see.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn privacy(&self, who: UserId) -> Result<PrivacyView, ChatError> {
        Ok(self.inner.desk.privacy(who).await?.into())
    }

    /// Sets it.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn set_privacy(&self, who: UserId, form: &PrivacyForm) -> Result<PrivacyView, ChatError> {
        Ok(self.inner.desk.set_privacy(who, form.last_seen_to, form.receipts).await?.into())
    }

    /// Whom somebody has blocked.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn blocked(&self, who: UserId) -> Result<Vec<BlockedView>, ChatError> {
        let ids = self.inner.desk.blocked_by(who).await?;
        let names = self.names(&ids).await;
        let view = |user_id| BlockedView { user_id, display_name: names.get(&user_id).cloned() };
        Ok(ids.into_iter().map(view).collect())
    }

    /// Blocks somebody, or no longer: their messages are hidden from the blocker, and neither can send
    /// the other direct messages.
    ///
    /// # Errors
    /// [`ChatError::Invalid`] for oneself, somebody who does not exist, or one too many.
    pub async fn set_block(&self, who: UserId, whom: UserId, on: bool) -> Result<(), ChatError> {
        if on {
            if who == whom {
                return Err(ChatError::field("/user_id", "must be somebody else"));
            }
            self.known(&[whom], "/user_id").await?;
            if self.inner.desk.block_count(who).await? >= MOST_BLOCKED {
                return Err(ChatError::field(
                    "/user_id",
                    format!("at most {MOST_BLOCKED} people can be blocked"),
                ));
            }
        }
        self.inner.desk.set_block(who, whom, on).await?;
        self.inner.hidden.remove(&who);
        self.reread_blocks(who).await?;
        if let Some(tell) = self.inner.elsewhere.get() {
            tell(who);
        }
        if let Some(room) = self.inner.desk.direct_room(who, whom).await?
            && let Some(live) = self.inner.domain.live(&room)
        {
            let _ = live.tell(Reconsider);
        }
        self.tell(who, &json!({ "type": "block", "user_id": whom, "blocked": on }));
        Ok(())
    }

    /// Whom live publications are hidden from, for the hub.
    pub fn blocks(&self) -> &Blocks {
        &self.inner.blocks
    }

    /// Says how other nodes are told whose blocks changed; a second call changes nothing.
    pub fn tell_blocks(&self, how: impl Fn(UserId) + Send + Sync + 'static) {
        let _ = self.inner.elsewhere.set(Box::new(how));
    }

    /// Another node changed somebody's blocks.
    pub fn heard_blocks(&self, user: UserId) {
        let chat = self.clone();
        tokio::spawn(async move {
            chat.inner.hidden.remove(&user);
            if let Err(error) = chat.reread_blocks(user).await {
                slog::warn!(crate::telemetry::log(), "a block of another node is known later"; "error" => %error);
            }
        });
    }

    async fn reread_blocks(&self, user: UserId) -> Result<(), ChatError> {
        let reading = self.inner.blocks.reading().await;
        let blocked = self.inner.desk.blocked_by(user).await?;
        let news = self.inner.blocks.set(user, blocked);
        drop(reading);
        if news {
            self.inner.outlet.veil(user);
        }
        Ok(())
    }

    /// Reads all blocks anew: at the start, and after words of other nodes may have been missed.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn load_blocks(&self) -> Result<(), ChatError> {
        let reading = self.inner.blocks.reading().await;
        let pairs = self.inner.desk.all_blocks().await?;
        let news = self.inner.blocks.set_all(pairs);
        drop(reading);
        for user in news {
            self.inner.hidden.remove(&user);
            self.inner.outlet.veil(user);
        }
        Ok(())
    }

    /// Notes what a session says of itself, and tells the person's other devices.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn set_status(&self, who: &Principal, status: Status) -> Result<(), ChatError> {
        let at = crate::contexts::chat::model::now();
        self.inner.desk.set_status(who.user_id, who.session_id, status, at).await?;
        self.tell(who.user_id, &json!({ "type": "status", "session_id": who.session_id, "status": status }));
        Ok(())
    }

    /// Notes that somebody is there, at most once a minute.
    pub(super) fn is_there(&self, who: UserId) {
        let now = Instant::now();
        let due = self.inner.there.get(&who).is_none_or(|at| now.duration_since(*at) >= TOUCH);
        if !due {
            return;
        }
        if self.inner.there.len() >= 100_000 {
            self.inner.there.retain(|_, at| now.duration_since(*at) < TOUCH);
        }
        self.inner.there.insert(who, now);
        let desk = self.inner.desk.clone();
        tokio::spawn(async move {
            // An ornament: the next one is a minute away.
            if let Err(error) = desk.touch(who, crate::contexts::chat::model::now()).await {
                slog::debug!(crate::telemetry::log(), "a last-seen time was not kept"; "error" => %error);
            }
        });
    }

    /// What `asker` sees of people.
    pub(super) async fn seen(&self, asker: UserId, users: &[UserId]) -> HashMap<UserId, Seen> {
        if users.is_empty() {
            return HashMap::new();
        }
        match self.inner.desk.seen(asker, users).await {
            Ok(seen) => seen,
            Err(error) => {
                slog::warn!(crate::telemetry::log(), "statuses cannot be read"; "error" => %error);
                HashMap::new()
            }
        }
    }

    /// Those of `users` of whom a session says that they are not to be disturbed: nothing is to be
    /// pushed to them now.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn undisturbed(&self, users: &[UserId]) -> Result<HashSet<UserId>, ChatError> {
        Ok(self.inner.desk.undisturbed(users).await?)
    }

    /// Forgets statuses that nobody has renewed for a day.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn tidy(&self) -> Result<usize, ChatError> {
        Ok(self.inner.desk.forget_statuses().await?)
    }
}
