//! A quiz that an instructor runs with everybody at once.
//!
//! ```text
//! host ── next, close, end ─▶ mailbox ─▶ one row, by its version ─▶ course:<id>, to all nodes
//! learners ── answers ──────▶ mailbox ─▶ one insert for all who wait ─▶ acknowledged
//!                                             ╰─▶ scoreboard, at most five changes a second
//! ```
//!
//! Rows are the truth. An answer is acknowledged once it is in a row; those that arrive while an insert is
//! under way share the next one. Points are decided when an answer comes and kept with it, so the scoreboard
//! is a sum over rows: after a crash, on another node, or for whoever comes late it is the same. A question is
//! over when its time is: no timer has to fire for that.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use crate::{
    actors::{Behavior, Cx, RebuildError, Receive, Reply, Request},
    clock::Clock,
    contexts::learning::{
        channels::Live,
        model::{
            live::{GRACE, LiveQuestion, LiveQuizId, LiveState, LiveStep, worth},
            marking::{self, Answer},
            paper,
        },
        store::live::{self, LiveRow, Moved, NewAnswer, Total},
        views::{LiveOwn, LivePlace, LiveView},
    },
    postgres::{Database, DbError},
    principal::UserId,
    telemetry::log,
};

/// Between two changes of the scoreboard.
const TICK: Duration = Duration::from_millis(200);
/// Between two looks at the rows: other nodes write too.
const LOOK: Duration = Duration::from_secs(1);
/// A question that is not known here may have been opened on another node: looked for this often.
const SURPRISED: Duration = Duration::from_millis(200);
/// Answers of one insert.
const BATCH: usize = 500;
/// Places of the scoreboard that everybody sees.
pub const TOP: usize = 20;

/// What a live quiz is made with.
#[derive(Clone)]
pub struct LiveSeed {
    /// Where the rows are.
    pub database: Database,
    /// The time of day.
    pub clock: Clock,
    /// Where news go.
    pub live: Live,
}

/// Why something is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveRefusal {
    /// Not in this state.
    NotNow(LiveState),
    /// The question's time is over.
    TooLate,
    /// The question is not open yet.
    NotOpen,
    /// It is no answer to this question.
    Flaw(&'static str),
    /// Somebody else took a step at the same time.
    Stale,
    /// The store does not answer; nothing was acknowledged, and trying again is harmless.
    Unavailable,
}

/// A host takes a step.
#[derive(Clone, Copy, Debug)]
pub struct Take(pub LiveStep);

impl Request for Take {
    type Answer = Result<LiveView, LiveRefusal>;
}

/// A learner answers.
#[derive(Clone, Debug)]
pub struct Say {
    /// Who.
    pub student: UserId,
    /// Which question, from 1.
    pub number: i32,
    /// What.
    pub answer: Answer,
    /// When it arrived at the server.
    pub at: DateTime<Utc>,
}

/// An answer that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// There was one already, which counts.
    pub duplicate: bool,
}

impl Request for Say {
    type Answer = Result<Said, LiveRefusal>;
}

/// How it stands, as this person may see it.
#[derive(Clone, Copy, Debug)]
pub struct Look(pub UserId);

impl Request for Look {
    type Answer = LiveView;
}

/// A poison message.
#[cfg(test)]
pub struct Poison;

#[cfg(test)]
impl Request for Poison {
    type Answer = ();
}

/// What operators see.
#[derive(Serialize)]
pub struct Observed {
    state: &'static str,
    question: i32,
    learners: usize,
    answers: i64,
    waiting: usize,
    inserts: u64,
    failed: u64,
}

/// See the module.
pub struct LiveQuiz {
    seed: LiveSeed,
    row: LiveRow,
    state: LiveState,
    paper: Vec<LiveQuestion>,
    totals: HashMap<UserId, Total>,
    answers: i64,
    pending: Vec<(NewAnswer, Reply<Result<Said, LiveRefusal>>)>,
    inserting: bool,
    looking: bool,
    looked: Instant,
    /// The scoreboard as it was last told, and whether it may be another one.
    told: Vec<LivePlace>,
    dirty: bool,
    /// The question whose end was told.
    told_closed: i32,
    inserts: u64,
    failed: u64,
}

/// A quiz and its sums, as they are stored.
struct Stored {
    row: LiveRow,
    state: LiveState,
    paper: Vec<LiveQuestion>,
    totals: Vec<Total>,
}

async fn read(database: &Database, id: LiveQuizId) -> Result<Option<Stored>, RebuildError> {
    let mut conn = database.conn().await?;
    let Some(row) = live::load(&mut conn, id).await? else { return Ok(None) };
    let totals = live::totals(&mut conn, id).await?;
    let unreadable = |what: &str| RebuildError::Failed(format!("a live quiz's {what} is unreadable"));
    let state = LiveState::parse(&row.state).ok_or_else(|| unreadable("state"))?;
    let paper = serde_json::from_value(row.paper.clone()).map_err(|_| unreadable("paper"))?;
    Ok(Some(Stored { row, state, paper, totals }))
}

impl Behavior for LiveQuiz {
    const KIND: &'static str = "live_quiz";
    type Id = LiveQuizId;
    type Seed = LiveSeed;
    type Observed = Observed;

    async fn rebuild(seed: LiveSeed, id: LiveQuizId) -> Result<Self, RebuildError> {
        let stored = read(&seed.database, id).await?.ok_or(RebuildError::NotFound)?;
        let told_closed =
            if stored.state == LiveState::Open { stored.row.number - 1 } else { stored.row.number };
        let mut own = Self {
            seed,
            row: stored.row.clone(),
            state: stored.state,
            paper: Vec::new(),
            totals: HashMap::new(),
            answers: 0,
            pending: Vec::new(),
            inserting: false,
            looking: false,
            looked: Instant::now(),
            told: Vec::new(),
            dirty: true,
            told_closed,
            inserts: 0,
            failed: 0,
        };
        own.take(stored);
        Ok(own)
    }

    fn started(&mut self, cx: &mut Cx<'_, Self>) {
        cx.every(TICK, |own, cx| own.tick(cx));
    }

    fn observe(&self) -> Observed {
        Observed {
            state: self.state.as_str(),
            question: self.row.number,
            learners: self.totals.len(),
            answers: self.answers,
            waiting: self.pending.len(),
            inserts: self.inserts,
            failed: self.failed,
        }
    }

    fn may_passivate(&self) -> bool {
        !self.is_open(self.seed.clock.now())
    }
}

impl LiveQuiz {
    fn take(&mut self, stored: Stored) {
        self.row = stored.row;
        self.state = stored.state;
        self.paper = stored.paper;
        self.answers = stored.totals.iter().map(|total| total.answers).sum();
        self.totals = stored.totals.into_iter().map(|total| (total.student_id, total)).collect();
        self.looked = Instant::now();
        self.dirty = true;
    }

    /// Whether the present question takes answers that arrived at `at`.
    fn is_open(&self, at: DateTime<Utc>) -> bool {
        self.state == LiveState::Open && self.row.closes_at.is_some_and(|closes| at <= closes + GRACE)
    }

    /// The state as it is now: a question is over when its time is.
    fn shown_state(&self) -> LiveState {
        match self.state {
            LiveState::Open if !self.is_open(self.seed.clock.now()) => LiveState::Closed,
            state => state,
        }
    }

    fn asked(&self) -> Option<&LiveQuestion> {
        self.paper.get(usize::try_from(self.row.number).ok()?.checked_sub(1)?)
    }

    fn last(&self) -> bool {
        usize::try_from(self.row.number).is_ok_and(|number| number >= self.paper.len())
    }

    /// Everybody by points; who had them sooner stands before.
    fn ranking(&self) -> Vec<&Total> {
        let mut all: Vec<&Total> = self.totals.values().collect();
        all.sort_by(|a, b| (b.points, a.last_at, a.student_id.0).cmp(&(a.points, b.last_at, b.student_id.0)));
        all
    }

    fn view(&self, who: Option<UserId>) -> LiveView {
        let ranking = self.ranking();
        let at = |who| ranking.iter().position(|total| Some(total.student_id) == who);
        let state = self.shown_state();
        let own = at(who).map(|n| LiveOwn {
            rank: n + 1,
            points: ranking[n].points,
            answered: ranking[n].last_number == self.row.number,
        });
        let number = usize::try_from(self.row.number).unwrap_or_default();
        let open = state == LiveState::Open;
        LiveView {
            id: self.row.id,
            course_id: self.row.course_id,
            host_id: self.row.host_id,
            title: self.row.title.clone(),
            state,
            number,
            of: self.paper.len(),
            seconds: self.row.seconds,
            question: self.asked().filter(|_| open).map(|one| paper::ask(number, &one.place, &one.question)),
            closes_at: self.row.closes_at.filter(|_| open),
            now: self.seed.clock.now(),
            answered: self.totals.values().filter(|total| total.last_number == self.row.number).count(),
            learners: ranking.len(),
            items: ranking.iter().take(TOP).enumerate().map(|(n, total)| place(n, total)).collect(),
            own,
            version: self.row.version,
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_, Self>) {
        let now = self.seed.clock.now();
        if self.state == LiveState::Open && !self.is_open(now) && self.told_closed < self.row.number {
            self.tell_closed();
        }
        if self.dirty {
            self.tell_scoreboard();
        }
        if self.state != LiveState::Ended && self.looked.elapsed() >= LOOK && !self.inserting {
            self.look(cx);
        }
    }

    /// Reads what other nodes wrote, if they wrote anything.
    fn look(&mut self, cx: &mut Cx<'_, Self>) {
        if self.looking {
            return;
        }
        self.looking = true;
        self.looked = Instant::now();
        let (database, id, version, answers) =
            (self.seed.database.clone(), self.row.id, self.row.version, self.answers);
        let looking = async move {
            let mut conn = database.conn().await?;
            let same = live::load(&mut conn, id).await?.is_some_and(|row| row.version == version)
                && live::count(&mut conn, id).await? == answers;
            drop(conn);
            if same { Ok(None) } else { read(&database, id).await }
        };
        cx.spawn(looking, move |own, found, _| {
            own.looking = false;
            match found {
                // What was answered here meanwhile is not in it: the next look finds it.
                Ok(Some(stored))
                    if !own.inserting && own.answers == answers && own.row.version == version =>
                {
                    own.take(stored);
                }
                Ok(_) => {}
                Err(_) => own.failed += 1,
            }
        });
    }

    /// Opens, closes or ends, by the row's version.
    fn step(&mut self, step: LiveStep, reply: Reply<Result<LiveView, LiveRefusal>>, cx: &mut Cx<'_, Self>) {
        let state = self.shown_state();
        let Some(to) = step.from(state, self.last()) else {
            return reply.send(Err(LiveRefusal::NotNow(state)));
        };
        let now = self.seed.clock.now();
        let moved = match to {
            LiveState::Open => Moved {
                state: to.as_str(),
                number: self.row.number + 1,
                opened_at: Some(now),
                closes_at: Some(now + chrono::Duration::seconds(i64::from(self.row.seconds))),
            },
            _ => Moved {
                state: to.as_str(),
                number: self.row.number,
                opened_at: self.row.opened_at,
                closes_at: self.row.closes_at,
            },
        };
        let (database, id, version) = (self.seed.database.clone(), self.row.id, self.row.version);
        let writing = async move {
            let mut conn = database.conn().await?;
            live::advance(&mut conn, id, version, &moved, now).await
        };
        cx.wait(writing, move |own, done: Result<Option<i64>, DbError>, cx| match done {
            Ok(Some(version)) => {
                let was = own.state;
                own.row.version = version;
                (own.row.number, own.row.opened_at, own.row.closes_at) =
                    (moved.number, moved.opened_at, moved.closes_at);
                own.state = to;
                own.row.state = to.as_str().to_owned();
                own.tell_step(was);
                reply.send(Ok(own.view(None)));
            }
            Ok(None) => {
                own.look(cx);
                reply.send(Err(LiveRefusal::Stale));
            }
            Err(error) => {
                own.failed += 1;
                slog::warn!(log(), "a live quiz cannot be moved"; "quiz" => %own.row.id, "error" => %error);
                reply.send(Err(LiveRefusal::Unavailable));
            }
        });
    }

    /// Takes an answer in, or refuses it.
    fn said(&mut self, say: Say, reply: Reply<Result<Said, LiveRefusal>>, cx: &mut Cx<'_, Self>) {
        if say.number < self.row.number || say.number < 1 {
            return reply.send(Err(LiveRefusal::TooLate));
        }
        if say.number > self.row.number {
            return reply.send(Err(LiveRefusal::NotOpen));
        }
        if self.totals.get(&say.student).is_some_and(|total| total.last_number == say.number) {
            return reply.send(Ok(Said { duplicate: true }));
        }
        if !self.is_open(say.at) {
            return reply.send(Err(LiveRefusal::TooLate));
        }
        let (Some(asked), Some(opened)) = (self.asked(), self.row.opened_at) else {
            return reply.send(Err(LiveRefusal::NotOpen));
        };
        if let Some(flaw) = marking::flaw(&say.answer, &asked.place, &asked.question) {
            return reply.send(Err(LiveRefusal::Flaw(flaw)));
        }
        let points = worth(asked, &say.answer, opened, self.row.seconds, say.at);
        let Ok(answer) = serde_json::to_value(&say.answer) else {
            return reply.send(Err(LiveRefusal::Flaw("cannot be kept")));
        };
        let new = NewAnswer { number: say.number, student: say.student, answer, points, at: say.at };
        self.pending.push((new, reply));
        self.insert(cx);
    }

    /// Writes what waits, unless an insert is under way.
    fn insert(&mut self, cx: &mut Cx<'_, Self>) {
        if self.inserting || self.pending.is_empty() {
            return;
        }
        self.inserting = true;
        self.inserts += 1;
        let batch: Vec<_> = self.pending.drain(..self.pending.len().min(BATCH)).collect();
        let (new, replies): (Vec<NewAnswer>, Vec<_>) = batch.into_iter().unzip();
        let (database, id) = (self.seed.database.clone(), self.row.id);
        let writing = async move {
            let written = async {
                let mut conn = database.conn().await?;
                live::answer(&mut conn, id, &new).await
            };
            let written: Result<_, DbError> = written.await;
            (written, new)
        };
        cx.spawn(writing, move |own, (written, new), cx| {
            own.inserting = false;
            match written {
                Ok(kept) => own.written(kept, new, replies),
                Err(error) => {
                    own.failed += 1;
                    slog::warn!(log(), "answers cannot be kept; they were not acknowledged";
                        "quiz" => %own.row.id, "answers" => new.len(), "error" => %error);
                    for reply in replies {
                        reply.send(Err(LiveRefusal::Unavailable));
                    }
                }
            }
            own.insert(cx);
        });
    }

    fn written(
        &mut self,
        kept: Vec<(UserId, i32)>,
        new: Vec<NewAnswer>,
        replies: Vec<Reply<Result<Said, LiveRefusal>>>,
    ) {
        let mut kept: std::collections::HashSet<(UserId, i32)> = kept.into_iter().collect();
        for (one, reply) in new.into_iter().zip(replies) {
            let first = kept.remove(&(one.student, one.number));
            if first {
                self.answers += 1;
                let total = self.totals.entry(one.student).or_insert_with(|| Total {
                    student_id: one.student,
                    points: 0,
                    answers: 0,
                    last_number: 0,
                    last_at: one.at,
                });
                total.points += i64::from(one.points);
                total.answers += 1;
                total.last_number = total.last_number.max(one.number);
                total.last_at = total.last_at.max(one.at);
            }
            reply.send(Ok(Said { duplicate: !first }));
        }
        self.dirty = true;
    }

    fn tell_step(&mut self, was: LiveState) {
        let (id, number) = (self.row.id, self.row.number);
        match self.state {
            LiveState::Open => {
                let view = self.view(None);
                self.seed.live.course(
                    self.row.course_id,
                    &json!({
                        "type": "live.question", "quiz_id": id, "number": number, "of": view.of,
                        "question": view.question, "seconds": view.seconds, "closes_at": view.closes_at,
                    }),
                );
                self.dirty = true;
            }
            LiveState::Closed => self.tell_closed(),
            LiveState::Ended => {
                if was == LiveState::Open && self.told_closed < number {
                    self.tell_closed();
                }
                let items = self.view(None).items;
                let news = json!({ "type": "live.ended", "quiz_id": id, "items": items });
                self.seed.live.course(self.row.course_id, &news);
            }
            LiveState::Waiting => {}
        }
    }

    fn tell_closed(&mut self) {
        self.told_closed = self.row.number;
        let news = json!({ "type": "live.closed", "quiz_id": self.row.id, "number": self.row.number });
        self.seed.live.course(self.row.course_id, &news);
    }

    /// Places that changed since they were told.
    fn tell_scoreboard(&mut self) {
        self.dirty = false;
        if !self.seed.live.is_watched(self.row.course_id) {
            self.told.clear();
            return;
        }
        let view = self.view(None);
        let changed: Vec<&LivePlace> = view
            .items
            .iter()
            .enumerate()
            .filter(|(n, row)| self.told.get(*n) != Some(*row))
            .map(|(_, row)| row)
            .collect();
        self.seed.live.moment(
            self.row.course_id,
            &json!({
                "type": "live.scoreboard", "quiz_id": self.row.id, "number": view.number,
                "answered": view.answered, "learners": view.learners, "items": changed,
            }),
        );
        self.told = view.items;
    }
}

fn place(n: usize, total: &Total) -> LivePlace {
    LivePlace { rank: n + 1, user_id: total.student_id, points: total.points }
}

impl Receive<Take> for LiveQuiz {
    fn receive(&mut self, take: Take, reply: Reply<Result<LiveView, LiveRefusal>>, cx: &mut Cx<'_, Self>) {
        self.step(take.0, reply, cx);
    }
}

impl Receive<Say> for LiveQuiz {
    fn receive(&mut self, say: Say, reply: Reply<Result<Said, LiveRefusal>>, cx: &mut Cx<'_, Self>) {
        // A question that is not open here may be open on another node.
        let unknown = say.number > self.row.number || !self.is_open(say.at);
        if unknown && self.state != LiveState::Ended && self.looked.elapsed() >= SURPRISED && !self.inserting
        {
            self.looked = Instant::now();
            let (database, id) = (self.seed.database.clone(), self.row.id);
            let reading = async move { read(&database, id).await };
            cx.wait(reading, move |own, found, cx| {
                if let Ok(Some(stored)) = found {
                    own.take(stored);
                }
                own.said(say, reply, cx);
            });
            return;
        }
        self.said(say, reply, cx);
    }
}

impl Receive<Look> for LiveQuiz {
    fn receive(&mut self, look: Look, reply: Reply<LiveView>, _cx: &mut Cx<'_, Self>) {
        reply.send(self.view(Some(look.0)));
    }
}

#[cfg(test)]
impl Receive<Poison> for LiveQuiz {
    fn receive(&mut self, _: Poison, _: Reply<()>, _: &mut Cx<'_, Self>) {
        panic!("poison");
    }
}
