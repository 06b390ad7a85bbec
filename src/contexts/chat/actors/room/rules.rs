//! Who may do what in a room. Every way in (REST, rpc, `publish`, `subscribe`) ends here.

use std::time::Instant;

use super::{
    ChatRoom,
    messages::{Access, Enter, Look, MarkRead, Show, Shown, Typing},
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        error::ChatError,
        model::{Member, MemberRole, RoomKind},
    },
    principal::UserId,
    realtime::{Json, Publication},
};

type Answer<T> = Result<T, ChatError>;

impl ChatRoom {
    /// Goes on with `then` if `who` is a member, else refuses.
    ///
    /// Somebody who is not known as one may have been let in on another node; the store knows. It
    /// is asked beside the other messages, so that strangers hold nobody up.
    pub(super) fn as_member<T: Send + 'static>(
        &mut self,
        who: UserId,
        reply: Reply<Answer<T>>,
        cx: &mut Cx<'_, Self>,
        then: impl FnOnce(&mut Self, Option<Member>, Reply<Answer<T>>, &mut Cx<'_, Self>) + 'static,
    ) {
        if let Some(member) = self.members.get(&who) {
            let member = member.clone();
            return then(self, Some(member), reply, cx);
        }
        let (rooms, id, generation) = (self.seed.rooms.clone(), self.id, self.generation);
        cx.spawn(async move { rooms.member(id, who).await }, move |own, found, cx| match found {
            Err(error) => reply.send(Err(error.into())),
            // Who is in the room has changed since the store was asked: what it said may be old.
            Ok(Some(_)) if own.generation != generation => own.as_member(who, reply, cx, then),
            Ok(Some(member)) => {
                own.members.insert(who, member.clone());
                own.stale = true;
                own.pump(cx);
                then(own, Some(member), reply, cx);
            }
            Ok(None) => then(own, own.members.get(&who).cloned(), reply, cx),
        });
    }

    /// Whether a message of `who` is taken now; the member check has been made.
    pub(super) fn may_send(&mut self, who: UserId) -> Answer<()> {
        self.open()?;
        self.pace.take(who, Instant::now()).map_err(|retry_after| ChatError::TooFast { retry_after })?;
        if self.queue.len() >= self.seed.limits.queue {
            return Err(ChatError::Busy);
        }
        Ok(())
    }

    /// Refuses in an archived room.
    pub(super) fn open(&self) -> Answer<()> {
        if self.room.archived_at.is_some() { Err(ChatError::Archived) } else { Ok(()) }
    }

    /// Refuses in a direct room.
    pub(super) fn not_direct(&self) -> Answer<()> {
        if self.room.kind == RoomKind::Direct { Err(ChatError::DirectIsFixed) } else { Ok(()) }
    }

    /// The member's role, if it is at least `least`.
    pub(super) fn needs(&self, who: UserId, least: MemberRole) -> Answer<MemberRole> {
        let role = self.members.get(&who).ok_or(ChatError::NotMember)?.role;
        if role < least { Err(ChatError::NeedsRole(least)) } else { Ok(role) }
    }

    /// Up to `most` members: those of higher role first, then the longest-standing. A room may have
    /// twenty thousand, so only those shown are sorted and copied.
    fn foremost(&self, most: usize) -> Vec<Member> {
        let rank = |m: &&Member| (std::cmp::Reverse(m.role), m.joined_at, m.user_id);
        let mut found: Vec<&Member> = self.members.values().collect();
        if found.len() > most {
            found.select_nth_unstable_by_key(most, rank);
            found.truncate(most);
        }
        found.sort_unstable_by_key(rank);
        found.into_iter().cloned().collect()
    }

    fn access(&self, me: Option<MemberRole>) -> Access {
        Access {
            room: self.room.clone(),
            me,
            member_count: self.members.len(),
            top: self.top(),
            epoch: self.epoch.clone(),
        }
    }
}

impl Receive<Enter> for ChatRoom {
    fn receive(&mut self, ask: Enter, reply: Reply<Answer<Access>>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, |own, me, reply, _| {
            reply.send(me.map(|me| own.access(Some(me.role))).ok_or(ChatError::NotMember));
        });
    }
}

impl Receive<Look> for ChatRoom {
    fn receive(&mut self, ask: Look, reply: Reply<Answer<Access>>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, |own, me, reply, _| {
            let may = me.is_some() || own.room.kind == RoomKind::Public;
            reply.send(if may { Ok(own.access(me.map(|me| me.role))) } else { Err(ChatError::NotMember) });
        });
    }
}

impl Receive<Show> for ChatRoom {
    fn receive(&mut self, ask: Show, reply: Reply<Answer<Shown>>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, me, reply, _| {
            // A stranger to a public room sees that it is there, not who is in it.
            let is_public = own.room.kind == RoomKind::Public;
            let mut members = Vec::new();
            if me.is_some() {
                members = own.foremost(ask.members);
            }
            let shown = Shown { access: own.access(me.as_ref().map(|me| me.role)), members };
            reply.send(if me.is_some() || is_public { Ok(shown) } else { Err(ChatError::NotMember) });
        });
    }
}

impl Receive<Typing> for ChatRoom {
    fn receive(&mut self, ask: Typing, reply: Reply<Answer<()>>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, me, reply, _| {
            let allowed = me.ok_or(ChatError::NotMember).and_then(|_| own.open());
            // Too often is no error: the sign that stands says the same.
            if allowed.is_ok() && own.typing_pace.take(ask.who, Instant::now()).is_ok() {
                let sign = serde_json::json!({
                    "type": "typing", "user_id": ask.who,
                    "for_ms": (own.seed.limits.typing_every * 2).as_millis() as u64,
                });
                if let Ok(data) = Json::of(&sign) {
                    own.seed.outlet.publish(&own.typing, &Publication::ephemeral(data));
                }
            }
            reply.send(allowed);
        });
    }
}

impl Receive<MarkRead> for ChatRoom {
    fn receive(&mut self, ask: MarkRead, reply: Reply<Answer<u64>>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, me, reply, cx| {
            let Some(me) = me else { return reply.send(Err(ChatError::NotMember)) };
            let seq = ask.seq.min(own.top());
            if seq <= me.read_seq {
                return reply.send(Ok(me.read_seq));
            }
            let (rooms, id, who) = (own.seed.rooms.clone(), own.id, ask.who);
            cx.spawn(async move { rooms.mark_read(id, who, seq).await }, move |own, marked, _| {
                let answer = marked.map_err(ChatError::from).and_then(|now| now.ok_or(ChatError::NotMember));
                if let (Ok(now), Some(me)) = (&answer, own.members.get_mut(&who)) {
                    me.read_seq = me.read_seq.max(*now);
                }
                reply.send(answer);
            });
        });
    }
}
