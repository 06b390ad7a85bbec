//! Who is in a room.

use serde_json::json;

use crate::{
    contexts::chat::{
        Chat, ChatError,
        actors::room::messages::{AddMembers, Join, Mark, Receipt, RemoveMember, SetRole, Tell, Typing},
        model::{MAX_NAMED, MemberRole, RoomId, Status},
        service::room_view,
        store::Marks,
        views::{MemberView, PresenceView, PresentView, ReadForm, ReadView, RoomView},
    },
    principal::UserId,
    realtime::{ClientInfo, Json},
};

/// What goes to `live:<room>` at once, at most.
const MAX_LIVE_BYTES: usize = 4 * 1024;

impl Chat {
    /// A page of a room's members in the order of their ids.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Invalid`] for a foreign cursor.
    pub async fn members(
        &self,
        who: UserId,
        room: RoomId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<MemberView>, Option<String>), ChatError> {
        let list = format!("members.{room}");
        let after = self.id_from(&list, cursor)?.map(UserId);
        self.enter(who, room).await?;
        let mut found = self.inner.rooms.members(room, after, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| self.id_cursor(&list, last.user_id.0));
        Ok((self.named_for(who, found).await, next))
    }

    /// Invites people. Those who are in the room already stay as they are.
    ///
    /// # Errors
    /// [`ChatError::NeedsRole`] admin, [`ChatError::Invalid`] naming unknown people by their place.
    pub async fn add_members(
        &self,
        who: UserId,
        room: RoomId,
        users: Vec<UserId>,
    ) -> Result<Vec<MemberView>, ChatError> {
        if users.is_empty() || users.len() > MAX_NAMED {
            return Err(ChatError::field("/user_ids", format!("name 1 to {MAX_NAMED} people")));
        }
        self.enter(who, room).await?;
        self.known(&users, "/user_ids").await?;
        self.not_banned(room, &users).await?;
        let changed = self.ask(room, AddMembers { who, users }).await?;
        Ok(self.named(changed.members).await)
    }

    /// Puts a member out; oneself: leave. When the last owner leaves, the longest-standing of the
    /// highest role takes over.
    ///
    /// # Errors
    /// [`ChatError::NoSuchMember`], [`ChatError::NeedsRole`], [`ChatError::DirectIsFixed`].
    pub async fn remove_member(&self, who: UserId, room: RoomId, user: UserId) -> Result<(), ChatError> {
        self.ask(room, RemoveMember { who, user }).await.map(drop)
    }

    /// Changes a member's role.
    ///
    /// # Errors
    /// [`ChatError::NeedsRole`] owner, [`ChatError::LastOwner`], [`ChatError::NoSuchMember`].
    pub async fn set_role(
        &self,
        who: UserId,
        room: RoomId,
        user: UserId,
        role: MemberRole,
    ) -> Result<MemberView, ChatError> {
        let changed = self.ask(room, SetRole { who, user, role }).await?;
        self.named(changed.members).await.pop().ok_or(ChatError::NoSuchMember)
    }

    /// Joins a public room; one who is in it already stays as they are.
    ///
    /// # Errors
    /// [`ChatError::ByInvitation`], [`ChatError::Archived`], [`ChatError::Full`].
    pub async fn join(&self, who: UserId, room: RoomId) -> Result<RoomView, ChatError> {
        self.not_banned(room, &[who]).await?;
        let changed = self.ask(room, Join { who }).await?;
        let role = changed.members.first().map(|member| member.role);
        Ok(room_view(changed.room, role, changed.member_count as u64))
    }

    /// Shows the others that somebody is typing. Kept nowhere; too often is no error.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Archived`].
    pub async fn typing(&self, who: UserId, room: RoomId) -> Result<(), ChatError> {
        self.ask(room, Typing { who }).await
    }

    /// Hands something to the programs of those who are there (a cursor, a call's signalling), in the
    /// order of the room. Kept nowhere, numbered nowhere.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Archived`], [`ChatError::Suspended`], [`ChatError::Apart`];
    /// a field error past 4 KiB.
    pub async fn tell_live(
        &self,
        who: UserId,
        room: RoomId,
        client: ClientInfo,
        data: Json,
    ) -> Result<(), ChatError> {
        if data.len() > MAX_LIVE_BYTES {
            return Err(ChatError::field("/data", format!("must be at most {MAX_LIVE_BYTES} bytes long")));
        }
        self.ask(room, Tell { who, client, data }).await
    }

    /// Moves somebody's read position forward and tells what is left.
    ///
    /// # Errors
    /// [`ChatError::NotMember`].
    pub async fn read(&self, who: UserId, room: RoomId, form: &ReadForm) -> Result<ReadView, ChatError> {
        let marks = Marks { delivered: form.delivered.unwrap_or(0), read: form.seq };
        let marked = self.ask(room, Mark { who, marks }).await?;
        self.is_there(who);
        let read_seq = marked.member.read_seq;
        let digest = self.digests_for(who, &[(room, read_seq)]).await?.remove(&room).unwrap_or_default();
        let view = ReadView { read_seq, unread: digest.unread, mentions: digest.mentions };
        if marked.moved {
            // The person's other devices agree at once.
            self.tell(
                who,
                &json!({
                    "type": "unread", "room_id": room, "read_seq": view.read_seq, "unread": view.unread,
                    "mentions": view.mentions,
                }),
            );
        }
        if marked.receipt && self.inner.desk.shows_receipts(who).await? {
            self.ask(room, Receipt { who }).await?;
        }
        Ok(view)
    }

    /// Who is in a room right now: those subscribed to its channel on this node.
    ///
    /// # Errors
    /// [`ChatError::NotMember`].
    pub async fn presence(&self, who: UserId, room: RoomId) -> Result<PresenceView, ChatError> {
        self.enter(who, room).await?;
        let there = self.inner.outlet.presence(&crate::contexts::chat::channels::chat_channel(room));
        let mut connections = std::collections::BTreeMap::<UserId, usize>::new();
        for info in &there {
            *connections.entry(info.user).or_default() += 1;
        }
        let ids: Vec<UserId> = connections.keys().copied().collect();
        let names = self.names(&ids).await;
        let seen = self.seen(who, &ids).await;
        let users = connections
            .into_iter()
            .map(|(user_id, connections)| PresentView {
                user_id,
                display_name: names.get(&user_id).cloned(),
                connections,
                status: seen.get(&user_id).and_then(|seen| seen.status).unwrap_or(Status::Online),
            })
            .collect::<Vec<_>>();
        Ok(PresenceView { num_clients: there.len(), num_users: users.len(), users })
    }
}
