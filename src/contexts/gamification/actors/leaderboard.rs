//! A board, alive.
//!
//! ```text
//! ledger ── at most ten looks a second ─▶ state ─▶ changes of the top to those who look
//!                                           │  ╰▶ their own place to those concerned
//! question ─▶ mailbox ─▶ answer ◀───────────╯
//! ```
//!
//! The ledger is the truth. The board reads what is new in it: as soon as somebody on this node awarded
//! something (a counter tells), and once a second whatever happens, since other nodes write too. What was
//! read is remembered by number, so nothing counts twice and nothing is missed (`store::boards`).

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use serde::Serialize;

use super::{
    messages::{Ask, Refresh, Watch},
    news::{Live, PublicRow},
    state::{Board, Changes, Slot},
};
use crate::{
    actors::{Behavior, Cx, RebuildError, Receive, Reply},
    clock::Clock,
    contexts::gamification::{
        copies::Copies,
        metrics::GameMetrics,
        model::{BoardId, Span, Window},
        store::boards::{self, Choice, Entry, Mark},
    },
    postgres::{Database, DbError},
    principal::UserId,
    telemetry::log,
};

/// Between two looks: news of a board are told at most ten times a second.
const LOOK: Duration = Duration::from_millis(100);
/// A look although nothing was heard.
const AT_LEAST: Duration = Duration::from_secs(1);
/// Entries of one look.
const BATCH: i64 = 5_000;
/// Places whose changes everybody is told.
pub const TOP: usize = 50;
/// People who are told of their place although it was others who moved.
const WATCHERS: usize = 10_000;
/// How far back settings are looked at again, in seconds.
const CHOICES: i32 = 60;

/// The boards' states, which outlive a crash of their actor: readers are served from them meanwhile.
pub type States = Arc<DashMap<BoardId, Arc<RwLock<Board>>>>;

/// What a board is made with.
#[derive(Clone)]
pub struct BoardSeed {
    /// Where the ledger is.
    pub database: Database,
    /// The time of day.
    pub clock: Clock,
    /// Where days begin and end.
    pub zone: chrono_tz::Tz,
    /// Where news go.
    pub live: Live,
    /// Grows when something was awarded.
    pub nudges: Arc<AtomicU64>,
    /// The states.
    pub states: States,
    /// The copies that others share.
    pub copies: Copies,
    /// What is measured.
    pub metrics: GameMetrics,
}

/// What operators see of a board.
#[derive(Serialize)]
pub struct Observed {
    members: BTreeMap<&'static str, usize>,
    bytes: usize,
    unsettled: usize,
    watchers: usize,
    looks: u64,
    entries: u64,
    failed: u64,
}

#[derive(Default)]
struct Counts {
    looks: u64,
    entries: u64,
    failed: u64,
}

/// See the module.
pub struct Leaderboard {
    seed: BoardSeed,
    id: BoardId,
    state: Arc<RwLock<Board>>,
    /// A look is under way; there is never more than one.
    looking: bool,
    heard: u64,
    looked: Instant,
    /// Who asked for a look that begins after they asked.
    waiting: Vec<Reply<()>>,
    /// The top as it was last told.
    told: HashMap<Window, Vec<PublicRow>>,
    watchers: HashMap<UserId, Option<(usize, i64)>>,
    counts: Counts,
}

/// What a look found.
struct News {
    entries: Vec<Entry>,
    choices: Vec<Choice>,
    mark: (Mark, i64),
    remade: i64,
}

impl From<DbError> for RebuildError {
    fn from(error: DbError) -> Self {
        if error.is_unavailable() {
            Self::Unavailable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// Reads a whole board, in one snapshot; `None` if there is none of that name.
pub async fn read(
    database: &Database,
    (now, zone): (DateTime<Utc>, chrono_tz::Tz),
    id: &BoardId,
) -> Result<Option<Board>, DbError> {
    let mut conn = database.conn().await?;
    conn.build_transaction()
        .read_only()
        .repeatable_read()
        .run(async |conn| {
            if !boards::exists(conn, id).await? {
                return Ok(None);
            }
            let position = boards::position(conn, id).await?;
            let hidden = boards::hidden(conn).await?;
            let mut board = Board::new(Vec::new(), position, &hidden, now);
            board.remade = boards::remakes(conn).await?;
            if let BoardId::Cohort(slug) = id {
                board.belongs = boards::belonging(conn, slug).await?.into_iter().collect();
            }
            let read = board.read();
            for window in Window::ALL {
                let span = window.span(now, zone);
                let mut sums = Vec::new();
                boards::sums(conn, id, span, &read, |sum| sums.push(sum)).await?;
                board.slots.push(Slot::load(window, span, sums, &board.hidden));
            }
            Ok::<_, DbError>(Some(board))
        })
        .await
}

impl Behavior for Leaderboard {
    const KIND: &'static str = "leaderboard";
    type Id = BoardId;
    type Seed = BoardSeed;
    type Observed = Observed;

    async fn rebuild(seed: BoardSeed, id: BoardId) -> Result<Self, RebuildError> {
        let began = Instant::now();
        let now = (seed.clock.now(), seed.zone);
        let Some(board) = read(&seed.database, now, &id).await? else { return Err(RebuildError::NotFound) };
        seed.metrics.rebuild_seconds.observe(began.elapsed().as_secs_f64());
        let state = Arc::new(RwLock::new(board));
        seed.states.insert(id.clone(), state.clone());
        seed.copies.open(&id);
        Ok(Self {
            heard: seed.nudges.load(Ordering::Acquire),
            seed,
            id,
            state,
            looking: false,
            looked: Instant::now(),
            waiting: Vec::new(),
            told: HashMap::new(),
            watchers: HashMap::new(),
            counts: Counts::default(),
        })
    }

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        self.look(cx);
        // A timer, not a message: a board that nobody asks is put away however much is earned.
        cx.every(LOOK, |own, cx| {
            let heard = own.heard != own.seed.nudges.load(Ordering::Acquire);
            if heard || !own.waiting.is_empty() || own.looked.elapsed() >= AT_LEAST {
                own.look(cx);
            }
        });
    }

    fn observe(&self) -> Observed {
        let board = self.state.read().unwrap_or_else(PoisonError::into_inner);
        Observed {
            members: board.slots.iter().map(|slot| (slot.window.as_str(), slot.ranking.len())).collect(),
            bytes: board.bytes(),
            unsettled: board.unsettled(),
            watchers: self.watchers.len(),
            looks: self.counts.looks,
            entries: self.counts.entries,
            failed: self.counts.failed,
        }
    }

    fn stopping(&mut self) {
        self.seed.copies.close(&self.id);
        self.seed.states.remove(&self.id);
    }
}

impl Leaderboard {
    /// Reads what is new, unless that is under way.
    fn look(&mut self, cx: &mut Cx<'_, Self>) {
        if self.looking {
            return;
        }
        self.looking = true;
        self.heard = self.seed.nudges.load(Ordering::Acquire);
        self.looked = Instant::now();
        self.counts.looks += 1;
        let asked = std::mem::take(&mut self.waiting);
        let (database, id) = (self.seed.database.clone(), self.id.clone());
        let from = self.board(|board| board.read());
        let looking = async move {
            let mut conn = database.conn().await?;
            // In this order: see `store::boards::mark` and `Board::settle`.
            let mark = boards::mark(&mut conn, &id).await?;
            let choices = boards::choices(&mut conn, CHOICES).await?;
            let remade = boards::remakes(&mut conn).await?;
            let entries = boards::unread(&mut conn, &id, &from, BATCH).await?;
            Ok::<_, DbError>(News { entries, choices, mark, remade })
        };
        cx.spawn(looking, move |own, found, cx| {
            own.looking = false;
            match found {
                Ok(news) => own.take(news, asked, cx),
                Err(error) => {
                    own.counts.failed += 1;
                    slog::debug!(log(), "a board cannot read the ledger; it will"; "board" => %own.id, "error" => %error);
                    // Dropped replies tell their askers.
                    drop(asked);
                }
            }
        });
    }

    fn take(&mut self, news: News, asked: Vec<Reply<()>>, cx: &mut Cx<'_, Self>) {
        let full = news.entries.len() as i64 == BATCH;
        let now = self.seed.clock.now();
        self.counts.entries += news.entries.len() as u64;
        self.seed.metrics.entries.inc_by(news.entries.len() as u64);
        let id = self.id.clone();
        let (changes, joined) = self.change(|board| {
            let mut changes = board.take(&news.entries);
            let mut joined = news.remade > board.remade;
            for choice in &news.choices {
                changes.extend(board.choose(choice));
                joined |= board.moved(&id, choice);
            }
            if !full {
                board.settle(news.mark.0, news.mark.1);
            }
            board.as_of = now;
            board.followed = Instant::now();
            if !changes.is_empty() {
                board.version = (board.version + 1).max(now.timestamp_micros());
            }
            (changes, joined)
        });
        let turned = self.board(|board| board.over(now, self.seed.zone));
        self.tell(changes);
        for reply in asked {
            reply.send(());
        }
        if joined {
            self.reload(cx);
        } else if !turned.is_empty() {
            self.turn(turned, cx);
        } else if full || !self.waiting.is_empty() {
            self.look(cx);
        }
    }

    /// Windows whose time is over are made anew, of exactly what the others have read.
    fn turn(&mut self, turned: Vec<(Window, Span)>, cx: &mut Cx<'_, Self>) {
        self.looking = true;
        let (seed, id) = (self.seed.clone(), self.id.clone());
        let (from, hidden) = self.board(|board| (board.read(), board.hidden.clone()));
        let reading = async move {
            let mut conn = seed.database.conn().await?;
            let mut slots = Vec::new();
            for (window, span) in turned {
                let mut sums = Vec::new();
                boards::sums(&mut conn, &id, span, &from, |sum| sums.push(sum)).await?;
                slots.push(Slot::load(window, span, sums, &hidden));
            }
            Ok::<_, DbError>(slots)
        };
        cx.spawn(reading, |own, slots, _| {
            own.looking = false;
            let Ok(slots) = slots else { return own.counts.failed += 1 };
            let now = own.seed.clock.now();
            let windows: Vec<Window> = slots.iter().map(|slot| slot.window).collect();
            own.change(|board| {
                slots.into_iter().for_each(|slot| board.turn(slot));
                board.version = (board.version + 1).max(now.timestamp_micros());
            });
            own.seed.copies.replaced(&own.id, &windows);
            own.tell_tops(windows);
        });
    }

    /// Everything anew, while what was there goes on to answer.
    fn reload(&mut self, cx: &mut Cx<'_, Self>) {
        self.looking = true;
        let (seed, id) = (self.seed.clone(), self.id.clone());
        cx.spawn(
            async move { read(&seed.database, (seed.clock.now(), seed.zone), &id).await },
            |own, board, _| {
                own.looking = false;
                let Ok(Some(board)) = board else { return own.counts.failed += 1 };
                own.change(|old| {
                    let version = (old.version + 1).max(board.version);
                    *old = board;
                    old.version = version;
                });
                own.seed.copies.replaced(&own.id, &Window::ALL);
                own.tell_tops(Window::ALL.to_vec());
            },
        );
    }

    fn board<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells those who look, and those who moved.
    fn tell(&mut self, mut changes: Changes) {
        if changes.is_empty() {
            return;
        }
        changes.sort_unstable();
        changes.dedup();
        let mut windows: Vec<Window> = changes.iter().map(|(window, _)| *window).collect();
        windows.dedup();
        self.seed.copies.changed(&self.id, &changes);
        let moved = changes.iter().filter(|(window, _)| *window == Window::All).map(|(_, user)| *user);
        let here: Vec<UserId> = moved.filter(|user| self.seed.live.is_here(*user)).collect();
        for user in here {
            self.watch(user);
        }
        self.tell_tops(windows);
        self.tell_own();
    }

    fn watch(&mut self, user: UserId) {
        if self.watchers.len() < WATCHERS {
            self.watchers.entry(user).or_insert(None);
        }
    }

    fn tell_tops(&mut self, windows: Vec<Window>) {
        for window in windows {
            if !self.seed.live.is_watched(&self.id, window) {
                self.told.remove(&window);
                continue;
            }
            let part = self
                .board(|board| board.answer(&Ask { window, question: super::messages::Question::Top(TOP) }));
            let rows: Vec<PublicRow> = part.rows.iter().map(PublicRow::from).collect();
            let before = self.told.insert(window, rows.clone()).unwrap_or_default();
            let changed: Vec<PublicRow> = rows
                .iter()
                .enumerate()
                .filter(|(n, row)| before.get(*n) != Some(*row))
                .map(|(_, row)| row.clone())
                .collect();
            if !changed.is_empty() || rows.len() != before.len() {
                self.seed.live.top(&self.id, window, &changed, part.total, part.version);
            }
        }
    }

    /// Everybody here who looks, and whose place or score is another than they were told.
    fn tell_own(&mut self) {
        let live = self.seed.live.clone();
        self.watchers.retain(|user, _| live.is_here(*user));
        let board = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(slot) = board.ranking(Window::All) else { return };
        for (user, told) in &mut self.watchers {
            let place = slot.ranking.place(*user).map(|placed| (placed.rank, placed.standing.score));
            if place != *told {
                *told = place;
                if let Some(place) = place {
                    live.own(*user, &self.id, Window::All, place, slot.ranking.len());
                }
            }
        }
    }
}

impl Receive<Ask> for Leaderboard {
    fn receive(&mut self, ask: Ask, reply: Reply<super::Part>, _cx: &mut Cx<'_, Self>) {
        reply.send(self.board(|board| board.answer(&ask)));
    }
}

impl Receive<Refresh> for Leaderboard {
    fn receive(&mut self, _: Refresh, reply: Reply<()>, cx: &mut Cx<'_, Self>) {
        self.waiting.push(reply);
        self.look(cx);
    }
}

impl Receive<Watch> for Leaderboard {
    fn receive(&mut self, Watch(user): Watch, reply: Reply<()>, _cx: &mut Cx<'_, Self>) {
        let place = self.board(|board| board.ranking(Window::All)?.ranking.place(user));
        if self.watchers.len() < WATCHERS {
            self.watchers.insert(user, place.map(|placed| (placed.rank, placed.standing.score)));
        }
        reply.send(());
    }
}

#[cfg(test)]
impl Receive<super::messages::Poison> for Leaderboard {
    fn receive(&mut self, _: super::messages::Poison, _: Reply<()>, _: &mut Cx<'_, Self>) {
        panic!("poison");
    }
}
