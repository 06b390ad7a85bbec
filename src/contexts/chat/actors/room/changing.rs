//! Members come and go; the room is renamed and archived.
//!
//! Each change is one transaction of the room store, which also writes what the log has to say
//! about it into the outbox. While it runs no other message is handled, so nothing is decided on a
//! state that is about to change.

use std::collections::HashMap;

use super::{
    ChatRoom,
    messages::{AddMembers, Change, Changed, Discipline, Join, RemoveMember, SetRole},
    writing::Waiting,
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        channels::{personal_channel, room_added, room_removed},
        error::ChatError,
        model::{
            MAX_MEMBERS, Member, MemberAction, MemberChange, MemberRole, Payload, Room, RoomKind, RoomState,
            SettingsPatch,
        },
        store::{Audit, Edit, Edited, RoomPatch, Sanction, Unlogged},
    },
    principal::UserId,
    realtime::{Json, Publication},
    telemetry::correlation::CorrelationId,
};

type Answer = Result<Changed, ChatError>;

/// What is to be changed.
#[derive(Default)]
struct Plan {
    members: Vec<MemberChange>,
    patch: RoomPatch,
    sanction: Option<Sanction>,
    audit: Option<Audit>,
}

impl From<Vec<MemberChange>> for Plan {
    fn from(members: Vec<MemberChange>) -> Self {
        Self { members, ..Self::default() }
    }
}

impl ChatRoom {
    fn edit(
        &mut self,
        who: UserId,
        plan: Result<Plan, ChatError>,
        if_version: Option<i64>,
        reply: Reply<Answer>,
        cx: &mut Cx<'_, Self>,
    ) {
        let Plan { members, patch, sanction, audit } = match plan {
            Ok(plan) => plan,
            Err(error) => return reply.send(Err(error)),
        };
        let mut about: Vec<UserId> = members.iter().map(|change| change.user_id).collect();
        about.extend(sanction.as_ref().map(Sanction::user).filter(|user| !about.contains(user)));
        if members.is_empty() && patch == RoomPatch::default() && sanction.is_none() {
            return reply.send(Ok(self.changed(&about)));
        }
        // What a member may not do has to be known at once; the event only says that it is so.
        let suspended = match &sanction {
            Some(Sanction::Suspend(user, until)) => Some((*user, *until)),
            _ => None,
        };
        let correlation_id =
            cx.correlation().cloned().unwrap_or_else(CorrelationId::fresh).as_str().to_owned();
        let edit = Edit { by: who, members, patch, sanction, audit, if_version, correlation_id };
        let (rooms, id) = (self.seed.rooms.clone(), self.id);
        cx.wait(async move { rooms.edit(id, edit).await }, move |own, edited, cx| match edited {
            Ok(Edited::Done(room, news)) => {
                own.apply(room, news);
                if let Some((user, until)) = suspended
                    && let Some(member) = own.members.get_mut(&user)
                {
                    member.suspended_until = until;
                }
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
                    let is_new = !self.members.contains_key(&user_id);
                    let fresh = || Member::new(user_id, role, change.created_at);
                    self.members.entry(user_id).or_insert_with(fresh).role = role;
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
        self.seed.outlet.unsubscribe(user, &self.live);
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

    /// Who may discipline: an admin of the room, or whoever moderates the platform. Nobody may do it to
    /// an owner but the platform, nor to themselves.
    fn plan_discipline(&self, ask: &Discipline) -> Result<Plan, ChatError> {
        self.not_direct()?;
        let user = ask.sanction.user();
        if user == ask.who {
            return Err(ChatError::field("/user_id", "must be somebody else"));
        }
        let theirs = self.members.get(&user).map(|member| member.role);
        if !ask.moderator {
            let mine = self.members.get(&ask.who).ok_or(ChatError::NotMember)?.role;
            if mine < MemberRole::Admin {
                return Err(ChatError::NeedsModerator);
            }
            if theirs == Some(MemberRole::Owner)
                || (theirs == Some(MemberRole::Admin) && mine < MemberRole::Owner)
            {
                return Err(ChatError::OwnerOnly);
            }
        }
        let (action, until) = match &ask.sanction {
            Sanction::Suspend(_, None) => ("member.restore", None),
            Sanction::Suspend(_, until) => ("member.suspend", *until),
            Sanction::Ban(_, until) => ("member.ban", *until),
            Sanction::Unban(_) => ("member.unban", None),
        };
        let mut members = Vec::new();
        match (&ask.sanction, theirs) {
            (Sanction::Suspend(..), None) => return Err(ChatError::NoSuchMember),
            (Sanction::Ban(..), Some(role)) => {
                members.push(MemberChange { user_id: user, action: MemberAction::Removed, role });
                members.extend(self.successor(user));
            }
            _ => {}
        }
        let audit = Audit {
            action,
            user_id: Some(user),
            message_id: None,
            detail: serde_json::json!({ "until": until, "reason": ask.reason, "platform": ask.moderator }),
        };
        Ok(Plan { members, sanction: Some(ask.sanction.clone()), audit: Some(audit), ..Plan::default() })
    }

    fn plan_change(&self, ask: &Change) -> Result<Plan, ChatError> {
        // What cannot be taken back is the owner's to decide.
        let owners = ask.patch.archived.is_some() || ask.patch.settings.retention_days.is_some();
        let least = if owners { MemberRole::Owner } else { MemberRole::Admin };
        self.needs(ask.who, MemberRole::Member)?;
        self.not_direct()?;
        self.needs(ask.who, least)?;
        if ask.if_version.is_some_and(|version| version != self.room.version) {
            return Err(ChatError::Stale);
        }
        if ask.patch.archived.is_none() {
            self.open()?;
        }
        let settings = &ask.patch.settings;
        let audit = (*settings != SettingsPatch::default()).then(|| Audit {
            action: "room.settings",
            user_id: None,
            message_id: None,
            detail: serde_json::json!({
                "slow_mode_seconds": settings.slow_mode_seconds,
                "messages_per_minute": settings.messages_per_minute, "retention_days": settings.retention_days,
                "mention_room": settings.mention_room, "pin": settings.pin, "attach": settings.attach,
                "blocked_words": settings.blocked_words, "flagged_words": settings.flagged_words,
            }),
        });
        Ok(Plan { patch: ask.patch.clone(), audit, ..Plan::default() })
    }
}

impl Receive<AddMembers> for ChatRoom {
    fn receive(&mut self, ask: AddMembers, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_adding(&ask).map(Plan::from);
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}

impl Receive<Join> for ChatRoom {
    fn receive(&mut self, ask: Join, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        let plan = self.plan_joining(ask.who).map(Plan::from);
        self.edit(ask.who, plan, None, reply, cx);
    }
}

impl Receive<RemoveMember> for ChatRoom {
    fn receive(&mut self, ask: RemoveMember, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_removing(&ask).map(Plan::from);
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}

impl Receive<SetRole> for ChatRoom {
    fn receive(&mut self, ask: SetRole, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_role(&ask).map(Plan::from);
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}

impl Receive<Change> for ChatRoom {
    fn receive(&mut self, ask: Change, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_change(&ask);
            own.edit(ask.who, plan, ask.if_version, reply, cx);
        });
    }
}

impl Receive<Discipline> for ChatRoom {
    fn receive(&mut self, ask: Discipline, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, _, reply, cx| {
            let plan = own.plan_discipline(&ask);
            own.edit(ask.who, plan, None, reply, cx);
        });
    }
}
