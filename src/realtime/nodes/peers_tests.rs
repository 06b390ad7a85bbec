//! Whatever is lost, delayed or said twice: once words go through, everybody knows who is where, and
//! each publication was seen once and in order, or its loss was noticed.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::realtime::nodes::{
    journal::Journal,
    wire::{LiveOut, State},
};

const ME: Uuid = Uuid::from_u128(1);

/// A node that speaks, as the hub does.
struct Source {
    id: Uuid,
    journal: Journal,
    present: BTreeSet<(u8, u8)>,
    rings: u64,
}

/// Words under way to us.
enum Word {
    Live(String),
    Beat(Beat),
    State(State),
}

fn channel(n: u8) -> Channel {
    Channel::of("chat", n)
}

fn info(client: u8) -> Arc<ClientInfo> {
    Arc::new(ClientInfo {
        user: UserId(Uuid::from_u128(u128::from(client % 3) + 1)),
        client: ClientId(Uuid::from_u128(u128::from(client) + 100)),
        conn_info: None,
        chan_info: None,
    })
}

impl Source {
    fn new(id: u128) -> Self {
        Self { id: Uuid::from_u128(id), journal: Journal::default(), present: BTreeSet::new(), rings: 0 }
    }

    fn toggle(&mut self, room: u8, client: u8) {
        let (channel, info) = (channel(room), info(client));
        if self.present.remove(&(room, client)) {
            self.journal.push(&Entry::Leave { channel, client: info.client });
        } else {
            self.present.insert((room, client));
            self.journal.push(&Entry::Join { channel, info, announce: true });
        }
    }

    fn ring(&mut self) {
        self.rings += 1;
        let data = Json::of(&self.rings).unwrap();
        self.journal.push(&Entry::Ring { channel: Channel::of("gigs", "feed"), data });
    }

    fn speak(&mut self, out: &mut VecDeque<Word>) {
        let from = self.id;
        while let Some((first, entries)) = self.journal.take() {
            out.push_back(Word::Live(serde_json::to_string(&LiveOut { from, first, entries }).unwrap()));
        }
    }

    fn beat(&self) -> Word {
        Word::Beat(Beat { from: self.id, n: self.journal.sent(), bye: false })
    }

    /// Forgets what it said, as after much more of it.
    fn answer(&mut self, after: Option<u64>, forgetful: bool, out: &mut VecDeque<Word>) {
        self.speak(out);
        let from = self.id;
        if let Some(mut n) = after.filter(|n| !forgetful && self.journal.reaches(*n)) {
            while let Some((first, entries)) = self.journal.again(n) {
                n = first + entries.len() as u64 - 1;
                out.push_back(Word::Live(serde_json::to_string(&LiveOut { from, first, entries }).unwrap()));
            }
            return;
        }
        let seats: Vec<Seat> = self
            .present
            .iter()
            .map(|(room, client)| Seat { channel: channel(*room), info: info(*client), announce: true })
            .collect();
        let n = self.journal.sent();
        let mut parts: Vec<Vec<Seat>> = seats.chunks(3).map(<[Seat]>::to_vec).collect();
        if parts.is_empty() {
            parts.push(Vec::new());
        }
        let last = parts.len() - 1;
        for (part, seats) in parts.into_iter().enumerate() {
            let state = State { from, to: ME, n, part: part as u32, last: part == last, seats };
            out.push_back(Word::State(state));
        }
    }
}

#[derive(Clone, Debug)]
enum Act {
    Toggle(u8, u8),
    Ring,
    Beat,
    /// This many words arrive.
    Arrive(u8),
    /// This many words are lost.
    Lose(u8),
    /// The next word comes twice.
    Twice,
    Wait,
    /// It is silent for so long that it is taken for dead.
    Silence,
    Forgetful(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0u8..3, 0u8..6).prop_map(|(room, client)| Act::Toggle(room, client)),
        3 => Just(Act::Ring),
        1 => Just(Act::Beat),
        4 => (1u8..4).prop_map(Act::Arrive),
        1 => (1u8..4).prop_map(Act::Lose),
        1 => Just(Act::Twice),
        1 => Just(Act::Wait),
        1 => Just(Act::Silence),
        1 => any::<bool>().prop_map(Act::Forgetful),
    ];
    prop::collection::vec(act, 0..80)
}

/// We, and what we were made to do.
struct Listener {
    peers: Peers,
    now: Instant,
    rings: Vec<u64>,
    /// Members as somebody sees them who only hears of joins and leaves.
    seen: HashMap<Channel, HashSet<ClientId>>,
    renewed: u64,
}

impl Listener {
    fn hear(&mut self, word: Word, source: &mut Source, forgetful: bool, wire: &mut VecDeque<Word>) {
        let mut effects = Vec::new();
        match word {
            Word::Live(text) => {
                self.peers.live(serde_json::from_str(&text).unwrap(), self.now, &mut effects);
            }
            Word::Beat(beat) => self.peers.beat(&beat, self.now, &mut effects),
            Word::State(state) => self.peers.state(state, self.now, &mut effects),
        }
        self.act(effects, source, forgetful, wire);
    }

    fn act(&mut self, effects: Vec<Effect>, source: &mut Source, forgetful: bool, wire: &mut VecDeque<Word>) {
        for effect in effects {
            match effect {
                Effect::Ring(_, data) => {
                    let n: u64 = serde_json::from_slice(data.as_bytes()).unwrap();
                    self.rings.push(n);
                }
                Effect::Join(channel, info) => {
                    assert!(self.seen.entry(channel).or_default().insert(info.client), "joined twice");
                }
                Effect::Leave(channel, info) => {
                    assert!(self.seen.entry(channel).or_default().remove(&info.client), "left unseen");
                }
                Effect::Ask(to, after) => {
                    assert_eq!(to, source.id);
                    source.answer(after, forgetful, wire);
                }
                Effect::Renew => self.renewed += 1,
                Effect::Silent => {}
                Effect::Logged(..) => unreachable!(),
            }
        }
    }
}

proptest! {
    #[test]
    fn listeners_converge_and_losses_show(acts in acts()) {
        let (mut source, mut wire, mut forgetful) = (Source::new(7), VecDeque::new(), false);
        let mut us = Listener {
            peers: Peers::default(), now: Instant::now(), rings: Vec::new(),
            seen: HashMap::new(), renewed: 0,
        };
        for act in acts {
            match act {
                Act::Toggle(room, client) => source.toggle(room, client),
                Act::Ring => source.ring(),
                Act::Beat => { source.speak(&mut wire); wire.push_back(source.beat()); }
                Act::Arrive(count) => {
                    source.speak(&mut wire);
                    for _ in 0..count {
                        let Some(word) = wire.pop_front() else { break };
                        us.hear(word, &mut source, forgetful, &mut wire);
                    }
                }
                Act::Lose(count) => { source.speak(&mut wire); for _ in 0..count { wire.pop_front(); } }
                Act::Twice => if let Some(Word::Live(text)) = wire.front() {
                    let text = text.clone();
                    wire.push_front(Word::Live(text));
                },
                Act::Wait => us.now += PATIENCE,
                Act::Silence => {
                    us.now += SILENCE;
                    let mut effects = Vec::new();
                    us.peers.expire(us.now, &mut effects);
                    us.act(effects, &mut source, forgetful, &mut wire);
                }
                Act::Forgetful(now) => forgetful = now,
            }
        }
        // Words go through now.
        for _ in 0..4 {
            us.now += PATIENCE;
            source.speak(&mut wire);
            wire.push_back(source.beat());
            while let Some(word) = wire.pop_front() {
                us.hear(word, &mut source, forgetful, &mut wire);
            }
        }
        for room in 0..3 {
            let there: HashSet<ClientId> =
                source.present.iter().filter(|(r, _)| *r == room).map(|(_, c)| info(*c).client).collect();
            let known: HashSet<ClientId> = us.peers.present(&channel(room)).map(|info| info.client).collect();
            prop_assert_eq!(&known, &there);
            let seen = us.seen.get(&channel(room)).cloned().unwrap_or_default();
            prop_assert_eq!(&seen, &there, "joins and leaves tell the same");
        }
        prop_assert!(us.rings.windows(2).all(|w| w[0] < w[1]), "in order, none twice: {:?}", us.rings);
        prop_assert!(
            us.rings.len() as u64 == source.rings || us.renewed > 0,
            "{} of {} and nobody noticed", us.rings.len(), source.rings
        );
        // It dies: nobody is there any more.
        let mut effects = Vec::new();
        us.peers.expire(us.now + SILENCE, &mut effects);
        let left = effects.iter().filter(|effect| matches!(effect, Effect::Leave(..))).count();
        prop_assert_eq!(left, source.present.len());
        prop_assert_eq!(us.peers.alive(), 0);
    }
}

fn joined(from: u128, first: u64, room: u8, client: u8) -> LiveIn {
    let entry = Entry::Join { channel: channel(room), info: info(client), announce: false };
    LiveIn { from: Uuid::from_u128(from), first, entries: vec![entry] }
}

#[test]
fn presence_of_several_nodes_is_one_set() {
    let (mut peers, now, mut out) = (Peers::default(), Instant::now(), Vec::new());
    peers.live(joined(2, 1, 0, 1), now, &mut out);
    peers.live(joined(3, 1, 0, 4), now, &mut out);
    peers.live(joined(3, 2, 0, 5), now, &mut out);
    assert!(out.is_empty(), "these are not announced");
    let mut users = HashSet::new();
    assert_eq!(peers.count(&channel(0), &mut users), 3);
    assert_eq!(users.len(), 2, "1 and 4 are one person");
    let bye = Beat { from: Uuid::from_u128(3), n: 2, bye: true };
    peers.beat(&bye, now, &mut out);
    assert_eq!((peers.count(&channel(0), &mut HashSet::new()), peers.alive()), (1, 1));
    assert!(out.is_empty(), "who goes in order has said everything");
}

#[test]
fn silence_counts_only_while_we_hear() {
    let (mut peers, now, mut out) = (Peers::default(), Instant::now(), Vec::new());
    peers.live(joined(2, 1, 0, 1), now, &mut out);
    peers.back(now + SILENCE);
    peers.expire(now + SILENCE, &mut out);
    assert_eq!((peers.alive(), out.len()), (1, 0));
    peers.expire(now + SILENCE * 2, &mut out);
    assert_eq!((peers.alive(), &out), (0, &vec![Effect::Silent]));
    assert_eq!(peers.count(&channel(0), &mut HashSet::new()), 0);
    // It was only slow: it goes on where it was.
    peers.live(joined(2, 2, 0, 2), now + SILENCE * 2, &mut out);
    assert_eq!((peers.alive(), peers.count(&channel(0), &mut HashSet::new())), (1, 2));
    assert_eq!(out.len(), 1, "nothing is lost");
    peers.expire(now + SILENCE * 2 + FORGOTTEN, &mut out);
    assert!(peers.peers.is_empty());
}

#[test]
fn nonsense_is_bounded() {
    let (mut peers, now, mut out) = (Peers::default(), Instant::now(), Vec::new());
    for node in 0..2 * MOST as u128 {
        peers.beat(&Beat { from: Uuid::from_u128(node), n: 0, bye: false }, now, &mut out);
    }
    assert_eq!((peers.alive(), out.len()), (MOST, 0));
    for n in 0..5 {
        peers.beat(&Beat { from: Uuid::from_u128(1), n: n + 3, bye: false }, now, &mut out);
    }
    assert_eq!(out, [Effect::Ask(Uuid::from_u128(1), Some(0))], "asked once in a while");
    assert!(serde_json::from_str::<LiveIn>(r#"{"from":"x"}"#).is_err());
    assert!(serde_json::from_str::<Entry>(r#"{"leave":{"channel":"no channel","client":""}}"#).is_err());
}
