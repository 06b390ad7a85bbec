//! What is done to messages after they were said: edited, deleted, reacted to, pinned.
//!
//! The message is read first, beside other messages; what is allowed is decided on what it is then. Two
//! that come at once are both logged where both were allowed, and the log's order settles what is.

use super::{
    ChatRoom,
    messages::{Alter, Alteration, Sent},
    writing::Waiting,
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        error::ChatError,
        model::{Member, MemberRole, Mentions, Message, MessageId, Payload, now},
    },
};

/// Different emoji on one message.
const MOST_EMOJI: usize = 20;
/// Reactions to one message.
const MOST_REACTIONS: usize = 1_000;
/// Pinned messages of one room.
const MOST_PINS: usize = 50;

type Answer = Result<Sent, ChatError>;

impl Receive<Alter> for ChatRoom {
    fn receive(&mut self, ask: Alter, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, me, reply, cx| {
            if me.is_none() && !ask.moderator {
                return reply.send(Err(ChatError::NotMember));
            }
            own.beside_blocks(reply, cx, move |own, reply, cx| own.alter(me, ask, reply, cx));
        });
    }
}

impl ChatRoom {
    fn alter(&mut self, me: Option<Member>, ask: Alter, reply: Reply<Answer>, cx: &mut Cx<'_, Self>) {
        // One's own message can be taken back at any time, and a moderator is never held up.
        let free = matches!(ask.what, Alteration::Delete);
        let allowed = match &me {
            Some(me) if !free => self.may_write(me),
            _ => Ok(()),
        };
        if let Err(error) = allowed {
            return reply.send(Err(error));
        }
        let (log, id, target) = (self.seed.log.clone(), self.id, ask.target);
        let pinning = matches!(ask.what, Alteration::Pin(true));
        let read = async move {
            let message = log.message(id, target).await?;
            let pins = if pinning { log.pinned(id, MOST_PINS).await?.len() } else { 0 };
            Ok::<_, crate::contexts::chat::store::StoreError>((message, pins))
        };
        cx.spawn(read, move |own, read, cx| {
            let (message, pins) = match read {
                Ok((Some(message), pins)) => (message, pins),
                Ok((None, _)) => return reply.send(Err(ChatError::NoMessage)),
                Err(error) => return reply.send(Err(error.into())),
            };
            // Who they are may have changed while the message was read.
            let me = own.members.get(&ask.who).cloned().or(me);
            match own.plan(me.as_ref(), &ask, &message, pins) {
                Err(error) => reply.send(Err(error)),
                Ok(None) => reply.send(Ok(Sent {
                    message_id: message.id,
                    seq: message.changed_seq,
                    epoch: own.epoch.clone(),
                    duplicate: true,
                })),
                Ok(Some(payload)) => {
                    let event = own.event(ask.who, MessageId::new(), payload, cx);
                    own.queue.push_back(Waiting::asked(event, reply));
                    own.pump(cx);
                }
            }
        });
    }

    /// What is to be logged; `None` where it is so already.
    fn plan(
        &self,
        me: Option<&Member>,
        ask: &Alter,
        message: &Message,
        pins: usize,
    ) -> Result<Option<Payload>, ChatError> {
        let target = message.id;
        if let Some(seen) = ask.seen
            && (message.changed_seq != seen || self.may_have_changed(target, seen))
        {
            return Err(ChatError::MessageStale);
        }
        if let Alteration::Delete = ask.what {
            let mine = message.sender_id == ask.who && !message.system;
            let admin = me.is_some_and(|me| me.role >= MemberRole::Admin);
            if !(mine || admin || ask.moderator) {
                return Err(ChatError::NotAuthor);
            }
            let payload = Payload::Delete { target, thread: message.thread };
            return Ok(message.is_live().then_some(payload));
        }
        let me = me.ok_or(ChatError::NotMember)?;
        if !message.is_live() {
            return Err(ChatError::Deleted);
        }
        match &ask.what {
            Alteration::Delete => Ok(None),
            Alteration::Edit(body, mentions) => {
                if message.sender_id != ask.who || message.system {
                    return Err(ChatError::NotAuthor);
                }
                let age = now().signed_duration_since(message.created_at).to_std().unwrap_or_default();
                if self.seed.limits.edit_within.is_some_and(|within| age > within) {
                    return Err(ChatError::EditWindow);
                }
                // Those who may not call everybody may leave a call that stands.
                let calls = Mentions { room: mentions.room && !message.mentions.room, ..mentions.clone() };
                self.may_say(me, body.as_str(), &calls)?;
                let same = message.body == body.as_str() && message.mentions == *mentions;
                Ok((!same).then(|| Payload::Edit {
                    target,
                    body: body.as_str().to_owned(),
                    mentions: mentions.clone(),
                }))
            }
            Alteration::React(emoji, added) => {
                let known = message.reactions.iter().find(|reaction| reaction.emoji == emoji.as_str());
                let mine = known.is_some_and(|reaction| reaction.user_ids.contains(&ask.who));
                if mine == *added {
                    return Ok(None);
                }
                let total: usize = message.reactions.iter().map(|reaction| reaction.user_ids.len()).sum();
                let full =
                    (known.is_none() && message.reactions.len() >= MOST_EMOJI) || total >= MOST_REACTIONS;
                if *added && full {
                    return Err(ChatError::TooManyReactions);
                }
                Ok(Some(Payload::Reaction { target, emoji: emoji.as_str().to_owned(), added: *added }))
            }
            Alteration::Pin(pinned) => {
                let least = self.room.settings.pin(self.room.kind);
                if me.role < least {
                    return Err(ChatError::NeedsRole(least));
                }
                if message.pinned.is_some() == *pinned {
                    return Ok(None);
                }
                if *pinned && pins >= MOST_PINS {
                    return Err(ChatError::TooManyPins);
                }
                Ok(Some(Payload::Pin { target, pinned: *pinned }))
            }
        }
    }
}
