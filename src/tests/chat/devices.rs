//! Two devices of one person, one of them away now and then: once both are back, both show the same messages,
//! edits, reactions, read position and counters as the server answers, whatever happened in between and in
//! whatever order, crashes of the room's actor and of the whole node among it.
//!
//! A device is written here anew, from `docs/chat.md`, over what goes out as JSON: it shares no code with the
//! server's own fold, so that a mistake there does not excuse itself.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};

use super::support::{Fault, Node, says, up_to};
use crate::{
    contexts::chat::{Actor, ChatError, EditForm, MessageId, RoomId, SendForm, messages::Poison},
    principal::UserId,
    tests::support::database::TestDatabase,
};

/// What a device shows of a message.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shown {
    sender: String,
    body: String,
    edited: bool,
    deleted: bool,
    pinned: bool,
    replies: i64,
    reactions: BTreeMap<String, BTreeSet<String>>,
    mentions: BTreeSet<String>,
    calls_all: bool,
    changed: u64,
    seq: u64,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

impl Shown {
    /// From a page of history.
    fn answered(item: &Value) -> Self {
        let reactions = item["reactions"].as_array().into_iter().flatten();
        Self {
            sender: text(&item["sender_id"]),
            body: text(&item["body"]),
            edited: item["edited_at"].is_string(),
            deleted: item["deleted_at"].is_string(),
            pinned: item["pinned_at"].is_string(),
            replies: item["replies"].as_i64().unwrap_or(0),
            reactions: reactions.map(|r| (text(&r["emoji"]), names(&r["user_ids"]))).collect(),
            mentions: names(&item["mentions"]),
            calls_all: item["mentions_room"].as_bool().unwrap_or(false),
            changed: item["changed_seq"].as_u64().unwrap(),
            seq: item["seq"].as_u64().unwrap(),
        }
    }

    /// From its event.
    fn said(data: &Value) -> Self {
        let seq = data["seq"].as_u64().unwrap();
        Self { changed: seq, seq, ..Self::answered(&with(data, "changed_seq", json!(seq))) }
    }
}

fn with(data: &Value, name: &str, value: Value) -> Value {
    let mut data = data.clone();
    data[name] = value;
    data
}

/// A device of one person, and what it knows.
#[derive(Clone, Default)]
struct Device {
    online: bool,
    /// Where in the room's stream it stands, and in which.
    at: u64,
    epoch: String,
    read: u64,
    messages: BTreeMap<String, Shown>,
    /// Up to where it has heard what its node said.
    heard: (usize, usize),
    /// How often it began anew because it could not recover.
    loads: usize,
}

impl Device {
    /// One publication, by the rules.
    fn take(&mut self, data: &Value) {
        let seq = data["seq"].as_u64().unwrap();
        let id = text(&data["message_id"]);
        let root = text(&data["thread"]);
        match data["type"].as_str().unwrap() {
            "message" | "system" => {
                if let Some(root) = self.messages.get_mut(&root).filter(|root| root.changed < seq) {
                    root.replies += 1;
                    root.changed = seq;
                }
                self.messages.entry(id).or_insert_with(|| Shown::said(data));
            }
            kind @ ("edit" | "delete" | "reaction" | "pin") => {
                let Some(mut message) =
                    self.messages.get(&id).cloned().filter(|message| message.changed < seq)
                else {
                    return;
                };
                message.changed = seq;
                match kind {
                    _ if message.deleted => {}
                    "edit" => {
                        message.body = text(&data["body"]);
                        message.edited = true;
                        message.mentions = names(&data["mentions"]);
                        message.calls_all = data["mentions_room"].as_bool().unwrap_or(false);
                    }
                    "delete" => {
                        if let Some(root) = self.messages.get_mut(&root).filter(|root| root.changed < seq) {
                            root.replies -= 1;
                            root.changed = seq;
                        }
                        let Shown { sender, replies, seq, changed, .. } = message;
                        message = Shown { sender, replies, seq, changed, deleted: true, ..Shown::default() };
                    }
                    "reaction" => {
                        let people = message.reactions.entry(text(&data["emoji"])).or_default();
                        match data["added"].as_bool().unwrap() {
                            true => people.insert(text(&data["user_id"])),
                            false => people.remove(&text(&data["user_id"])),
                        };
                        message.reactions.retain(|_, people| !people.is_empty());
                    }
                    _ => message.pinned = data["pinned"].as_bool().unwrap(),
                }
                self.messages.insert(id, message);
            }
            _ => {}
        }
    }

    /// What its node has said since it last listened.
    fn listen(&mut self, node: &Node, room: RoomId, user: UserId) {
        let said = node.outlet.on(&format!("chat:{room}"));
        let own = node.outlet.on(&format!("user:{user}"));
        let (from, own_from) = std::mem::replace(&mut self.heard, (said.len(), own.len()));
        if !self.online {
            return;
        }
        for (offset, data) in &said[from..] {
            assert!(*offset <= self.at + 1, "a gap at {offset} after {}", self.at);
            if *offset == self.at + 1 {
                self.at = *offset;
                self.take(data);
            }
        }
        for (_, data) in &own[own_from..] {
            if data["type"] == "unread" && data["room_id"] == json!(room) {
                self.read = self.read.max(data["read_seq"].as_u64().unwrap());
            }
        }
    }

    /// Connects: subscribed first, then what was missed, by offset; else the history. And the list of rooms,
    /// for the read position.
    async fn connect(&mut self, node: &Node, room: RoomId, user: UserId) {
        self.heard =
            (node.outlet.on(&format!("chat:{room}")).len(), node.outlet.on(&format!("user:{user}")).len());
        let top = node.chat.log_top(room).await.unwrap();
        if top.epoch == self.epoch && self.at + 1 >= top.first_seq && self.at <= top.last_seq {
            let slice = node.chat.log_since(room, self.at, 10_000).await.unwrap();
            for event in &slice.events {
                assert_eq!(event.seq, self.at + 1, "recovery is gapless");
                self.at = event.seq;
                self.take(&event.publication());
            }
        } else {
            self.loads += 1;
            self.messages.clear();
            (self.at, self.epoch) = (top.last_seq, top.epoch);
            self.messages = history(node, room, user).await;
        }
        self.online = true;
        self.read = self.read.max(position(node, room, user).await.0);
    }

    /// What it counts: `(unread, mentions)`.
    fn counts(&self, user: UserId) -> (u64, u64) {
        let me = user.to_string();
        let unread = || self.messages.values().filter(|m| m.seq > self.read && !m.deleted && m.sender != me);
        let mentions = unread().filter(|m| m.calls_all || m.mentions.contains(&me));
        (unread().count() as u64, mentions.count() as u64)
    }
}

async fn history(node: &Node, room: RoomId, user: UserId) -> BTreeMap<String, Shown> {
    let (mut all, mut cursor) = (BTreeMap::new(), None);
    loop {
        let page = node.chat.messages(user, room, 7, cursor.as_deref(), None).await.unwrap();
        for item in page.0 {
            let item = serde_json::to_value(item).unwrap();
            all.insert(text(&item["id"]), Shown::answered(&item));
        }
        let Some(next) = page.1 else { return all };
        cursor = Some(next);
    }
}

/// `(read_seq, unread, mentions)` as the list of rooms answers.
async fn position(node: &Node, room: RoomId, user: UserId) -> (u64, u64, u64) {
    let rooms = node.chat.my_rooms(user, 100, None).await.unwrap().0;
    let item = rooms.into_iter().find(|item| item.room.id == room).unwrap();
    (item.read_seq.unwrap(), item.unread.unwrap(), item.mentions.unwrap())
}

/// Something that one of the two people does. Numbers choose among the messages there are.
#[derive(Clone, Debug)]
enum Act {
    Say { mentions: Option<bool> },
    Reply { to: usize },
    Edit { which: usize, mentions: Option<bool> },
    Delete { which: usize },
    React { which: usize, emoji: usize, added: bool },
    Pin { which: usize, pinned: bool },
}

#[derive(Clone, Debug)]
enum Step {
    /// At the same time.
    Do(Vec<(bool, Act)>),
    /// A device reads up to somewhere.
    Read {
        device: bool,
        of: u8,
    },
    Away(bool),
    Back(bool),
    /// The room's actor panics.
    Panic,
    /// What is said is written, and nobody learns it.
    AnswerLost(Act),
    /// The process dies; another one serves from what is stored.
    Dies,
}

fn act() -> impl Strategy<Value = Act> {
    let n = any::<usize>;
    let mentions = || prop::option::weighted(0.4, any::<bool>());
    prop_oneof![
        4 => mentions().prop_map(|mentions| Act::Say { mentions }),
        3 => n().prop_map(|to| Act::Reply { to }),
        3 => (n(), mentions()).prop_map(|(which, mentions)| Act::Edit { which, mentions }),
        2 => n().prop_map(|which| Act::Delete { which }),
        // On few messages, so that what is there is taken back.
        6 => (0..3usize, 0..2usize, any::<bool>())
            .prop_map(|(which, emoji, added)| Act::React { which, emoji, added }),
        1 => (n(), any::<bool>()).prop_map(|(which, pinned)| Act::Pin { which, pinned }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec((any::<bool>(), act()), 1..5).prop_map(Step::Do),
        3 => (any::<bool>(), any::<u8>()).prop_map(|(device, of)| Step::Read { device, of }),
        2 => any::<bool>().prop_map(Step::Away),
        2 => any::<bool>().prop_map(Step::Back),
        1 => Just(Step::Panic),
        1 => act().prop_map(Step::AnswerLost),
        1 => Just(Step::Dies),
    ]
}

/// A world: a node (another one after each death), the person with two devices and another one.
struct Play<'a> {
    database: &'a TestDatabase,
    node: Node,
    room: RoomId,
    people: [UserId; 2],
    said: Vec<MessageId>,
    devices: [Device; 2],
    count: usize,
}

impl Play<'_> {
    async fn perform(&self, who: UserId, act: &Act, n: usize) -> Result<Option<MessageId>, ChatError> {
        let chat = &self.node.chat;
        let body = |mentions: &Option<bool>| match mentions {
            None => format!("text {n}"),
            Some(true) => format!("text {n} for @room"),
            Some(false) => format!("text {n} for <@{}>", self.people[0]),
        };
        let pick = |which: &usize| (!self.said.is_empty()).then(|| self.said[which % self.said.len()]);
        let say = |body: String, reply_to| SendForm { reply_to, ..says(format!("m-{n}"), body) };
        let done = match act {
            Act::Say { mentions } => {
                return Ok(Some(chat.send(who, self.room, &say(body(mentions), None)).await?.message_id));
            }
            Act::Reply { to } => {
                return Ok(Some(chat.send(who, self.room, &say(body(&None), pick(to))).await?.message_id));
            }
            Act::Edit { which, mentions } => {
                let Some(id) = pick(which) else { return Ok(None) };
                chat.edit(who, self.room, id, &EditForm { body: body(mentions) }, None).await
            }
            Act::Delete { which } => {
                let Some(id) = pick(which) else { return Ok(None) };
                chat.delete(Actor::from(who), self.room, id, "").await
            }
            Act::React { which, emoji, added } => {
                let Some(id) = pick(which) else { return Ok(None) };
                chat.react(who, self.room, id, ["👍", "🎉", "👀"][*emoji], *added).await
            }
            Act::Pin { which, pinned } => {
                let Some(id) = pick(which) else { return Ok(None) };
                chat.pin(who, self.room, id, *pinned).await
            }
        };
        done.map(|_| None)
    }

    /// Until it is done, or refused for a reason: what failed on the way is done again under its name.
    async fn insist(&self, who: UserId, act: &Act, n: usize) -> Option<MessageId> {
        for _ in 0..200 {
            match self.perform(who, act, n).await {
                Ok(done) => return done,
                Err(
                    ChatError::NotAuthor
                    | ChatError::Deleted
                    | ChatError::NeedsRole(_)
                    | ChatError::NoMessage
                    // A reply to what is deleted.
                    | ChatError::Invalid(_),
                ) => {
                    return None;
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
            }
        }
        panic!("never done: {act:?}");
    }

    fn listen(&mut self) {
        for device in &mut self.devices {
            device.listen(&self.node, self.room, self.people[0]);
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Do(acts) => {
                let first = self.count;
                self.count += acts.len();
                let work = acts
                    .iter()
                    .enumerate()
                    .map(|(n, (other, act))| self.insist(self.people[usize::from(*other)], act, first + n));
                let fresh: Vec<MessageId> = join_all(work).await.into_iter().flatten().collect();
                self.said.extend(fresh);
            }
            Step::Read { device, of } => {
                let device = &self.devices[usize::from(device)];
                if device.online {
                    let seq = device.at * u64::from(of) / 255;
                    let _ = self.node.chat.read(self.people[0], self.room, &up_to(seq)).await;
                }
            }
            Step::Away(device) => {
                self.listen();
                self.devices[usize::from(device)].online = false;
            }
            Step::Back(device) => {
                self.listen();
                let device = &mut self.devices[usize::from(device)];
                if !device.online {
                    device.connect(&self.node, self.room, self.people[0]).await;
                }
            }
            Step::Panic => {
                if let Some(actor) = self.node.chat.domain().live(&self.room) {
                    let _ = actor.tell(Poison);
                }
            }
            Step::AnswerLost(act) => {
                let n = self.count;
                self.count += 1;
                self.node.log.fail(Fault::AnswerLost);
                let _ = self.perform(self.people[1], &act, n).await;
                self.node.log.fail(Fault::None);
                // The client sends again.
                self.said.extend(self.insist(self.people[1], &act, n).await);
            }
            Step::Dies => {
                self.listen();
                let dead = std::mem::replace(&mut self.node, Node::on(self.database).await);
                dead.chat.domain().stop(std::time::Duration::from_millis(500)).await;
                for n in 0..2 {
                    if std::mem::take(&mut self.devices[n].online) {
                        // The room wakes up with its first traffic, as a subscription is.
                        let _ = self.node.chat.enter(self.people[0], self.room).await;
                        let mut device = std::mem::take(&mut self.devices[n]);
                        device.connect(&self.node, self.room, self.people[0]).await;
                        self.devices[n] = device;
                    }
                }
            }
        }
        self.listen();
    }
}

async fn play(database: &TestDatabase, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let node = Node::on(database).await;
    let people = [UserId::new(), UserId::new()];
    let room = node.group(people[0], &[people[1]]).await;
    let devices = [Device::default(), Device::default()];
    let mut play = Play { database, node, room, people, said: Vec::new(), devices, count: 0 };
    for n in [true, false] {
        play.step(Step::Back(n)).await;
    }
    for step in steps {
        play.step(step).await;
    }
    // Both come back, and all that was said has been heard.
    let top = play.node.chat.log_top(room).await.unwrap().last_seq;
    for n in 0..2 {
        play.step(Step::Back(n == 1)).await;
    }
    for _ in 0..500 {
        play.listen();
        if play.devices.iter().all(|device| device.at >= top) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let truth = history(&play.node, room, people[0]).await;
    let (read, unread, mentions) = position(&play.node, room, people[0]).await;
    for (n, device) in play.devices.iter().enumerate() {
        prop_assert!(device.at >= top, "device {n} stands at {} of {top}", device.at);
        prop_assert_eq!(&device.messages, &truth, "device {}", n);
        prop_assert_eq!(device.read, read, "device {} has read", n);
        prop_assert_eq!(device.counts(people[0]), (unread, mentions), "device {} counts", n);
        prop_assert_eq!(device.loads, 1, "device {} recovers, and need not load anew", n);
    }
    play.node.chat.domain().stop(std::time::Duration::from_millis(500)).await;
    Ok(())
}

#[test]
fn two_devices_agree_after_whatever_happened() {
    let system = actix_web::rt::System::new();
    let database = TestDatabase::new();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(12);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 60,
        ..ProptestConfig::default()
    };
    let steps = prop::collection::vec(step(), 1..30);
    let done = TestRunner::new(config).run(&steps, |steps| system.block_on(play(&database, steps)));
    if let Err(error) = done {
        panic!("{error}");
    }
}
