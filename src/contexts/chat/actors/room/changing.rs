//! Members come and go; the room is renamed and archived.
//!
//! Each change is one transaction of the room store, which also writes what the log has to say
//! about it into the outbox. While it runs no other message is handled, so nothing is decided on a
//! state that is about to change.

use std::collections::HashMap;

use super::{
    ChatRoom,
    messages::{AddMembers, Change, Changed, Join, RemoveMember, SetRole},
    writing::Waiting,
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        channels::{personal_channel, room_added, room_removed},
        error::ChatError,
        model::{
            MAX_MEMBERS, Member, MemberAction, MemberChange, MemberRole, Payload, Room, RoomKind, RoomState,
        },
        store::{Edit, Edited, RoomPatch, Unlogged},
    },
    principal::UserId,
    realtime::{Json, Publication},
    telemetry::correlation::CorrelationId,
};

type Answer = Result<Changed, ChatError>;

impl ChatRoom {
    fn edit(
        &mut self,
        who: UserId,
        plan: Result<(Vec<MemberChange>, RoomPatch), ChatError>,
        if_version: Option<i64>,
        reply: Reply<Answer>,
        cx: &mut Cx<'_, Self>,
    ) {
        let (members, patch) = match plan {
            Ok(plan) => plan,
            Err(error) => return reply.send(Err(error)),
        };
        let about: Vec<UserId> = members.iter().map(|change| change.user_id).collect();
        if members.is_empty() && patch == RoomPatch::default() {
            return reply.send(Ok(self.changed(&about)));
        }
        let correlation = cx.correlation().cloned().unwrap_or_else(CorrelationId::fresh);
        let edit =
            Edit { by: who, members, patch, if_version, correlation_id: correlation.as_str().to_owned() };
        let (rooms, id) = (self.seed.rooms.clone(), self.id);
        cx.wait(async move { rooms.edit(id, edit).await }, move |own, edited, cx| match edited {
            Ok(Edited::Done(room, news)) => {
                own.apply(room, news);
                reply.send(Ok(own.changed(&about)));
                own.pump(cx);
            }
            Ok(Edited::Stale) => {
                own.stale = true;
                own.pump(cx);
                reply.send(Err(ChatError::Stale));
            }
            Ok(Edited::Gone) => {
                cx.stop();
                reply.send(Err(ChatError::NoRoom));
            }
            Err(error) => {
                // It may have been done: look before deciding anything else on an old state.
                own.stale = true;
                own.outbox_due = true;
                own.pump(cx);
                reply.send(Err(error.into()));
            }
        });
    }

    fn changed(&self, about: &[UserId]) -> Changed {
        Changed {
            room: self.room.clone(),
            member_count: self.members.len(),
            members: about.iter().filter_map(|user| self.members.get(user)).cloned().collect(),
        }
    }

    /// Takes a change into the state and queues its events.
    fn apply(&mut self, room: Room, news: Vec<Unlogged>) {
        self.generation += 1;
        self.room = room;
        for change in news {
            if let Payload::Member { action, user_id, role } = change.payload {
                if action.stays() {
                    let known = self.members.get(&user_id);
                    let joined_at = known.map_or(change.created_at, |member| member.joined_at);
                    let read_seq = known.map_or(0, |member| member.read_seq);
                    let is_new = known.is_none();
                    self.members.insert(user_id, Member { user_id, role, joined_at, read_seq });
                    if is_new {
                        self.welcome(user_id);
                    }
                } else if self.members.remove(&user_id).is_some() {
                    self.dismiss(user_id);
                }
            }
            self.queue.push_back(Waiting::change(change));
        }
    }

    /// Takes the store's word for who is in the room.
    /// Who went is told by whoever put them out; `told` says that another node did.
    pub(super) fn adopt(&mut self, state: RoomState, told: bool) {
        self.generation += 1;
        let before: HashMap<UserId, Member> = std::mem::replace(&mut self.members, state.members);
        self.room = state.room;
        for user in before.into_keys() {
            if !self.members.contains_key(&user) {
                if told {
                    self.silence(user);
                } else {
                    self.dismiss(user);
                }
            }
        }
    }

    /// Tells somebody that they are in.
    fn welcome(&self, user: UserId) {
        self.tell(user, &room_added(&self.room, self.members.len()));
    }

    /// Takes somebody's subscriptions away at once, and tells them.
    fn dismiss(&self, user: UserId) {
        self.silence(user);
        self.tell(user, &room_removed(self.id));
    }

    /// Takes somebody's subscriptions on this node away.
    pub(super) fn silence(&self, user: UserId) {
        self.seed.outlet.unsubscribe(user, &self.channel);
        self.seed.outlet.unsubscribe(user, &self.typing);
    }

    fn tell(&self, user: UserId, news: &serde_json::Value) {
        if let Ok(data) = Json::of(news) {
            self.seed.outlet.publish(&personal_channel(user), &Publication::ephemeral(data));
        }
    }

    fn plan_adding(&self, ask: &AddMembers) -> Result<Vec<MemberChange>, ChatError> {
        self.not_direct()?;
        self.needs(ask.who, MemberRole::Admin)?;
        self.open()?;
        let mut changes: Vec<MemberChange> = Vec::new();
        for user_id in &ask.users {
            let known =
                self.members.contains_key(user_id) || changes.iter().any(|change| change.user_id == *user_id);
            if !known {
                changes.push(MemberChange {
                    user_id: *user_id,
                    action: MemberAction::Added,
                    role: MemberRole::Member,
                });
            }
        }
        if self.members.len() + changes.len() > MAX_MEMBERS {
            return Err(ChatError::Full);
        }
        Ok(changes)
    }

    fn plan_joining(&self, who: UserId) -> Result<Vec<MemberChange>, ChatError> {
        if self.members.contains_key(&who) {
            return Ok(Vec::new());
        }
        if self.room.kind != RoomKind::Public {
            return Err(ChatError::ByInvitation);
        }
        self.open()?;
        if self.members.len() >= MAX_MEMBERS {
            return Err(ChatError::Full);
        }
        Ok(vec![MemberChange { user_id: who, action: MemberAction::Joined, role: MemberRole::Member }])
    }

    fn plan_removing(&self, ask: &RemoveMember) -> Result<Vec<MemberChange>, ChatError> {
        let RemoveMember { who, user } = *ask;
        let mine = self.needs(who, MemberRole::Member)?;
        self.not_direct()?;
        let theirs = self.members.get(&user).ok_or(ChatError::NoSuchMember)?.role;
        if who == user {
            let mut changes = vec![MemberChange { user_id: user, action: MemberAction::Left, role: theirs }];
            changes.extend(self.successor(user));
            return Ok(changes);
        }
        if mine < MemberRole::Admin {
            return Err(ChatError::NeedsRole(MemberRole::Admin));
        }
        if theirs == MemberRole::Owner && mine != MemberRole::Owner {
            return Err(ChatError::OwnerOnly);
        }
        Ok(vec![MemberChange { user_id: user, action: MemberAction::Removed, role: theirs }])
    }

    /// Who becomes owner when the last one leaves: the longest-standing of the highest role.
    fn successor(&self, leaver: UserId) -> Option<MemberChange> {
        let others = || self.members.values().filter(|member| member.user_id != leaver);
        let is_owner = self.members.get(&leaver).is_some_and(|member| member.role == MemberRole::Owner);
        if !is_owner || others().any(|member| member.role == MemberRole::Owner) {
            return None;
        }
        let next = others().min_by_key(|m| (std::cmp::Reverse(m.role), m.joined_at, m.user_id))?;
        Some(MemberChange { user_id: next.user_id, action: MemberAction::Role, role: MemberRole::Owner })
    }

    fn plan_role(&self, ask: &SetRole) -> Result<Vec<MemberChange>, ChatError> {
        self.needs(ask.who, MemberRole::Owner)?;
        self.not_direct()?;
        let now = self.members.get(&ask.user).ok_or(ChatError::NoSuchMember)?.role;
        if now == ask.role {
            return Ok(Vec::new());
        }
        let owners = self.members.values().filter(|member| member.role == MemberRole::Owner).count();
        if now == MemberRole::Owner && owners == 1 {
            return Err(ChatError::LastOwner);
        }
        Ok(vec![MemberChange { user_id: ask.user, action: MemberAction::Role, role: ask.role }])
    }

    fn plan_change(&self, ask: &Change) -> Result<RoomPatch, ChatError> {
        let least = if ask.patch.archived.is_some() { MemberRole::Owner } else { MemberRole::Admin };
        self.needs(ask.who, MemberRole::Member)?;
        self.not_direct()?;
        self.needs(ask.who, least)?;
        if ask.if_version.is_some_and(|version| version != self.room.version) {
            return Err(ChatError::Stale);
        }
        if ask.patch.archived.is_none() {
            self.open()?;
        }
        Ok(ask.patch.clone())
    }
}

impl Receive<AddMembers> for ChatRoom {
    fn receive(&mut self, ask: AddMembers, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_adding(&ask).map(|changes| (changes, RoomPatch::default()));
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}

impl Receive<Join> for ChatRoom {
    fn receive(&mut self, ask: Join, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        let plan = self.plan_joining(ask.who).map(|changes| (changes, RoomPatch::default()));
        self.edit(ask.who, plan, None, reply, cx);
    }
}

impl Receive<RemoveMember> for ChatRoom {
    fn receive(&mut self, ask: RemoveMember, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_removing(&ask).map(|changes| (changes, RoomPatch::default()));
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}

impl Receive<SetRole> for ChatRoom {
    fn receive(&mut self, ask: SetRole, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_role(&ask).map(|changes| (changes, RoomPatch::default()));
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}

impl Receive<Change> for ChatRoom {
    fn receive(&mut self, ask: Change, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_change(&ask).map(|patch| (Vec::new(), patch));
            own.edit(ask.who, plan, ask.if_version, reply, cx);
        });
    }
}
