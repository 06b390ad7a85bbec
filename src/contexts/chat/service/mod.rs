//! Chat's use cases: one method each.

mod alter;
mod contracts;
mod cursors;
mod demo;
mod export;
mod history;
mod lists;
mod members;
mod moderation;
mod own;
mod reading;
mod rooms;
mod send;

use std::{collections::HashMap, str::FromStr};

pub use alter::{Actor, EditForm};
pub use contracts::ContractRoom;
pub use demo::DemoCast;
pub use export::{ExportPlace, ExportedMessage};
pub use history::HistoryForm;
pub use moderation::{ReportForm, ResolveForm, SanctionForm};
pub use own::{OwnForm, PrivacyForm, StatusForm};
pub use reading::{SearchForm, ThreadForm};
pub use send::{AttachmentForm, SendForm};

use super::{
    Chat, ChatError, ChatRoom, DEADLINE,
    actors::room::messages::{Access, Enter},
    model::{Member, Room, RoomId},
    store::desk::Seen,
    views::{MemberView, RoomRulesView, RoomView},
};
use crate::{
    actors::{AskError, Receive, Request},
    contexts::chat::model::MemberRole,
    error::FieldError,
    principal::UserId,
};

/// Members that a room's view names.
const SHOWN_MEMBERS: usize = 100;

impl Chat {
    /// Asks a room's actor.
    async fn ask<M, T>(&self, room: RoomId, message: M) -> Result<T, ChatError>
    where
        M: Request<Answer = Result<T, ChatError>>,
        ChatRoom: Receive<M>,
        T: Send + 'static,
    {
        self.inner.domain.ask(&room, message, DEADLINE).await.map_err(no_room)?
    }

    /// Makes sure that `who` may read a room.
    ///
    /// # Errors
    /// [`ChatError::NoRoom`], [`ChatError::NotMember`].
    pub(crate) async fn enter(&self, who: UserId, room: RoomId) -> Result<Access, ChatError> {
        self.ask(room, Enter { who }).await
    }

    /// What people are called. Names are an ornament here: without them the answer still stands.
    async fn names(&self, ids: &[UserId]) -> HashMap<UserId, String> {
        if ids.is_empty() {
            return HashMap::new();
        }
        match self.inner.people.existing(ids).await {
            Ok(names) => names,
            Err(error) => {
                slog::warn!(crate::telemetry::log(), "names of members cannot be read"; "error" => %error);
                HashMap::new()
            }
        }
    }

    /// Refuses people who do not exist, each by its place in the list at `pointer`.
    async fn known(&self, ids: &[UserId], pointer: &str) -> Result<HashMap<UserId, String>, ChatError> {
        let names = self.inner.people.existing(ids).await.map_err(ChatError::People)?;
        let unknown: Vec<FieldError> = ids
            .iter()
            .enumerate()
            .filter(|(_, id)| !names.contains_key(id))
            .map(|(i, _)| FieldError::new(format!("{pointer}/{i}"), "there is no such person"))
            .collect();
        if unknown.is_empty() { Ok(names) } else { Err(ChatError::Invalid(unknown)) }
    }
}

/// The kit's "nothing under this id" is chat's "no such room".
fn no_room(error: AskError) -> ChatError {
    match error {
        AskError::NotFound => ChatError::NoRoom,
        other => ChatError::Actor(other),
    }
}

/// Reads a text field, naming it when it does not fit.
fn field<T: FromStr<Err: std::fmt::Display>>(pointer: &str, text: &str) -> Result<T, ChatError> {
    text.parse().map_err(|error| ChatError::field(pointer, error))
}

fn member_view(member: Member, names: &HashMap<UserId, String>, seen: Seen) -> MemberView {
    MemberView {
        user_id: member.user_id,
        display_name: names.get(&member.user_id).cloned(),
        role: member.role,
        joined_at: member.joined_at,
        suspended_until: member.suspended_until.filter(|until| *until > chrono::Utc::now()),
        status: seen.status,
        last_seen_at: seen.last_seen_at,
    }
}

fn room_view(room: Room, role: Option<MemberRole>, member_count: u64) -> RoomView {
    RoomView {
        id: room.id,
        kind: room.kind,
        name: room.name,
        topic: room.topic,
        created_by: room.created_by,
        created_at: room.created_at,
        archived_at: room.archived_at,
        version: room.version,
        member_count,
        rules: RoomRulesView::of(room.settings, room.kind, role),
        role,
        members: None,
    }
}
