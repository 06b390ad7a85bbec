//! Moving the rooms' logs from one store to another, and seeing whether they are where they are looked for.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::{
    model::{Event, RoomId, Seq},
    store::{EventLog, StoreError, Top},
};

/// Events read and written at once.
const STRETCH: usize = 500;
/// Rooms listed at once.
const ROOMS: usize = 500;

/// A move that did not succeed; what was copied stays, and another run goes on there.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The room's log in the other store goes on where this one ends: somebody writes there.
    #[error("room {room}: the target has {there} events, the source {here}: is it the other way round?")]
    Ahead {
        /// The room.
        room: RoomId,
        /// The source's last place.
        here: Seq,
        /// The target's.
        there: Seq,
    },
    /// What arrived is not what was sent.
    #[error("room {room}: the copy differs from the source (events {first} to {last})")]
    Differs {
        /// The room.
        room: RoomId,
        /// The first place compared.
        first: Seq,
        /// The last.
        last: Seq,
    },
    /// A store.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What a move did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Rooms whose logs were compared and are the same.
    pub rooms: u64,
    /// Events in them.
    pub events: u64,
    /// Events that were copied now; the others were there from an earlier run.
    pub copied: u64,
}

/// Every room that has a log, with its ends.
///
/// # Errors
/// The store's.
pub async fn all_tops(log: &dyn EventLog) -> Result<Vec<(RoomId, Top)>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = log.tops(after, ROOMS).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = Some(*last);
        all.extend(page);
    }
}

/// Copies every room's log, and compares the copy with its source by count and checksum. Told of each room:
/// how many are done, of how many. May be repeated, and goes on where it was broken off. Nobody may write to
/// either meanwhile, or the last words are missing until it is run again.
///
/// # Errors
/// The first thing that is wrong; everything before it is copied.
pub async fn move_logs(
    from: &dyn EventLog,
    to: &dyn EventLog,
    progress: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Moved, MoveError> {
    let rooms = all_tops(from).await?;
    let mut moved = Moved::default();
    for (room, top) in &rooms {
        progress(moved.rooms, rooms.len() as u64);
        // Without events: what is there already, and the log itself if there is none.
        let there = to.import(*room, top, &[]).await?;
        if there.last_seq > top.last_seq {
            return Err(MoveError::Ahead { room: *room, here: top.last_seq, there: there.last_seq });
        }
        let mut after = there.last_seq;
        loop {
            let events = from.since(*room, after, STRETCH).await?.events;
            let Some(last) = events.last() else { break };
            after = last.seq;
            to.import(*room, top, &events).await?;
            moved.copied += events.len() as u64;
        }
        let (count, sum) = checksum(from, *room).await?;
        if (count, sum) != checksum(to, *room).await? {
            return Err(MoveError::Differs { room: *room, first: top.first_seq, last: top.last_seq });
        }
        moved.rooms += 1;
        moved.events += count;
    }
    progress(moved.rooms, rooms.len() as u64);
    Ok(moved)
}

/// How many events a room's log has, and a SHA-256 over all of them and its ends.
async fn checksum(log: &dyn EventLog, room: RoomId) -> Result<(u64, [u8; 32]), StoreError> {
    let top = log.open(room).await?;
    let mut hash = Sha256::new_with_prefix(format!("{} {} {}", top.epoch, top.first_seq, top.last_seq));
    let (mut count, mut after) = (0, 0);
    loop {
        let events = log.since(room, after, STRETCH).await?.events;
        let Some(last) = events.last() else { return Ok((count, hash.finalize().into())) };
        after = last.seq;
        count += events.len() as u64;
        for event in &events {
            hash.update(canonical(event));
        }
    }
}

fn canonical(event: &Event) -> String {
    let Event { seq, message_id, sender_id, client_msg_id, payload, created_at, correlation_id } = event;
    // serde_json sorts an object's names.
    let (kind, data) = (payload.kind(), payload.data());
    let name = client_msg_id.as_str();
    format!("\n{seq} {message_id} {sender_id} {name} {kind} {data} {created_at} {correlation_id}")
}

/// Whether rooms' logs are where they are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Rooms there are.
    pub rooms: u64,
    /// Of them, those that have no log in the store in use: their history is elsewhere, or was lost.
    pub without_log: u64,
    /// Rooms whose log in the other store has events that the one in use has not.
    pub behind: u64,
}

/// Compares the rooms there are with the logs in use, and these with another store's.
///
/// # Errors
/// A store's.
pub async fn survey(
    rooms: &[RoomId],
    log: &dyn EventLog,
    other: Option<&dyn EventLog>,
) -> Result<Survey, StoreError> {
    let ends: HashMap<RoomId, Top> = all_tops(log).await?.into_iter().collect();
    let known: HashSet<RoomId> = rooms.iter().copied().collect();
    let mut behind = 0;
    if let Some(other) = other {
        let elsewhere = all_tops(other).await?;
        let ahead = elsewhere.iter().filter(|(room, top)| {
            known.contains(room) && ends.get(room).is_none_or(|here| here.last_seq < top.last_seq)
        });
        behind = ahead.count() as u64;
    }
    let without_log = rooms.iter().filter(|room| !ends.contains_key(room)).count() as u64;
    Ok(Survey { rooms: rooms.len() as u64, without_log, behind })
}
