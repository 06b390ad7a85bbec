//! Rooms that another context opens, and what the platform says in them.

use uuid::Uuid;

use super::field;
use crate::{
    contexts::chat::{
        Chat, ChatError,
        actors::room::messages::CatchUp,
        channels::{personal_channel, room_added},
        model::{
            Body, ClientMsgId, Member, MemberRole, MessageId, NewEvent, Payload, Room, RoomId, RoomKind,
            RoomName, RoomSettings, now,
        },
        store::NewRoom,
    },
    principal::UserId,
    realtime::{Json, Publication},
    telemetry::correlation,
};

/// A room for the two sides of a contract.
#[derive(Clone, Copy, Debug)]
pub struct ContractRoom<'a> {
    /// Its id: whoever opens it can name it, so that opening it twice is opening it once.
    pub id: RoomId,
    /// What it is called; cut to what a room's name may be.
    pub name: &'a str,
    /// Who is in it.
    pub members: [UserId; 2],
}

impl Chat {
    /// Who speaks when the platform does: nobody's id.
    pub const SYSTEM: UserId = UserId(Uuid::nil());

    /// Opens a contract's room, unless it is open already.
    ///
    /// # Errors
    /// When the store fails; opening it again is harmless.
    pub async fn open_contract_room(&self, new: ContractRoom<'_>) -> Result<(), ChatError> {
        let members = new.members.map(|user| (user, MemberRole::Member));
        self.open_room(new.id, new.name, &members).await
    }

    /// Opens a course's room, which its instructor owns, unless it is open already.
    ///
    /// # Errors
    /// When the store fails; opening it again is harmless.
    pub async fn open_course_room(&self, id: RoomId, name: &str, owner: UserId) -> Result<(), ChatError> {
        self.open_room(id, name, &[(owner, MemberRole::Owner)]).await
    }

    async fn open_room(
        &self,
        id: RoomId,
        name: &str,
        people: &[(UserId, MemberRole)],
    ) -> Result<(), ChatError> {
        if self.inner.rooms.load(id).await?.is_some() {
            return Ok(());
        }
        let short: String = name.chars().take(80).collect();
        let name: RoomName = field("/name", &short)?;
        let at = now();
        let member = |(user_id, role)| Member::new(user_id, role, at);
        let room = Room {
            id,
            kind: RoomKind::Group,
            name: Some(name.into_inner()),
            topic: String::new(),
            created_by: people.first().map_or(Self::SYSTEM, |(user, _)| *user),
            created_at: at,
            archived_at: None,
            version: 1,
            settings: RoomSettings::default(),
        };
        let members = people.iter().copied().map(member).collect();
        let made = match self.inner.rooms.create(NewRoom { room, members }).await {
            Ok((state, _)) => state,
            // Another node was faster.
            Err(error) => match self.inner.rooms.load(id).await? {
                Some(_) => return Ok(()),
                None => return Err(error.into()),
            },
        };
        self.inner.log.open(id).await?;
        if let Ok(data) = Json::of(&room_added(&made.room, made.members.len())) {
            let news = Publication::ephemeral(data);
            for user in made.members.keys() {
                self.inner.outlet.publish(&personal_channel(*user), &news);
            }
        }
        Ok(())
    }

    /// Says something in the platform's name ([`Chat::SYSTEM`]). `id` makes it harmless to repeat: one
    /// message.
    ///
    /// # Errors
    /// When the store fails; saying it again settles it.
    pub async fn system_message(&self, room: RoomId, id: Uuid, text: &str) -> Result<(), ChatError> {
        let short: String = text.chars().take(4_000).collect();
        let body: Body = field("/body", &short)?;
        let message = NewEvent {
            message_id: MessageId::new(),
            sender_id: Self::SYSTEM,
            client_msg_id: ClientMsgId::internal(id),
            payload: Payload::System { body: body.into_inner(), data: serde_json::Value::Null },
            created_at: now(),
            correlation_id: correlation::current_or_fresh().as_str().to_owned(),
        };
        self.inner.log.open(room).await?;
        self.inner.log.append(room, &[message]).await?;
        self.inner.stir.room(room);
        // The room's actor, where there is one, finds it in the log and publishes it.
        if let Some(live) = self.inner.domain.live(&room) {
            let _ = live.tell(CatchUp);
        }
        Ok(())
    }
}
