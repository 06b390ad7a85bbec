//! What this node knows of the others: how far it has followed each one's stream, and who is present
//! there. Pure: words and time come in, what is to be done goes out.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::wire::{Beat, Entry, LiveIn, Seat, State};
use crate::{
    principal::UserId,
    realtime::{
        channels::{Channel, ClientId, ClientInfo},
        log::Publication,
        protocol::json::Json,
    },
};

/// A node that is silent for so long, while the bus is there, is taken for dead.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// And after so long it is forgotten; until then it may come back and go on where it was.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Between two times that the same thing is asked for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Nodes at most: what says it comes from one more is not heard.
const MOST: usize = 256;

/// What follows from a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Append to the channel's ring here.
    Ring(Channel, Json),
    /// Publish here what is in a log that all share.
    Logged(Channel, Publication),
    /// Tell those who want to know that somebody came.
    Join(Channel, Arc<ClientInfo>),
    /// Or went.
    Leave(Channel, Arc<ClientInfo>),
    /// Ask that node for what came after that number; `None`: for everything.
    Ask(Uuid, Option<u64>),
    /// Entries are lost for good: positions in rings mean nothing any more.
    Renew,
    /// A node fell silent: what it published last may be lost.
    Silent,
}

#[derive(Clone)]
struct Present {
    info: Arc<ClientInfo>,
    announced: bool,
}

type Seats = HashMap<Channel, HashMap<ClientId, Present>>;

struct Peer {
    /// The last entry that was followed; `None` until its state is known.
    n: Option<u64>,
    seen: Instant,
    asked: Option<Instant>,
    /// Taken for dead: nobody is present there, until it is heard again.
    silent: bool,
    present: Seats,
    /// A state that arrives in parts: its number, how many came, they.
    arriving: Option<(u64, u32, Vec<Seat>)>,
}

/// The other nodes.
#[derive(Default)]
pub(super) struct Peers {
    peers: HashMap<Uuid, Peer>,
}

impl Peers {
    /// How many are alive.
    pub fn alive(&self) -> usize {
        self.peers.values().filter(|peer| !peer.silent).count()
    }

    /// Who is in a channel elsewhere.
    pub fn present<'a>(&'a self, channel: &'a Channel) -> impl Iterator<Item = &'a Arc<ClientInfo>> {
        self.peers
            .values()
            .filter(|peer| !peer.silent)
            .filter_map(|peer| peer.present.get(channel))
            .flat_map(|seats| seats.values().map(|present| &present.info))
    }

    /// How many connections are in a channel elsewhere; adds the people to `users`.
    pub fn count(&self, channel: &Channel, users: &mut HashSet<UserId>) -> usize {
        self.present(channel).map(|info| users.insert(info.user)).count()
    }

    /// A piece of a node's stream.
    pub fn live(&mut self, word: LiveIn, now: Instant, out: &mut Vec<Effect>) {
        let Some(peer) = self.peer(word.from, now, out) else { return };
        if peer.n.is_none() && word.first == 1 {
            // Followed from its beginning.
            peer.n = Some(0);
        }
        match peer.n {
            None => peer.ask(word.from, now, out),
            Some(n) if word.first > n + 1 => peer.ask(word.from, now, out),
            Some(n) => {
                // What was said twice counts once.
                let known = (n + 1).saturating_sub(word.first) as usize;
                for entry in word.entries.into_iter().skip(known) {
                    peer.n = peer.n.map(|n| n + 1);
                    peer.asked = None;
                    peer.follow(entry, out);
                }
            }
        }
    }

    /// A node is alive, or says goodbye.
    pub fn beat(&mut self, word: &Beat, now: Instant, out: &mut Vec<Effect>) {
        if word.bye {
            self.forget(word.from, out);
            return;
        }
        let Some(peer) = self.peer(word.from, now, out) else { return };
        if peer.n.is_none() && word.n == 0 {
            peer.n = Some(0);
        }
        if peer.n != Some(word.n) {
            peer.ask(word.from, now, out);
        }
    }

    /// A part of who is present at a node; the last part takes effect.
    pub fn state(&mut self, word: State, now: Instant, out: &mut Vec<Effect>) {
        let Some(peer) = self.peer(word.from, now, out) else { return };
        let (number, parts, mut seats) = match peer.arriving.take() {
            _ if word.part == 0 => (word.n, 0, Vec::new()),
            Some(arriving) => arriving,
            None => return,
        };
        if (number, parts) != (word.n, word.part) {
            // A part is missing: the next beat asks again.
            return;
        }
        seats.extend(word.seats);
        if !word.last {
            peer.arriving = Some((number, parts + 1, seats));
            return;
        }
        // Entries that were followed meanwhile are newer than this.
        if peer.n.is_some_and(|n| n >= number) {
            return;
        }
        let missed = peer.n.is_some() || number > 0;
        peer.n = Some(number);
        peer.asked = None;
        peer.adopt(seats, out);
        if missed {
            out.push(Effect::Renew);
        }
    }

    /// Lets silent nodes go. Call it only while this node hears others.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.peers.retain(|_, peer| {
            let silence = now.saturating_duration_since(peer.seen);
            if silence >= SILENCE && !peer.silent {
                peer.silent = true;
                for (channel, info) in peer.announced() {
                    out.push(Effect::Leave(channel, info));
                }
                out.push(Effect::Silent);
            }
            silence < FORGOTTEN
        });
    }

    /// This node was away itself: silence until now means nothing.
    pub fn back(&mut self, now: Instant) {
        for peer in self.peers.values_mut().filter(|peer| !peer.silent) {
            peer.seen = now;
            peer.asked = None;
        }
    }

    fn peer(&mut self, node: Uuid, now: Instant, out: &mut Vec<Effect>) -> Option<&mut Peer> {
        if self.peers.len() >= MOST && !self.peers.contains_key(&node) {
            return None;
        }
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            n: None,
            seen: now,
            asked: None,
            silent: false,
            present: Seats::new(),
            arriving: None,
        });
        peer.seen = now;
        if peer.silent {
            // It lives: whoever was there is there, and what it said meanwhile is asked for.
            peer.silent = false;
            for (channel, info) in peer.announced() {
                out.push(Effect::Join(channel, info));
            }
        }
        Some(peer)
    }

    fn forget(&mut self, node: Uuid, out: &mut Vec<Effect>) {
        let Some(mut peer) = self.peers.remove(&node) else { return };
        if !peer.silent {
            peer.adopt(Vec::new(), out);
        }
    }
}

impl Peer {
    fn ask(&mut self, node: Uuid, now: Instant, out: &mut Vec<Effect>) {
        if self.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PATIENCE) {
            self.asked = Some(now);
            out.push(Effect::Ask(node, self.n));
        }
    }

    fn announced(&self) -> Vec<(Channel, Arc<ClientInfo>)> {
        let seats =
            self.present.iter().flat_map(|(channel, seats)| seats.values().map(move |one| (channel, one)));
        seats
            .filter(|(_, present)| present.announced)
            .map(|(channel, present)| (channel.clone(), present.info.clone()))
            .collect()
    }

    fn follow(&mut self, entry: Entry, out: &mut Vec<Effect>) {
        match entry {
            Entry::Ring { channel, data } => out.push(Effect::Ring(channel, data)),
            Entry::Logged { channel, publication } => out.push(Effect::Logged(channel, publication)),
            Entry::Join { channel, info, announce } => self.join(Seat { channel, info, announce }, out),
            Entry::Leave { channel, client } => self.leave(&channel, client, out),
            Entry::Unsaid => out.push(Effect::Renew),
        }
    }

    fn join(&mut self, seat: Seat, out: &mut Vec<Effect>) {
        let Seat { channel, info, announce } = seat;
        let present = Present { info: info.clone(), announced: announce };
        let seats = self.present.entry(channel.clone()).or_default();
        if seats.insert(info.client, present).is_none() && announce {
            out.push(Effect::Join(channel, info));
        }
    }

    fn leave(&mut self, channel: &Channel, client: ClientId, out: &mut Vec<Effect>) {
        let Some(seats) = self.present.get_mut(channel) else { return };
        let gone = seats.remove(&client);
        if seats.is_empty() {
            self.present.remove(channel);
        }
        if let Some(gone) = gone.filter(|gone| gone.announced) {
            out.push(Effect::Leave(channel.clone(), gone.info));
        }
    }

    /// Takes the node's word for who is there.
    fn adopt(&mut self, seats: Vec<Seat>, out: &mut Vec<Effect>) {
        let stays: HashSet<(Channel, ClientId)> =
            seats.iter().map(|seat| (seat.channel.clone(), seat.info.client)).collect();
        let gone: Vec<(Channel, ClientId)> = self
            .present
            .iter()
            .flat_map(|(channel, seats)| seats.keys().map(|client| (channel.clone(), *client)))
            .filter(|seat| !stays.contains(seat))
            .collect();
        for (channel, client) in gone {
            self.leave(&channel, client, out);
        }
        for seat in seats {
            self.join(seat, out);
        }
    }
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
