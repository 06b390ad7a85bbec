//! Who may do what in a room. Every way in (REST, rpc, `publish`, `subscribe`) ends here.

use std::time::{Duration, Instant};

use super::{
    ChatRoom,
    messages::{Access, Enter, Look, Reconsider, Show, Shown, Tell, Typing},
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        error::ChatError,
        model::{Member, MemberRole, Mentions, RoomKind, Said, words},
    },
    principal::UserId,
    realtime::{Json, Publication},
};

type Answer<T> = Result<T, ChatError>;

/// How long it is believed that two people have (not) blocked each other: another node may know better.
const APART_FOR: Duration = Duration::from_secs(5);

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

    /// Whether a message is taken now; the member check has been made.
    pub(super) fn may_send(&mut self, me: &Member, said: &Said) -> Answer<()> {
        self.may_write(me)?;
        self.may_say(me, &said.body, &said.mentions)?;
        if !said.attachments.is_empty() && me.role < self.room.settings.attach() {
            return Err(ChatError::NeedsRole(self.room.settings.attach()));
        }
        if me.role == MemberRole::Member && self.room.kind != RoomKind::Direct {
            let taken = self.wrote.take(me.user_id, &self.room.settings, Instant::now());
            taken.map_err(|retry_after| ChatError::TooFast { retry_after })?;
        }
        Ok(())
    }

    /// Whether the others may hear of a member now.
    fn may_be_heard(&self, me: &Member) -> Answer<()> {
        self.open()?;
        if let Some(until) = me.suspended_until.filter(|until| *until > chrono::Utc::now()) {
            return Err(ChatError::Suspended(until));
        }
        if matches!(self.apart, Some((true, _))) {
            return Err(ChatError::Apart);
        }
        Ok(())
    }

    /// Whether a member may write at all now.
    pub(super) fn may_write(&mut self, me: &Member) -> Answer<()> {
        self.may_be_heard(me)?;
        let taken = self.pace.take(me.user_id, Instant::now());
        taken.map_err(|retry_after| ChatError::TooFast { retry_after })?;
        if self.queue.len() >= self.seed.limits.queue {
            return Err(ChatError::Busy);
        }
        Ok(())
    }

    /// Whether the room's rules let a member say this.
    pub(super) fn may_say(&self, me: &Member, body: &str, mentions: &Mentions) -> Answer<()> {
        let settings = &self.room.settings;
        let least = settings.mention_room(self.room.kind);
        if mentions.room && me.role < least {
            return Err(ChatError::field("/body", format!("@room takes the role {} here", least.as_str())));
        }
        if !settings.blocked_words.is_empty() {
            let used = words(body);
            if let Some(word) = settings.blocked_words.iter().find(|word| used.contains(word)) {
                return Err(ChatError::field("/body", format!("this room does not allow the word {word}")));
            }
        }
        Ok(())
    }

    /// Goes on once it is known whether the two of a direct room have blocked each other. Nothing else
    /// is handled in between, so messages keep their order.
    pub(super) fn beside_blocks<T: Send + 'static>(
        &mut self,
        reply: Reply<Answer<T>>,
        cx: &mut Cx<'_, Self>,
        then: impl FnOnce(&mut Self, Reply<Answer<T>>, &mut Cx<'_, Self>) + 'static,
    ) {
        let fresh = self.apart.is_some_and(|(_, at)| at.elapsed() < APART_FOR);
        let mut pair = self.members.keys();
        let (true, false, Some(a), Some(b)) =
            (self.room.kind == RoomKind::Direct, fresh, pair.next().copied(), pair.next().copied())
        else {
            return then(self, reply, cx);
        };
        let desk = self.seed.desk.clone();
        cx.wait(async move { desk.apart(a, b).await }, move |own, found, cx| match found {
            Err(error) => reply.send(Err(error.into())),
            Ok(apart) => {
                own.apart = Some((apart, Instant::now()));
                then(own, reply, cx);
            }
        });
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
                    let veiled = own.seed.blocks.veil(ask.who, None);
                    let publication = Publication { veiled, ..Publication::ephemeral(data) };
                    own.seed.outlet.publish(&own.typing, &publication);
                }
            }
            reply.send(allowed);
        });
    }
}

impl Receive<Tell> for ChatRoom {
    fn receive(&mut self, tell: Tell, reply: Reply<Answer<()>>, cx: &mut Cx<'_, Self>) {
        self.as_member(tell.who, reply, cx, move |own, me, reply, cx| {
            let Some(me) = me else { return reply.send(Err(ChatError::NotMember)) };
            own.beside_blocks(reply, cx, move |own, reply, _| {
                let allowed = own.may_be_heard(&me);
                if allowed.is_ok() {
                    let veiled = own.seed.blocks.veil(tell.who, None);
                    let info = Some(tell.client);
                    let publication = Publication { veiled, info, ..Publication::ephemeral(tell.data) };
                    own.seed.outlet.publish(&own.live, &publication);
                }
                reply.send(allowed);
            });
        });
    }
}

impl Receive<Reconsider> for ChatRoom {
    fn receive(&mut self, _: Reconsider, reply: Reply<()>, _: &mut Cx<'_, Self>) {
        self.apart = None;
        reply.send(());
    }
}
