//! Copies within this process. An update moves what lies behind it: microseconds for thousands of rows,
//! about a millisecond for a million. The board's actor has a better structure; this is its stand-in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use futures_util::future::ready;
use uuid::Uuid;

use super::{Answer, Boards, Key, Ranked, Row};

/// Boards in this process.
#[derive(Default)]
pub struct MemoryBoards {
    boards: Mutex<HashMap<String, Board>>,
}

#[derive(Default)]
struct Board {
    sorted: Vec<Key>,
    of: HashMap<Uuid, Key>,
}

impl Board {
    fn take(&mut self, member: Uuid) -> bool {
        let Some(key) = self.of.remove(&member) else { return false };
        if let Ok(at) = self.sorted.binary_search(&key) {
            self.sorted.remove(at);
        }
        true
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
    fn upsert<'a>(&'a self, board: &'a str, rows: &'a [Row]) -> Answer<'a, ()> {
        self.with(board, |board| rows.iter().for_each(|row| board.put(row)))
    }

    fn remove<'a>(&'a self, board: &'a str, member: Uuid) -> Answer<'a, bool> {
        self.with(board, |board| board.take(member))
    }

    fn rank<'a>(&'a self, board: &'a str, member: Uuid) -> Answer<'a, Option<Ranked>> {
        self.with(board, |board| board.slice(board.place(member)?, 1).pop())
    }

    fn range<'a>(&'a self, board: &'a str, from: u64, limit: u64) -> Answer<'a, Vec<Ranked>> {
        self.with(board, |board| board.slice(size(from.max(1) - 1), size(limit)))
    }

    fn around<'a>(&'a self, board: &'a str, member: Uuid, span: u64) -> Answer<'a, Vec<Ranked>> {
        self.with(board, |board| {
            let Some(at) = board.place(member) else { return Vec::new() };
            let from = at.saturating_sub(size(span));
            board.slice(from, (at - from).saturating_add(size(span)).saturating_add(1))
        })
    }

    fn len<'a>(&'a self, board: &'a str) -> Answer<'a, u64> {
        self.with(board, |board| board.sorted.len() as u64)
    }

    fn rebuild<'a>(&'a self, board: &'a str, rows: &'a [Row]) -> Answer<'a, ()> {
        self.with(board, |board| {
            *board = Board::default();
            board.of = rows.iter().map(|row| (row.member, row.key())).collect();
            board.sorted = board.of.values().copied().collect();
            board.sorted.sort_unstable();
        })
    }
}
