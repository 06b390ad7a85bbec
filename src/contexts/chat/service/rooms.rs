//! Making, showing, changing and archiving rooms.

use std::collections::{HashMap, HashSet};

use super::{SHOWN_MEMBERS, field, member_view, room_view};
use crate::{
    contexts::chat::{
        Chat, ChatError,
        actors::room::messages::{Change, Changed, Look, Show},
        channels::{personal_channel, room_added},
        model::{
            MAX_NAMED, Member, MemberRole, Room, RoomId, RoomKind, RoomName, RoomSettings, SettingsPatch,
            Topic, now, words,
        },
        store::{NewRoom, RoomPatch, desk::Seen},
        views::{CreateRoomForm, PatchRoomForm, RoomView},
    },
    principal::UserId,
    realtime::{Json, Publication},
};

impl Chat {
    /// Makes a room; those named are members at once. A direct room that the two have already is
    /// answered instead of made: the flag tells whether it is new.
    ///
    /// # Errors
    /// [`ChatError::Invalid`] naming the field, unknown people among them by their place.
    pub async fn create_room(
        &self,
        who: UserId,
        form: &CreateRoomForm,
    ) -> Result<(RoomView, bool), ChatError> {
        let name: Option<RoomName> = form.name.as_deref().map(|name| field("/name", name)).transpose()?;
        let topic: Option<Topic> = form.topic.as_deref().map(|text| field("/topic", text)).transpose()?;
        if form.member_ids.len() > MAX_NAMED {
            return Err(ChatError::field("/member_ids", format!("at most {MAX_NAMED} at once")));
        }
        let mut seen = HashSet::from([who]);
        let others: Vec<UserId> = form.member_ids.iter().copied().filter(|id| seen.insert(*id)).collect();
        if form.kind == RoomKind::Direct && others.len() != 1 {
            let detail = "a direct room is with exactly one other person";
            return Err(ChatError::field("/member_ids", detail));
        }
        self.known(&form.member_ids, "/member_ids").await?;
        if form.kind == RoomKind::Direct
            && let Some(other) = others.first()
            && self.inner.desk.apart(who, *other).await?
        {
            return Err(ChatError::Apart);
        }

        let at = now();
        let founder = if form.kind == RoomKind::Direct { MemberRole::Member } else { MemberRole::Owner };
        let member = |user_id, role| Member::new(user_id, role, at);
        let mut members = vec![member(who, founder)];
        members.extend(others.into_iter().map(|user| member(user, MemberRole::Member)));
        let room = Room {
            id: RoomId::new(),
            kind: form.kind,
            name: name.map(RoomName::into_inner),
            topic: topic.map(Topic::into_inner).unwrap_or_default(),
            created_by: who,
            created_at: at,
            archived_at: None,
            version: 1,
            settings: RoomSettings::default(),
        };
        let (state, made) = self.inner.rooms.create(NewRoom { room, members }).await?;
        if made {
            // Its log too, so that a subscriber who comes at once finds where it begins. Should
            // this fail, the actor makes it at its first start.
            self.inner.log.open(state.room.id).await?;
            let news = room_added(&state.room, state.members.len());
            if let Ok(data) = Json::of(&news) {
                let news = Publication::ephemeral(data);
                for user in state.members.keys() {
                    self.inner.outlet.publish(&personal_channel(*user), &news);
                }
            }
        }
        let mut shown: Vec<Member> = state.members.into_values().collect();
        shown.sort_by_key(|m| (std::cmp::Reverse(m.role), m.joined_at, m.user_id));
        let role = shown.iter().find(|member| member.user_id == who).map(|member| member.role);
        let count = shown.len();
        shown.truncate(SHOWN_MEMBERS);
        let mut view = room_view(state.room, role, count as u64);
        view.members = Some(self.named(shown).await);
        Ok((view, made))
    }

    /// Members with their names.
    pub(super) async fn named(&self, members: Vec<Member>) -> Vec<crate::contexts::chat::MemberView> {
        let ids: Vec<UserId> = members.iter().map(|member| member.user_id).collect();
        let names: HashMap<UserId, String> = self.names(&ids).await;
        members.into_iter().map(|member| member_view(member, &names, Seen::default())).collect()
    }

    /// Members with their names, and with what `who` sees of their being there.
    pub(super) async fn named_for(
        &self,
        who: UserId,
        members: Vec<Member>,
    ) -> Vec<crate::contexts::chat::MemberView> {
        let ids: Vec<UserId> = members.iter().map(|member| member.user_id).collect();
        let (names, seen) = (self.names(&ids).await, self.seen(who, &ids).await);
        let of = |member: &Member| seen.get(&member.user_id).copied().unwrap_or_default();
        members
            .into_iter()
            .map(|member| {
                let seen = of(&member);
                member_view(member, &names, seen)
            })
            .collect()
    }

    /// A room, with up to 100 of its members. A public room shows itself to strangers, without
    /// members.
    ///
    /// # Errors
    /// [`ChatError::NoRoom`], [`ChatError::NotMember`].
    pub async fn room(&self, who: UserId, room: RoomId) -> Result<RoomView, ChatError> {
        let shown = self.ask(room, Show { who, members: SHOWN_MEMBERS }).await?;
        let access = shown.access;
        let mut view = room_view(access.room, access.me, access.member_count as u64);
        if access.me.is_some() {
            view.members = Some(self.named_for(who, shown.members).await);
        }
        Ok(view)
    }

    /// The version of a room that `who` may see.
    ///
    /// # Errors
    /// [`ChatError::NoRoom`], [`ChatError::NotMember`].
    pub async fn room_version(&self, who: UserId, room: RoomId) -> Result<i64, ChatError> {
        Ok(self.ask(room, Look { who }).await?.room.version)
    }

    /// Renames a room or changes its topic, if it still has the version that the caller saw.
    ///
    /// # Errors
    /// [`ChatError::Stale`], [`ChatError::NeedsRole`] admin, [`ChatError::Invalid`].
    pub async fn patch_room(
        &self,
        who: UserId,
        room: RoomId,
        form: &PatchRoomForm,
        if_version: Option<i64>,
    ) -> Result<RoomView, ChatError> {
        let name: Option<RoomName> = form.name.as_deref().map(|name| field("/name", name)).transpose()?;
        let topic: Option<Topic> = form.topic.as_deref().map(|text| field("/topic", text)).transpose()?;
        let patch = RoomPatch {
            name: name.map(RoomName::into_inner),
            topic: topic.map(Topic::into_inner),
            archived: None,
            settings: settings_patch(form)?,
        };
        self.change(who, room, patch, if_version).await
    }

    /// Archives a room: it stays readable and takes nothing new. Or brings it back.
    ///
    /// # Errors
    /// [`ChatError::NeedsRole`] owner.
    pub async fn archive_room(
        &self,
        who: UserId,
        room: RoomId,
        archived: bool,
    ) -> Result<RoomView, ChatError> {
        let patch = RoomPatch { archived: Some(archived), ..RoomPatch::default() };
        self.change(who, room, patch, None).await
    }

    async fn change(
        &self,
        who: UserId,
        room: RoomId,
        patch: RoomPatch,
        if_version: Option<i64>,
    ) -> Result<RoomView, ChatError> {
        let Changed { .. } = self.ask(room, Change { who, patch, if_version }).await?;
        self.room(who, room).await
    }
}

/// Reads the settings in a patch.
fn settings_patch(form: &PatchRoomForm) -> Result<SettingsPatch, ChatError> {
    let at_most = |pointer: &str, value: Option<u32>, most: u32| match value {
        Some(value) if value > most => Err(ChatError::field(pointer, format!("must be at most {most}"))),
        value => Ok(value),
    };
    Ok(SettingsPatch {
        slow_mode_seconds: at_most("/slow_mode_seconds", form.slow_mode_seconds, RoomSettings::SLOWEST)?,
        messages_per_minute: at_most("/messages_per_minute", form.messages_per_minute, MOST_PER_MINUTE)?,
        retention_days: at_most("/retention_days", form.retention_days, RoomSettings::LONGEST_RETENTION)?,
        mention_room: form.mention_room,
        pin: form.pin,
        attach: form.attach,
        blocked_words: word_list("/blocked_words", form.blocked_words.as_deref())?,
        flagged_words: word_list("/flagged_words", form.flagged_words.as_deref())?,
    })
}

/// The fastest rate that a room can set; a person's own limit is beside it.
const MOST_PER_MINUTE: u32 = 600;

/// Reads a list of words: each one run of letters and digits; in lower case, sorted, each once.
fn word_list(pointer: &str, list: Option<&[String]>) -> Result<Option<Vec<String>>, ChatError> {
    let Some(list) = list else { return Ok(None) };
    if list.len() > RoomSettings::MOST_WORDS {
        return Err(ChatError::field(pointer, format!("at most {} words", RoomSettings::MOST_WORDS)));
    }
    let mut found = Vec::with_capacity(list.len());
    for (n, word) in list.iter().enumerate() {
        match words(word).as_slice() {
            [one] if one.chars().count() <= 64 => found.push(one.clone()),
            _ => {
                let detail = "must be one word of up to 64 letters and digits";
                return Err(ChatError::field(format!("{pointer}/{n}"), detail));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}
