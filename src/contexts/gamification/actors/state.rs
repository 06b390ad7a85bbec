//! A board's state: a ranking for each window, and how far the ledger has been read.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::messages::{Ask, Part, Question, Row};
use crate::{
    contexts::gamification::{
        model::{BoardId, Span, Window},
        ranking::{Placed, Ranking, Standing},
        store::boards::{Choice, Entry, Mark, Read, Sum},
    },
    principal::UserId,
};

/// One window.
pub struct Slot {
    pub(super) window: Window,
    pub(in crate::contexts::gamification) span: Span,
    pub(in crate::contexts::gamification) ranking: Ranking,
    /// Standings that are not shown: of those who opted out, and sums of zero or less, which a later entry
    /// may lift.
    aside: HashMap<UserId, (i64, i64)>,
}

/// The state. It is behind a lock that only its actor writes through: while the actor is being made anew
/// after a crash, readers are served from what it was.
pub struct Board {
    pub(super) slots: Vec<Slot>,
    /// Everything up to here is in it.
    floor: i64,
    /// And these above it.
    seen: HashSet<i64>,
    mark: Option<Mark>,
    pub(super) hidden: HashSet<UserId>,
    pub(super) anonymous: HashSet<UserId>,
    /// Of a cohort's board: who is in the cohort.
    pub(super) belongs: HashSet<UserId>,
    /// The last word to read everything again that it has followed.
    pub(super) remade: i64,
    pub(in crate::contexts::gamification) as_of: DateTime<Utc>,
    pub(in crate::contexts::gamification) version: i64,
    /// When it last followed the ledger, by this process's own clock.
    pub(in crate::contexts::gamification) followed: Instant,
}

/// Who changed in which window.
pub type Changes = Vec<(Window, UserId)>;

fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

impl Slot {
    /// An empty one.
    pub fn new(window: Window, span: Span) -> Self {
        Self { window, span, ranking: Ranking::new(), aside: HashMap::new() }
    }

    /// From everybody's sums.
    pub fn load(window: Window, span: Span, sums: Vec<Sum>, hidden: &HashSet<UserId>) -> Self {
        let mut aside = HashMap::new();
        let shown = |sum: &Sum| sum.points > 0 && !hidden.contains(&sum.user);
        for sum in sums.iter().filter(|sum| !shown(sum)) {
            aside.insert(sum.user, (sum.points, micros(sum.reached)));
        }
        let standing =
            |sum: Sum| Standing { user: sum.user, score: sum.points, reached: micros(sum.reached) };
        let ranking = Ranking::load(sums.into_iter().filter(shown).map(standing));
        Self { window, span, ranking, aside }
    }

    fn has(&self, user: UserId) -> Option<(i64, i64)> {
        let shown = self.ranking.standing(user).map(|standing| (standing.score, standing.reached));
        shown.or_else(|| self.aside.get(&user).copied())
    }

    fn put(&mut self, user: UserId, (score, reached): (i64, i64), hidden: bool) {
        if score > 0 && !hidden {
            self.aside.remove(&user);
            self.ranking.put(Standing { user, score, reached });
        } else {
            self.ranking.remove(user);
            self.aside.insert(user, (score, reached));
        }
    }

    fn add(&mut self, entry: &Entry, hidden: bool) {
        let user = UserId(entry.user_id);
        let (score, reached) = self.has(user).unwrap_or((0, i64::MIN));
        // The ledger's sums are within 64 bits or nothing here is right anyway.
        self.put(user, (score.saturating_add(entry.points), reached.max(micros(entry.at))), hidden);
    }
}

impl Board {
    /// A state that was just read.
    pub fn new(slots: Vec<Slot>, read: Read, choices: &[Choice], now: DateTime<Utc>) -> Self {
        let of = |pick: fn(&Choice) -> bool| {
            choices.iter().filter(|choice| pick(choice)).map(|choice| UserId(choice.user_id)).collect()
        };
        Self {
            slots,
            floor: read.floor,
            seen: read.seen.into_iter().collect(),
            mark: None,
            hidden: of(|choice| choice.opted_out),
            anonymous: of(|choice| choice.anonymous),
            belongs: HashSet::new(),
            remade: 0,
            as_of: now,
            version: micros(now),
            followed: Instant::now(),
        }
    }

    /// Whether somebody came to a cohort or left it: then its sums are to be read anew.
    pub fn moved(&self, board: &BoardId, choice: &Choice) -> bool {
        let BoardId::Cohort(slug) = board else { return false };
        let belongs = choice.cohort.as_ref() == Some(slug);
        belongs != self.belongs.contains(&UserId(choice.user_id))
    }

    /// How far it has read.
    pub fn read(&self) -> Read {
        Read { floor: self.floor, seen: self.seen.iter().copied().collect() }
    }

    /// Takes entries; each counts once however often it comes.
    pub fn take(&mut self, entries: &[Entry]) -> Changes {
        let mut changes = Changes::new();
        for entry in entries {
            if entry.number <= self.floor || !self.seen.insert(entry.number) {
                continue;
            }
            let user = UserId(entry.user_id);
            let hidden = self.hidden.contains(&user);
            for slot in self.slots.iter_mut().filter(|slot| slot.span.holds(entry.at)) {
                slot.add(entry, hidden);
                changes.push((slot.window, user));
            }
        }
        changes
    }

    /// Raises the floor. `now` was read before the entries were, and no visible one is left unread; `ended`
    /// is the id below which every transaction has ended.
    pub fn settle(&mut self, now: Mark, ended: i64) {
        if let Some(mark) = self.mark
            && ended >= mark.before
        {
            self.floor = self.floor.max(mark.number);
            let floor = self.floor;
            self.seen.retain(|number| *number > floor);
            self.mark = None;
        }
        if self.mark.is_none() && now.number > self.floor {
            self.mark = Some(now);
        }
    }

    /// Takes what somebody chose.
    pub fn choose(&mut self, choice: &Choice) -> Changes {
        let user = UserId(choice.user_id);
        let named = if choice.anonymous { self.anonymous.insert(user) } else { self.anonymous.remove(&user) };
        let shown = if choice.opted_out { self.hidden.insert(user) } else { self.hidden.remove(&user) };
        let mut changes = Changes::new();
        for slot in self.slots.iter_mut().filter(|_| named || shown) {
            if let Some(has) = slot.has(user) {
                slot.put(user, has, choice.opted_out);
                changes.push((slot.window, user));
            }
        }
        changes
    }

    /// Windows whose time is over at `now`, with their next span.
    pub fn over(&self, now: DateTime<Utc>, zone: Tz) -> Vec<(Window, Span)> {
        let next =
            |slot: &Slot| Some((slot.window, slot.window.span(now, zone))).filter(|n| n.1 != slot.span);
        self.slots.iter().filter_map(next).collect()
    }

    /// Puts a window in the place of the one before.
    pub fn turn(&mut self, slot: Slot) {
        if let Some(place) = self.slots.iter_mut().find(|old| old.window == slot.window) {
            *place = slot;
        }
    }

    /// The ranking of a window.
    pub fn ranking(&self, window: Window) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.window == window)
    }

    /// Answers a question.
    pub fn answer(&self, ask: &Ask) -> Part {
        let empty = Slot::new(ask.window, Span { from: None, to: None });
        let slot = self.ranking(ask.window).unwrap_or(&empty);
        let ranking = &slot.ranking;
        let (rows, own) = match &ask.question {
            Question::Top(n) => (ranking.slice(0, *n), None),
            Question::Around(user, span) => (ranking.around(*user, *span), ranking.place(*user)),
            Question::Among(users) => {
                let mut found: Vec<Placed> = users.iter().filter_map(|user| ranking.place(*user)).collect();
                found.sort_by_key(|placed| placed.rank);
                found.dedup();
                (found, None)
            }
        };
        Part {
            rows: self.rows(rows),
            total: ranking.len(),
            own,
            span: slot.span,
            as_of: self.as_of,
            version: self.version,
            stale: false,
        }
    }

    /// Marks those who do not want to be named.
    pub fn rows(&self, placed: Vec<Placed>) -> Vec<Row> {
        let row = |placed: Placed| Row { placed, anonymous: self.anonymous.contains(&placed.standing.user) };
        placed.into_iter().map(row).collect()
    }

    /// Bytes of the heap that the rankings hold.
    pub fn bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.ranking.bytes()).sum()
    }

    /// How many numbers above the floor are remembered.
    pub fn unsettled(&self) -> usize {
        self.seen.len()
    }
}
