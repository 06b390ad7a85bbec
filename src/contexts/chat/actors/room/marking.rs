//! How far each member has come.

use super::{
    ChatRoom,
    messages::{Mark, Marked, Receipt},
    writing::Waiting,
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        error::ChatError,
        model::{MessageId, Payload},
        store::Marks,
    },
};

impl Receive<Mark> for ChatRoom {
    fn receive(&mut self, ask: Mark, reply: Reply<Result<Marked, ChatError>>, cx: &mut Cx<'_, Self>) {
        self.as_member(ask.who, reply, cx, move |own, me, reply, cx| {
            let Some(me) = me else { return reply.send(Err(ChatError::NotMember)) };
            let top = own.top();
            let read = ask.marks.read.min(top);
            let marks = Marks { delivered: ask.marks.delivered.min(top).max(read), read };
            if marks.read <= me.read_seq && marks.delivered <= me.delivered_seq {
                return reply.send(Ok(Marked { member: me, moved: false, receipt: false }));
            }
            let (rooms, id, who) = (own.seed.rooms.clone(), own.id, ask.who);
            cx.spawn(async move { rooms.mark(id, who, marks).await }, move |own, marked, _| {
                let member = match marked {
                    Ok(Some(member)) => member,
                    Ok(None) => return reply.send(Err(ChatError::NotMember)),
                    Err(error) => return reply.send(Err(error.into())),
                };
                if let Some(known) = own.members.get_mut(&who) {
                    known.read_seq = known.read_seq.max(member.read_seq);
                    known.delivered_seq = known.delivered_seq.max(member.delivered_seq);
                }
                // A receipt is an event itself; only messages call for one, so it ends.
                let small = own.members.len() <= own.seed.limits.receipt_members;
                let due = me.read_seq < own.last_message.min(member.read_seq)
                    || me.delivered_seq < own.last_message.min(member.delivered_seq);
                reply.send(Ok(Marked { member, moved: true, receipt: small && due }));
            });
        });
    }
}

impl Receive<Receipt> for ChatRoom {
    fn receive(&mut self, ask: Receipt, reply: Reply<Result<(), ChatError>>, cx: &mut Cx<'_, Self>) {
        if let Some(me) = self.members.get(&ask.who)
            && self.open().is_ok()
            && self.queue.len() < self.seed.limits.queue
        {
            let payload = Payload::Receipt { delivered: me.delivered_seq, seen: me.read_seq };
            let event = self.event(ask.who, MessageId::new(), payload, cx);
            self.queue.push_back(Waiting::noted(event));
            self.pump(cx);
        }
        reply.send(Ok(()));
    }
}
