//! Lists of rooms. They go by id, newest first: an order that no message changes, so that a walk
//! shows no room twice and skips none.

use std::collections::HashMap;

use super::room_view;
use crate::{
    contexts::chat::{
        Chat, ChatError,
        model::{RoomId, Seq},
        store::{Digest, Listed},
        views::{MessageView, PeerView, RoomItem},
    },
    principal::UserId,
};

impl Chat {
    /// A page of somebody's rooms, with each room's last message and what is unread.
    ///
    /// # Errors
    /// [`ChatError::Invalid`] for a foreign cursor.
    pub async fn my_rooms(
        &self,
        who: UserId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<RoomItem>, Option<String>), ChatError> {
        let list = Self::rooms_list("mine", who);
        let before = self.id_from(&list, cursor)?.map(RoomId);
        let found = self.inner.rooms.rooms_of(who, before, limit + 1).await?;
        self.page_of_rooms(who, &list, found, limit).await
    }

    /// A page of the public rooms that anybody may join.
    ///
    /// # Errors
    /// [`ChatError::Invalid`] for a foreign cursor.
    pub async fn public_rooms(
        &self,
        who: UserId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<RoomItem>, Option<String>), ChatError> {
        let list = Self::rooms_list("public", who);
        let before = self.id_from(&list, cursor)?.map(RoomId);
        let found = self.inner.rooms.public_rooms(who, before, limit + 1).await?;
        self.page_of_rooms(who, &list, found, limit).await
    }

    async fn page_of_rooms(
        &self,
        who: UserId,
        list: &str,
        mut found: Vec<Listed>,
        limit: usize,
    ) -> Result<(Vec<RoomItem>, Option<String>), ChatError> {
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|last| self.id_cursor(list, last.room.id.0));
        // Only of rooms that one is in.
        let positions: Vec<(RoomId, Seq)> =
            found.iter().filter_map(|room| Some((room.room.id, room.me.as_ref()?.read_seq))).collect();
        let mut digests = self.digests_for(who, &positions).await?;
        let ids: Vec<RoomId> = positions.iter().map(|(room, _)| *room).collect();
        let mut owns = self.inner.desk.owns_of(who, &ids).await?;
        let peers: Vec<UserId> = found.iter().filter_map(|room| room.peer).collect();
        let names = self.names(&peers).await;
        let items = found
            .into_iter()
            .map(|listed| {
                let digest = listed.me.as_ref().map(|_| digests.remove(&listed.room.id).unwrap_or_default());
                let own = owns.remove(&listed.room.id);
                RoomItem { own: own.map(Into::into), ..room_item(who, listed, digest, &names) }
            })
            .collect();
        Ok((items, next))
    }
}

fn room_item(
    who: UserId,
    listed: Listed,
    digest: Option<Digest>,
    names: &HashMap<UserId, String>,
) -> RoomItem {
    let Listed { room, member_count, me, peer } = listed;
    let peer = peer.map(|user_id| PeerView { user_id, display_name: names.get(&user_id).cloned() });
    RoomItem {
        room: room_view(room, me.as_ref().map(|me| me.role), member_count),
        peer,
        top: digest.as_ref().map(|digest| digest.last_seq),
        read_seq: me.map(|me| me.read_seq),
        unread: digest.as_ref().map(|digest| digest.unread),
        mentions: digest.as_ref().map(|digest| digest.mentions),
        own: None,
        last_message: digest
            .and_then(|digest| digest.last_message)
            .map(|message| MessageView::of(message, who)),
    }
}
