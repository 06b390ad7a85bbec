//! Copies within this process. An update moves what lies behind it: microseconds for thousands of rows,
//! about a millisecond for a million. The board's actor has a better structure; this is its stand-in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures_util::future::ready;
use uuid::Uuid;

use super::{Answer, Boards, Change, Key, Query, Ranked, Row, Stamp, View, Written};

/// Boards in this process.
#[derive(Default)]
pub struct MemoryBoards {
    boards: Mutex<HashMap<String, Board>>,
}

#[derive(Default)]
struct Board {
    sorted: Vec<Key>,
    of: HashMap<Uuid, Key>,
    stamp: Option<Stamp>,
}

impl Board {
    fn take(&mut self, member: Uuid) {
        let Some(key) = self.of.remove(&member) else { return };
        if let Ok(at) = self.sorted.binary_search(&key) {
            self.sorted.remove(at);
        }
    }

    fn put(&mut self, row: &Row) {
        self.take(row.member);
        let key = row.key();
        if let Err(at) = self.sorted.binary_search(&key) {
            self.sorted.insert(at, key);
        }
        self.of.insert(row.member, key);
    }

    fn place(&self, member: Uuid) -> Option<usize> {
        self.sorted.binary_search(self.of.get(&member)?).ok()
    }

    fn slice(&self, from: usize, limit: usize) -> Vec<Ranked> {
        let rows = self.sorted.iter().enumerate().skip(from).take(limit);
        rows.filter_map(|(at, key)| Some(Ranked { rank: at as u64 + 1, row: Row::of(key)? })).collect()
    }

    fn rows(&self, query: &Query) -> Vec<Ranked> {
        match query {
            Query::Range { from, limit } => self.slice(size((*from).max(1) - 1), size(*limit)),
            Query::Around { member, span } => {
                let Some(at) = self.place(*member) else { return Vec::new() };
                let from = at.saturating_sub(size(*span));
                self.slice(from, (at - from).saturating_add(size(*span)).saturating_add(1))
            }
            Query::Among(members) => {
                let mut places: Vec<usize> = members.iter().filter_map(|who| self.place(*who)).collect();
                places.sort_unstable();
                places.dedup();
                places.into_iter().flat_map(|at| self.slice(at, 1)).collect()
            }
        }
    }
}

impl MemoryBoards {
    fn with<'a, T: Send + 'a>(&self, board: &str, act: impl FnOnce(&mut Board) -> T) -> Answer<'a, T> {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(boards.entry(board.to_owned()).or_default());
        Box::pin(ready(Ok(done)))
    }
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl Boards for MemoryBoards {
    fn write<'a>(&'a self, board: &'a str, stamp: &'a Stamp, changes: &'a [Change]) -> Answer<'a, Written> {
        self.with(board, |board| {
            match &board.stamp {
                Some(last) if last.token == stamp.token && last.turn > stamp.turn => return Written::Late,
                Some(last) if last.token == stamp.token => {}
                Some(last) if last.token > stamp.token => return Written::Fenced,
                _ => return Written::Lost,
            }
            for change in changes {
                match change {
                    Change::Put(row) => board.put(row),
                    Change::Gone(member) => board.take(*member),
                }
            }
            let whole = board.sorted.len() as u64 == stamp.total;
            board.stamp = whole.then(|| stamp.clone());
            if whole { Written::Done } else { Written::Lost }
        })
    }

    fn replace<'a>(&'a self, board: &'a str, stamp: &'a Stamp, rows: &'a [Row]) -> Answer<'a, Written> {
        self.with(board, |board| {
            match &board.stamp {
                Some(last) if last.token > stamp.token => return Written::Fenced,
                Some(last) if last.token == stamp.token && last.turn > stamp.turn => return Written::Late,
                _ => {}
            }
            let of: HashMap<Uuid, Key> = rows.iter().map(|row| (row.member, row.key())).collect();
            if of.len() as u64 != stamp.total {
                return Written::Lost;
            }
            let mut sorted: Vec<Key> = of.values().copied().collect();
            sorted.sort_unstable();
            *board = Board { sorted, of, stamp: Some(stamp.clone()) };
            Written::Done
        })
    }

    fn view<'a>(&'a self, board: &'a str, query: &'a Query) -> Answer<'a, View> {
        self.with(board, |board| View {
            rows: board.rows(query),
            total: board.sorted.len() as u64,
            about: board.stamp.as_ref().map(|stamp| stamp.about.clone()),
        })
    }

    fn spoil<'a>(&'a self, board: &'a str) -> Answer<'a, ()> {
        self.with(board, |board| board.stamp = None)
    }
}
