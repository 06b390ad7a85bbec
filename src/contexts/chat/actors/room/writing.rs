//! Queue, append, publish, catch up.

use std::{sync::atomic::Ordering, time::Duration};

use super::{
    ChatRoom,
    messages::{CatchUp, Send, Sent},
};
use crate::{
    actors::{Cx, Receive, Reply},
    contexts::chat::{
        announcer,
        error::ChatError,
        model::{ClientMsgId, Event, MessageId, NewEvent, Payload, RoomState, Seq, now},
        store::{Appended, Slice, StoreError, Unlogged},
    },
    principal::UserId,
    realtime::{Json, Publication},
    telemetry::{correlation::CorrelationId, log},
};

/// Events read at once while catching up.
const STRETCH: usize = 500;
/// Changes that are remembered, so that nobody overwrites one unseen.
const REMEMBERED: usize = 256;
/// The first pause while the store is away, doubled up to the last.
const AWAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// An event on its way into the log.
pub(super) struct Waiting {
    event: NewEvent,
    origin: Origin,
}

/// Who wants it there.
enum Origin {
    /// Somebody who waits for the answer.
    Asker(Reply<Result<Sent, ChatError>>),
    /// The outbox.
    Outbox,
    /// Nobody: it is no loss if it does not get there.
    Nobody,
}

impl Waiting {
    /// A change from the outbox.
    pub(super) fn change(change: Unlogged) -> Self {
        Self { event: change.into(), origin: Origin::Outbox }
    }

    /// Something that somebody waits for.
    pub(super) fn asked(event: NewEvent, reply: Reply<Result<Sent, ChatError>>) -> Self {
        Self { event, origin: Origin::Asker(reply) }
    }

    /// Something that nobody waits for.
    pub(super) fn noted(event: NewEvent) -> Self {
        Self { event, origin: Origin::Nobody }
    }
}

impl Receive<Send> for ChatRoom {
    fn receive(&mut self, send: Send, reply: Reply<Result<Sent, ChatError>>, cx: &mut Cx<'_, Self>) {
        self.as_member(send.who, reply, cx, move |own, me, reply, cx| {
            let Some(me) = me else { return reply.send(Err(ChatError::NotMember)) };
            own.beside_blocks(reply, cx, move |own, reply, cx| {
                if let Err(error) = own.may_send(&me, &send.said) {
                    return reply.send(Err(error));
                }
                let Send { who, message_id, client_msg_id, said } = send;
                let event =
                    NewEvent { client_msg_id, ..own.event(who, message_id, Payload::Message(said), cx) };
                own.queue.push_back(Waiting::asked(event, reply));
                own.pump(cx);
            });
        });
    }
}

impl Receive<CatchUp> for ChatRoom {
    fn receive(&mut self, _: CatchUp, reply: Reply<()>, cx: &mut Cx<'_, Self>) {
        // Unless it is behind for a reason of its own.
        self.hinted = !self.behind || self.hinted;
        self.behind = true;
        self.again = self.flying;
        self.pump(cx);
        reply.send(());
    }
}

/// What a catch-up read.
struct Caught {
    slice: Slice,
    outbox: Option<Vec<Unlogged>>,
    state: Option<Option<RoomState>>,
}

impl ChatRoom {
    /// Whether something may have happened to a message after `seen` that its reader cannot know of.
    pub(super) fn may_have_changed(&self, message: MessageId, seen: Seq) -> bool {
        self.behind
            || self.flying_changes.contains(&message)
            || self.queue.iter().any(|waiting| waiting.event.payload.touches().contains(&message))
            || self.changed.iter().any(|(target, seq)| *target == message && *seq > seen)
    }

    /// An event of now, caused by the request in hand.
    pub(super) fn event(
        &self,
        who: UserId,
        message_id: MessageId,
        payload: Payload,
        cx: &Cx<'_, Self>,
    ) -> NewEvent {
        let correlation = cx.correlation().cloned().unwrap_or_else(CorrelationId::fresh);
        NewEvent {
            message_id,
            sender_id: who,
            client_msg_id: ClientMsgId::internal(message_id.0),
            payload,
            created_at: now(),
            correlation_id: correlation.as_str().to_owned(),
        }
    }

    /// Sets the next piece of work going, if none is on its way.
    pub(super) fn pump(&mut self, cx: &mut Cx<'_, Self>) {
        if self.flying {
            return;
        }
        if self.behind || self.stale || self.outbox_due {
            return self.catch_up(cx);
        }
        if self.queue.is_empty() {
            return;
        }
        let most = if self.alone > 0 { 1 } else { self.seed.limits.batch.max(1) };
        self.alone = self.alone.saturating_sub(1);
        let waiting = self.queue.drain(..most.min(self.queue.len()));
        let (events, origins): (Vec<NewEvent>, Vec<Origin>) =
            waiting.map(|waiting| (waiting.event, waiting.origin)).unzip();
        self.flying = true;
        self.flying_changes = events.iter().flat_map(|event| event.payload.touches()).collect();
        self.counts.inserts += 1;
        let (store, id) = (self.seed.log.clone(), self.id);
        let insert = async move {
            let result = store.append(id, &events).await;
            (events, result)
        };
        cx.spawn(insert, move |own, (events, result), cx| {
            own.flying = false;
            own.flying_changes.clear();
            match result {
                Ok(appended) => own.landed(events, origins, &appended, cx),
                Err(error) => own.missed(events, origins, error, cx),
            }
            own.pump(cx);
        });
    }

    /// A batch is durable: publish it, then answer.
    fn landed(
        &mut self,
        events: Vec<NewEvent>,
        origins: Vec<Origin>,
        appended: &Appended,
        cx: &mut Cx<'_, Self>,
    ) {
        self.away = None;
        if appended.prior == self.top() && appended.epoch == self.epoch {
            for (event, outcome) in events.into_iter().zip(&appended.outcomes) {
                if !outcome.duplicate {
                    self.publish(&event.at(outcome.seq));
                }
            }
        } else {
            // Somebody else wrote in between: theirs go out first.
            self.behind = true;
            self.hinted = true;
        }
        if appended.outcomes.iter().any(|outcome| !outcome.duplicate) {
            self.seed.outlet.grown(&self.channel);
        }
        let mut logged: Vec<MessageId> = Vec::new();
        for (origin, outcome) in origins.into_iter().zip(&appended.outcomes) {
            match origin {
                Origin::Nobody => {}
                Origin::Outbox => logged.push(outcome.message_id),
                Origin::Asker(reply) => {
                    self.counts.sent += 1;
                    self.counts.duplicates += u64::from(outcome.duplicate);
                    reply.send(Ok(Sent {
                        message_id: outcome.message_id,
                        seq: outcome.seq,
                        epoch: appended.epoch.clone(),
                        duplicate: outcome.duplicate,
                    }));
                }
            }
        }
        if !logged.is_empty() {
            let (rooms, id) = (self.seed.rooms.clone(), self.id);
            cx.spawn(async move { rooms.logged(id, &logged).await }, |_, done, _| {
                // Left in the outbox they are appended again at the next rebuild, as duplicates.
                if let Err(error) = done {
                    slog::warn!(log(), "the room's outbox was not cleared"; "error" => %error);
                }
            });
        }
    }

    /// A batch failed; whether it was written is not known.
    fn missed(
        &mut self,
        events: Vec<NewEvent>,
        origins: Vec<Origin>,
        error: StoreError,
        cx: &mut Cx<'_, Self>,
    ) {
        self.counts.failed += 1;
        self.behind = true;
        self.hinted = false;
        slog::warn!(log(), "a room's insert failed";
            "room" => %self.id, "messages" => events.len(), "error" => %error, "cause" => cause(&error));
        if let StoreError::Unavailable(_) = error {
            for origin in origins {
                self.turn_away(origin);
            }
            return self.back_off(cx);
        }
        // The store answers and refuses: one of them is to blame. Each goes alone, so that the
        // others do not suffer for it.
        if events.len() > 1 {
            self.alone += events.len();
            for (event, origin) in events.into_iter().zip(origins).rev() {
                self.queue.push_front(Waiting { event, origin });
            }
            return;
        }
        for origin in origins {
            match origin {
                Origin::Asker(reply) => reply.send(Err(ChatError::Store(StoreError::Failed(
                    "the message store refuses this message".into(),
                )))),
                Origin::Nobody => {}
                Origin::Outbox => slog::error!(log(), "a room's change cannot be logged"; "room" => %self.id),
            }
        }
    }

    /// The store is away: those who wait hear it now instead of at their deadline.
    fn turn_away(&mut self, origin: Origin) {
        match origin {
            Origin::Asker(reply) => reply.send(Err(ChatError::LogAway)),
            Origin::Nobody => {}
            // It is in the outbox still, and comes back from there.
            Origin::Outbox => self.outbox_due = true,
        }
    }

    fn back_off(&mut self, cx: &mut Cx<'_, Self>) {
        let pause = self.away.map_or(AWAY.0, |last| (last * 2).min(AWAY.1));
        self.away = Some(pause);
        // One timer at a time: every message that comes meanwhile tries by itself and fails here.
        if !std::mem::replace(&mut self.retrying, true) {
            cx.after(pause, |own, cx| {
                own.retrying = false;
                own.pump(cx);
            });
        }
    }

    /// Reads what the log holds past the last published event, and whatever else may be old.
    fn catch_up(&mut self, cx: &mut Cx<'_, Self>) {
        self.flying = true;
        let (seed, id, from, generation) = (self.seed.clone(), self.id, self.top(), self.generation);
        let (outbox_due, stale) = (self.outbox_due, self.stale);
        let hinted = std::mem::take(&mut self.hinted);
        let read = async move {
            let slice = seed.log.since(id, from, STRETCH).await?;
            let outbox = if outbox_due { Some(seed.rooms.unlogged(id).await?) } else { None };
            // Who is in the room changed elsewhere if an event says so.
            let stale = stale || slice.events.iter().any(|e| e.payload.is_about_room());
            let state = if stale { Some(seed.rooms.load(id).await?) } else { None };
            Ok::<_, StoreError>(Caught { slice, outbox, state })
        };
        cx.spawn(read, move |own, caught, cx| {
            own.flying = false;
            match caught {
                Ok(caught) => own.caught_up(caught, generation, hinted, cx),
                Err(error) => {
                    slog::warn!(log(), "a room cannot read its log";
                        "room" => %own.id, "error" => %error, "cause" => cause(&error));
                    own.behind = true;
                    for waiting in std::mem::take(&mut own.queue) {
                        own.turn_away(waiting.origin);
                    }
                    own.alone = 0;
                    return own.back_off(cx);
                }
            }
            own.pump(cx);
        });
    }

    fn caught_up(&mut self, caught: Caught, generation: u64, hinted: bool, cx: &mut Cx<'_, Self>) {
        self.away = None;
        let Caught { slice, outbox, state } = caught;
        let rewound = slice.top.last_seq < self.top();
        if rewound || slice.top.epoch != self.epoch {
            // The log was restored to an earlier state: whoever listens holds a position that means
            // nothing any more, and is told to subscribe anew.
            slog::warn!(log(), "a room's log began a new life"; "room" => %self.id,
                "published" => self.top(), "last" => slice.top.last_seq);
            self.epoch.clone_from(&slice.top.epoch);
            self.seed.outlet.reset(&self.channel);
            self.published.store(slice.top.last_seq, Ordering::Relaxed);
        } else {
            for event in &slice.events {
                self.publish(event);
            }
            // Nothing left to read where the log was cut past what was published.
            if slice.events.is_empty() {
                self.published.store(slice.top.last_seq, Ordering::Relaxed);
            } else if !hinted {
                // Perhaps this node's own, of which nobody else was told.
                self.seed.outlet.grown(&self.channel);
            }
        }
        // What is left is read for the same reason.
        self.hinted = hinted;
        self.behind = self.top() < slice.top.last_seq || std::mem::take(&mut self.again);
        if let Some(outbox) = outbox {
            self.outbox_due = false;
            for change in outbox {
                // One that waits already is not queued twice.
                if !self.queue.iter().any(|waiting| waiting.event.message_id == change.id) {
                    self.queue.push_back(Waiting::change(change));
                }
            }
        }
        match state {
            None => {}
            Some(None) => cx.stop(),
            // Changed here while the store was asked: what it said may be old, ask again.
            Some(Some(_)) if self.generation != generation => self.stale = true,
            Some(Some(state)) => {
                self.stale = false;
                self.adopt(state, hinted);
            }
        }
    }

    /// Sends an event to whoever listens, in the order of the log.
    fn publish(&mut self, event: &Event) {
        let expected: Seq = self.top() + 1;
        if event.seq < expected {
            return;
        }
        self.published.store(event.seq, Ordering::Relaxed);
        self.seed.metrics.events.with_label_values(&[sort(&event.payload)]).inc();
        if event.payload.is_message() {
            self.last_message = event.seq;
        }
        for target in event.payload.touches() {
            if self.changed.len() == REMEMBERED {
                self.changed.pop_front();
            }
            self.changed.push_back((target, event.seq));
        }
        if announcer::is_news(&event.payload) {
            self.seed.stir.room(self.id);
        }
        // Ours to serialise, so it always can be; were it not, listeners see a gap and recover.
        if let Ok(data) = Json::of(&event.publication()) {
            let publication = Publication {
                time: Some(event.created_at.timestamp_millis()),
                veiled: event.veil(&self.seed.blocks),
                ..Publication::at(event.seq, data)
            };
            self.seed.outlet.publish(&self.channel, &publication);
        }
    }
}

/// The sort as a label: those of another version share one.
fn sort(payload: &Payload) -> &str {
    if matches!(payload, Payload::Other { .. }) { "other" } else { payload.kind() }
}

fn cause(error: &StoreError) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
impl Receive<super::messages::Poison> for ChatRoom {
    fn receive(&mut self, _: super::messages::Poison, _: Reply<()>, _: &mut Cx<'_, Self>) {
        panic!("poison")
    }
}
