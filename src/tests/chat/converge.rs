//! Invariant 13 of the domain, with what happens to messages: a client that applies what it missed shows
//! what the server's history answers, from wherever it goes on; and the counters are what it can count.

use std::collections::HashMap;

use proptest::prelude::*;

use super::log::cases;
use crate::{
    contexts::chat::{
        EventLog, MessageId, PostgresLog, RoomId, Seq,
        contract::{self, Mentions, Message, NewEvent, Payload, Reader, Said, fold},
    },
    principal::UserId,
    tests::support::database::TestDatabase,
};

/// Something that somebody does. Numbers choose among the people and messages there are.
#[derive(Clone, Debug)]
enum Act {
    Say { who: usize, mentions: Option<usize> },
    Reply { who: usize, to: usize },
    Edit { who: usize, which: usize, mentions: Option<usize> },
    Delete { who: usize, which: usize },
    React { who: usize, which: usize, emoji: usize, added: bool },
    Pin { who: usize, which: usize, pinned: bool },
    Receipt { who: usize },
}

fn act() -> impl Strategy<Value = Act> {
    let who = || 0..3usize;
    let n = any::<usize>;
    prop_oneof![
        4 => (who(), prop::option::weighted(0.3, 0..4usize)).prop_map(|(who, mentions)| Act::Say { who, mentions }),
        2 => (who(), n()).prop_map(|(who, to)| Act::Reply { who, to }),
        3 => (who(), n(), prop::option::weighted(0.3, 0..4usize))
            .prop_map(|(who, which, mentions)| Act::Edit { who, which, mentions }),
        2 => (who(), n()).prop_map(|(who, which)| Act::Delete { who, which }),
        4 => (who(), n(), 0..3usize, any::<bool>())
            .prop_map(|(who, which, emoji, added)| Act::React { who, which, emoji, added }),
        1 => (who(), n(), any::<bool>()).prop_map(|(who, which, pinned)| Act::Pin { who, which, pinned }),
        1 => who().prop_map(|who| Act::Receipt { who }),
    ]
}

/// The messages that were said, with the thread of each.
#[derive(Default)]
struct Known(Vec<(MessageId, Option<MessageId>)>);

impl Known {
    fn pick(&self, n: usize) -> Option<(MessageId, Option<MessageId>)> {
        (!self.0.is_empty()).then(|| self.0[n % self.0.len()])
    }

    fn event(&mut self, act: &Act, people: &[UserId], n: usize) -> Option<NewEvent> {
        let mentions = |choice: &Option<usize>| match choice {
            None => Mentions::default(),
            Some(3) => Mentions { users: Vec::new(), room: true },
            Some(who) => Mentions { users: vec![people[*who]], room: false },
        };
        let body = format!("text {n}");
        let event = match act {
            Act::Say { who, mentions: choice } => {
                let said = Said { mentions: mentions(choice), ..Said::text(body) };
                let event = contract::does(people[*who], Payload::Message(said));
                self.0.push((event.message_id, None));
                event
            }
            Act::Reply { who, to } => {
                let (to, thread) = self.pick(*to)?;
                let thread = Some(thread.unwrap_or(to));
                let said = Said { reply_to: Some(to), thread, ..Said::text(body) };
                let event = contract::does(people[*who], Payload::Message(said));
                self.0.push((event.message_id, thread));
                event
            }
            Act::Edit { who, which, mentions: choice } => {
                let target = self.pick(*which)?.0;
                contract::does(people[*who], Payload::Edit { target, body, mentions: mentions(choice) })
            }
            Act::Delete { who, which } => {
                let (target, thread) = self.pick(*which)?;
                contract::deletes(people[*who], target, thread)
            }
            Act::React { who, which, emoji, added } => {
                contract::reacts(people[*who], self.pick(*which)?.0, ["👍", "🎉", "👀"][*emoji], *added)
            }
            Act::Pin { who, which, pinned } => contract::pins(people[*who], self.pick(*which)?.0, *pinned),
            Act::Receipt { who } => contract::does(people[*who], Payload::Receipt { delivered: 1, seen: 1 }),
        };
        Some(event)
    }
}

/// A device: what it shows, and up to where it has followed.
#[derive(Clone, Default)]
struct Device {
    messages: HashMap<MessageId, Message>,
    at: Seq,
}

impl Device {
    /// Applies what it missed, in stretches of `step`.
    async fn catch_up(&mut self, log: &dyn EventLog, room: RoomId, step: usize) {
        loop {
            let slice = log.since(room, self.at, step).await.unwrap();
            if slice.events.is_empty() {
                return;
            }
            for event in slice.events {
                assert_eq!(event.seq, self.at + 1, "gapless");
                self.at = event.seq;
                fold(&mut self.messages, &event);
            }
        }
    }

    fn shows(&self) -> Vec<Message> {
        let mut all: Vec<Message> = self.messages.values().cloned().collect();
        all.sort_by_key(|message| message.seq);
        all
    }

    fn counts(&self, who: UserId, read: Seq) -> (u64, u64) {
        let unread = || self.messages.values().filter(|m| m.seq > read && m.is_live() && m.sender_id != who);
        let mentions = unread().filter(|m| m.mentions.room || m.mentions.users.contains(&who));
        (unread().count() as u64, mentions.count() as u64)
    }
}

async fn converges(log: &dyn EventLog, batches: Vec<Vec<Act>>, step: usize, read: Seq) {
    let (room, people) = (RoomId::new(), [UserId::new(), UserId::new(), UserId::new()]);
    log.open(room).await.unwrap();
    let (mut known, mut devices, mut n) = (Known::default(), vec![Device::default()], 0);
    for acts in batches {
        let mut batch = Vec::new();
        for act in &acts {
            n += 1;
            batch.extend(known.event(act, &people, n));
        }
        if batch.is_empty() {
            continue;
        }
        log.append(room, &batch).await.unwrap();
        // A resend of the whole batch, as after an answer that was lost.
        assert!(log.append(room, &batch).await.unwrap().outcomes.iter().all(|outcome| outcome.duplicate));
        // From here on one device follows that began with the history, and one that began with the log.
        let top = log.open(room).await.unwrap().last_seq;
        let messages = contract::history(log, room).await.into_iter().map(|m| (m.id, m)).collect();
        devices.push(Device { messages, at: top });
        if devices.len() % 2 == 0 {
            devices[0].catch_up(log, room, step).await;
        }
    }
    let history = contract::history(log, room).await;
    for device in &mut devices {
        let from = device.at;
        device.catch_up(log, room, step).await;
        assert_eq!(device.shows(), history, "from {from}");
        // What was applied is applied again: at most once has an effect.
        let before = device.clone();
        device.at = from;
        device.catch_up(log, room, step).await;
        assert_eq!(device.shows(), before.shows(), "again from {from}");
    }
    for who in people {
        let digest = log.digests(Reader::plain(who), &[(room, read)]).await.unwrap().remove(&room).unwrap();
        assert_eq!((digest.unread, digest.mentions), devices[0].counts(who, read));
    }
    for message in &history {
        assert_eq!(log.message(room, message.id).await.unwrap().as_ref(), Some(message));
        if message.thread.is_none() {
            let (replies, _) = log.thread(room, message.id, 0, 1_000).await.unwrap();
            assert_eq!(replies.iter().filter(|reply| reply.is_live()).count() as u64, message.replies);
        }
    }
    let mut pinned: Vec<&Message> = history.iter().filter(|message| message.pinned.is_some()).collect();
    pinned.sort_by_key(|message| std::cmp::Reverse(message.pinned.as_ref().map(|pinned| pinned.seq)));
    assert_eq!(log.pinned(room, 1_000).await.unwrap().iter().collect::<Vec<_>>(), pinned);
    log.refold(room).await.unwrap();
    assert_eq!(contract::history(log, room).await, history);
}

#[test]
fn whoever_applies_what_it_missed_shows_what_history_answers() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let database = TestDatabase::new();
    let log = PostgresLog::new(runtime.block_on(database.open()));
    let batches = prop::collection::vec(prop::collection::vec(act(), 1..6), 1..12);
    proptest!(cases(32), |(batches in batches, step in 1..7usize, read in 0..20u64)| {
        runtime.block_on(converges(&log, batches, step, read));
    });
}
