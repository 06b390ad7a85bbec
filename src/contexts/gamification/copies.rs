//! The boards' copies that several nodes share (`ports::boards`).
//!
//! Every node has boards of its own in memory, made from the ledger; one of them, whoever holds the board's
//! lease, keeps the copy. Its actor only marks *who* changed; what they have then is read from the board's
//! state when it is written, so that a copy never goes back, whatever fails and is tried again. A writer that
//! begins writes the whole board; so does one whose copy has lost something.
//!
//! No answer depends on a copy. A node whose own board is still being made answers from it, marked stale.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::Notify};

use super::{
    actors::{Ask, Board, Part, Question, Row, States},
    metrics::GameMetrics,
    model::{BoardId, Span, Window},
    ranking::{Placed, Standing},
};
use crate::{
    ports::{
        boards::{Boards as Store, BoardsAway, Change, Query, Ranked, Row as CopyRow, Stamp, View, Written},
        locks::{Lease, Locks},
    },
    principal::UserId,
    telemetry::log,
};

/// Between two writes of a board.
const PAUSE: Duration = Duration::from_millis(100);
/// How often a copy is looked at although nothing changed: whether it is whole, and that it is current.
const BEAT: Duration = Duration::from_secs(2);
/// How long a lease outlives its writer.
const LEASE: Duration = Duration::from_secs(10);
/// Past so many changed people, writing everybody is no more work.
const MOST: usize = 50_000;

/// Where copies are kept, and who keeps them.
#[derive(Clone)]
pub struct CopyParts {
    /// The copies.
    pub store: Arc<dyn Store>,
    /// The leases.
    pub locks: Locks,
    /// A board that has not followed the ledger for so long, since it crashed too often or the database is
    /// away, keeps no copy: another node's may be better.
    pub behind: Duration,
}

impl CopyParts {
    /// Copies there, under those leases.
    pub fn new(store: Arc<dyn Store>, locks: Locks) -> Self {
        Self { store, locks, behind: Duration::from_secs(20) }
    }
}

/// The copies. Cheap to clone.
#[derive(Clone)]
pub struct Copies {
    inner: Option<Arc<Inner>>,
}

struct Inner {
    parts: CopyParts,
    states: States,
    desks: DashMap<BoardId, Arc<Desk>>,
    metrics: GameMetrics,
    runtime: Handle,
    /// Of the last write.
    turn: AtomicU64,
}

/// What is to be written of one board.
#[derive(Default)]
struct Desk {
    due: Mutex<Due>,
    wake: Notify,
}

#[derive(Default)]
struct Due {
    windows: HashMap<Window, Todo>,
    stop: bool,
}

enum Todo {
    /// Everybody.
    Whole,
    /// These.
    People(HashSet<UserId>),
}

/// What a writer says of a copy: of what stretch of time it is, and how old.
#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct About {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    as_of: DateTime<Utc>,
    version: i64,
}

/// Why a write ends here.
enum Trouble {
    Away(BoardsAway),
    /// Another has taken over, or the lease is over.
    Over,
}

impl From<BoardsAway> for Trouble {
    fn from(away: BoardsAway) -> Self {
        Self::Away(away)
    }
}

/// The name of a board's window in the copies.
pub(super) fn name(board: &BoardId, window: Window) -> String {
    format!("{board}@{}", window.as_str())
}

/// The name of a board's lease.
fn lock(board: &BoardId) -> String {
    format!("board.{board}")
}

impl Copies {
    /// No copies: one node, or no Redis.
    pub fn none() -> Self {
        Self { inner: None }
    }

    /// Copies of the boards whose states those are; written on the present runtime.
    pub(super) fn new(parts: CopyParts, states: States, metrics: GameMetrics) -> Self {
        let runtime = Handle::current();
        let (desks, turn) = (DashMap::new(), AtomicU64::new(0));
        Self { inner: Some(Arc::new(Inner { parts, states, desks, metrics, runtime, turn })) }
    }

    /// A board has begun, or begun again: its copy is made anew by whoever keeps it.
    pub fn open(&self, board: &BoardId) {
        let Some(inner) = &self.inner else { return };
        let fresh = Arc::new(Desk::default());
        let desk = inner.desks.entry(board.clone()).or_insert_with(|| fresh.clone()).clone();
        desk.everything();
        if Arc::ptr_eq(&desk, &fresh) {
            inner.runtime.spawn(keep(inner.clone(), board.clone(), desk));
        }
    }

    /// A board is put away: another may keep the copy.
    pub fn close(&self, board: &BoardId) {
        let Some(inner) = &self.inner else { return };
        if let Some((_, desk)) = inner.desks.remove(board) {
            desk.with(|due| due.stop = true);
            desk.wake.notify_one();
        }
    }

    /// These have changed.
    pub fn changed(&self, board: &BoardId, changes: &[(Window, UserId)]) {
        let Some(inner) = &self.inner else { return };
        let Some(desk) = inner.desks.get(board) else { return };
        desk.with(|due| {
            for (window, user) in changes {
                let todo = due.windows.entry(*window).or_insert_with(|| Todo::People(HashSet::new()));
                if let Todo::People(people) = todo {
                    people.insert(*user);
                    if people.len() > MOST {
                        *todo = Todo::Whole;
                    }
                }
            }
        });
        desk.wake.notify_one();
    }

    /// These windows were made anew.
    pub fn replaced(&self, board: &BoardId, windows: &[Window]) {
        let Some(inner) = &self.inner else { return };
        let Some(desk) = inner.desks.get(board) else { return };
        desk.with(|due| due.windows.extend(windows.iter().map(|window| (*window, Todo::Whole))));
        desk.wake.notify_one();
    }

    /// Answers from the copy, if it is whole and of this moment's window. Who does not want to be named is
    /// not marked.
    pub(super) async fn answer(&self, board: &BoardId, ask: &Ask, span: Span) -> Option<Part> {
        let inner = self.inner.as_ref()?;
        let query = match &ask.question {
            Question::Top(n) => Query::Range { from: 1, limit: *n as u64 },
            Question::Around(user, span) => Query::Around { member: user.0, span: *span as u64 },
            Question::Among(users) => Query::Among(users.iter().map(|user| user.0).collect()),
        };
        let View { rows, total, about } =
            inner.parts.store.view(&name(board, ask.window), &query).await.ok()?;
        let about: About = serde_json::from_str(&about?).ok()?;
        if (Span { from: about.from, to: about.to }) != span {
            return None;
        }
        let placed = |ranked: &Ranked| Placed {
            rank: usize::try_from(ranked.rank).unwrap_or(usize::MAX),
            standing: Standing {
                user: UserId(ranked.row.member),
                score: ranked.row.score,
                reached: ranked.row.reached,
            },
        };
        let rows: Vec<Row> =
            rows.iter().map(|ranked| Row { placed: placed(ranked), anonymous: false }).collect();
        let own = match &ask.question {
            Question::Around(user, _) => {
                rows.iter().map(|row| row.placed).find(|placed| placed.standing.user == *user)
            }
            _ => None,
        };
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let About { as_of, version, .. } = about;
        Some(Part { rows, total, own, span, as_of, version, stale: true })
    }
}

impl Desk {
    fn with<T>(&self, act: impl FnOnce(&mut Due) -> T) -> T {
        act(&mut self.due.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn everything(&self) {
        self.with(|due| due.windows = Window::ALL.map(|window| (window, Todo::Whole)).into());
        self.wake.notify_one();
    }

    /// What is due of a window; nobody, if nothing is.
    fn take(&self, window: Window) -> Todo {
        self.with(|due| due.windows.remove(&window)).unwrap_or_else(|| Todo::People(HashSet::new()))
    }

    /// It was not written: it is due again, with what has become due since.
    fn give_back(&self, window: Window, todo: Todo) {
        self.with(|due| match (due.windows.remove(&window), todo) {
            (Some(Todo::People(mut since)), Todo::People(people)) => {
                since.extend(people);
                due.windows.insert(window, Todo::People(since));
            }
            (None, todo) => drop(due.windows.insert(window, todo)),
            _ => drop(due.windows.insert(window, Todo::Whole)),
        });
    }

    fn is_due(&self) -> bool {
        self.with(|due| !due.windows.is_empty())
    }

    fn is_over(&self) -> bool {
        self.with(|due| due.stop)
    }
}

/// Keeps a board's copy for as long as the board is here and the lease is ours.
async fn keep(inner: Arc<Inner>, board: BoardId, desk: Arc<Desk>) {
    let mut lease: Option<Lease> = None;
    loop {
        if !desk.is_due() {
            let _ = tokio::time::timeout(BEAT, desk.wake.notified()).await;
        }
        if desk.is_over() {
            break;
        }
        if !inner.follows(&board) {
            if let Some(lease) = lease.take() {
                lease.release().await;
            }
            desk.everything();
            tokio::time::sleep(BEAT).await;
            continue;
        }
        if !lease.as_ref().is_some_and(Lease::is_held) {
            lease = inner.parts.locks.try_lock(lock(&board), LEASE).await.ok().flatten();
            // Somebody else may have written since; and what changes meanwhile need not be noted one by one.
            desk.everything();
        }
        let Some(held) = &lease else {
            let _ = tokio::time::timeout(BEAT, async {
                while !desk.is_over() {
                    desk.wake.notified().await;
                }
            })
            .await;
            continue;
        };
        match inner.write(&board, &desk, held).await {
            Ok(true) => tokio::time::sleep(PAUSE).await,
            // Written whole in a while: whoever throws copies away would throw away the next one as well.
            Ok(false) => tokio::time::sleep(BEAT).await,
            Err(Trouble::Over) => {
                if let Some(lease) = lease.take() {
                    lease.release().await;
                }
                tokio::time::sleep(BEAT).await;
            }
            Err(Trouble::Away(away)) => {
                inner.metrics.copies.with_label_values(&["failed"]).inc();
                slog::debug!(log(), "a board's copy cannot be written; it will"; "board" => %board, "why" => %away);
                tokio::time::sleep(BEAT).await;
            }
        }
    }
    if let Some(lease) = lease {
        lease.release().await;
    }
}

impl Inner {
    /// Whether the board here follows the ledger.
    fn follows(&self, board: &BoardId) -> bool {
        let Some(state) = self.states.get(board).map(|state| state.clone()) else { return false };
        let state = state.read().unwrap_or_else(PoisonError::into_inner);
        state.followed.elapsed() < self.parts.behind
    }

    /// Writes what is due; whether the copy is whole.
    async fn write(&self, board: &BoardId, desk: &Desk, lease: &Lease) -> Result<bool, Trouble> {
        let mut whole = true;
        for window in Window::ALL {
            let todo = desk.take(window);
            match self.write_window(board, window, &todo, lease).await {
                Ok(Written::Done) => {}
                Ok(Written::Lost | Written::Late) => {
                    self.metrics.copies.with_label_values(&["lost"]).inc();
                    desk.give_back(window, Todo::Whole);
                    whole = false;
                }
                Ok(Written::Fenced) => {
                    desk.give_back(window, Todo::Whole);
                    return Err(Trouble::Over);
                }
                Err(trouble) => {
                    desk.give_back(window, todo);
                    return Err(trouble);
                }
            }
        }
        Ok(whole)
    }

    async fn write_window(
        &self,
        board: &BoardId,
        window: Window,
        todo: &Todo,
        lease: &Lease,
    ) -> Result<Written, Trouble> {
        let name = name(board, window);
        // Read when it is written, in one moment: what is noted is only who.
        let Some((stamp, found)) = self.read(board, window, todo, lease.token()) else {
            return Ok(Written::Done);
        };
        if !lease.is_held() {
            return Err(Trouble::Over);
        }
        let count = |outcome: &str| self.metrics.copies.with_label_values(&[outcome]).inc();
        let written = match found {
            Found::Everybody(rows) => {
                let done = lease.guard(self.parts.store.replace(&name, &stamp, &rows)).await;
                let done = done.map_err(|_| Trouble::Over)??;
                if done == Written::Done {
                    count("made");
                }
                done
            }
            Found::Changes(changes) => {
                let done = lease.guard(self.parts.store.write(&name, &stamp, &changes)).await;
                let done = done.map_err(|_| Trouble::Over)??;
                if done == Written::Done && !changes.is_empty() {
                    count("written");
                }
                done
            }
        };
        Ok(written)
    }

    /// What a window holds now of those to be written; nothing while the board is being made anew after it
    /// crashed in the middle of a change.
    fn read(&self, board: &BoardId, window: Window, todo: &Todo, token: u64) -> Option<(Stamp, Found)> {
        let state = self.states.get(board)?.clone();
        let state = state.read().ok()?;
        let slot = state.ranking(window)?;
        let found = match todo {
            Todo::Whole => Found::Everybody(slot.ranking.iter().map(row).collect()),
            Todo::People(people) => {
                let change = |user: &UserId| match slot.ranking.standing(*user) {
                    Some(standing) => Change::Put(row(standing)),
                    None => Change::Gone(user.0),
                };
                Found::Changes(people.iter().map(change).collect())
            }
        };
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Some((stamp(&state, window, (token, turn))?, found))
    }
}

enum Found {
    Everybody(Vec<CopyRow>),
    Changes(Vec<Change>),
}

fn row(standing: Standing) -> CopyRow {
    CopyRow { member: standing.user.0, score: standing.score, reached: standing.reached }
}

fn stamp(state: &Board, window: Window, (token, turn): (u64, u64)) -> Option<Stamp> {
    let slot = state.ranking(window)?;
    let about = About { from: slot.span.from, to: slot.span.to, as_of: state.as_of, version: state.version };
    let about = serde_json::to_string(&about).ok()?;
    Some(Stamp { token, turn, about, total: slot.ranking.len() as u64 })
}

/// Why a copy was not written.
pub(super) struct CopyError(pub String);

/// Writes a board's copy once, for a command; `false` if somebody keeps it.
pub(super) async fn write_once(parts: &CopyParts, board: &BoardId, state: &Board) -> Result<bool, CopyError> {
    let lease = parts.locks.try_lock(lock(board), LEASE).await.map_err(|away| CopyError(away.to_string()))?;
    let Some(lease) = lease else { return Ok(false) };
    let mut done = Ok(true);
    for window in Window::ALL {
        let Some((slot, stamp)) = state.ranking(window).zip(stamp(state, window, (lease.token(), 0))) else {
            continue;
        };
        let rows: Vec<CopyRow> = slot.ranking.iter().map(row).collect();
        let name = name(board, window);
        done = match lease.guard(parts.store.replace(&name, &stamp, &rows)).await {
            Ok(Ok(Written::Done)) => continue,
            Ok(Ok(Written::Fenced)) => Ok(false),
            Ok(Ok(Written::Lost | Written::Late)) => Err(CopyError("what was written for it is gone".into())),
            Ok(Err(away)) => Err(CopyError(away.to_string())),
            Err(lost) => Err(CopyError(lost.to_string())),
        };
        break;
    }
    lease.release().await;
    done
}
