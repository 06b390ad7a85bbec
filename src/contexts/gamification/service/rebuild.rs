//! Working out everybody's points again, by the present rules.
//!
//! The ledger is never changed. What it lacks is added, and what it has too much or too little is set right
//! by a correction at the time of what it corrects, so that windows and boards follow.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::Awarded;
use crate::{
    contexts::gamification::{
        GameError, Gamification,
        model::{CORRECTION, Fact, RuleSet, SUBJECTS},
        store::{
            facts,
            ledger::{self, Entry, NewEntry},
            members,
        },
    },
    events::{self, Envelope},
    principal::UserId,
};

/// People looked at between two words of progress.
const PEOPLE: i64 = 200;
/// Events read at once.
const EVENTS: i64 = 500;

/// What one entry of the ledger would be, or is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Whose.
    pub user: UserId,
    /// By which rule.
    pub rule: String,
    /// For what.
    pub source: String,
    /// Points before.
    pub was: i64,
    /// Points after.
    pub now: i64,
}

/// What rebuilding came to.
#[derive(Clone, Debug, Default)]
pub struct Rebuilt {
    /// People looked at.
    pub people: u64,
    /// Recorded events whose facts were not known.
    pub missed_events: u64,
    /// What changed, or would.
    pub changes: Vec<Change>,
    /// Badges that were given, or would be.
    pub badges: u64,
}

/// Undoes a transaction and hands out what it found.
enum Undo<T> {
    Found(T),
    Failed(GameError),
}

impl<T> From<diesel::result::Error> for Undo<T> {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl<T> From<GameError> for Undo<T> {
    fn from(error: GameError) -> Self {
        Self::Failed(error)
    }
}

fn found<T>(done: Result<T, Undo<T>>) -> Result<T, GameError> {
    match done {
        Ok(found) | Err(Undo::Found(found)) => Ok(found),
        Err(Undo::Failed(error)) => Err(error),
    }
}

impl Gamification {
    /// Takes every recorded event that was not taken, then sets everybody's ledger and badges right by the
    /// present rules. A dry run does the same and undoes it: each event and each person by themselves, so
    /// what missed events would bring does not show in what is said of their people.
    ///
    /// # Errors
    /// [`GameError::Db`]; what was done stays, and doing it again goes on.
    pub async fn rebuild_xp(
        &self,
        dry_run: bool,
        progress: &dyn Fn(&str, u64),
    ) -> Result<Rebuilt, GameError> {
        let mut rebuilt = Rebuilt::default();
        let mut after = 0;
        let mut seen = 0;
        loop {
            let part = events::past(&mut *self.conn().await?, SUBJECTS, after, EVENTS).await?;
            let Some(last) = part.last() else { break };
            after = last.sequence;
            for event in &part {
                let awarded = self.take_or_undo(dry_run, event).await?;
                rebuilt.missed_events += u64::from(!awarded.is_empty());
                rebuilt.badges += awarded.badges.len() as u64;
                self.count_unless(dry_run, &awarded);
            }
            seen += part.len() as u64;
            progress("events", seen);
        }
        let mut last = Uuid::nil();
        loop {
            let people = members::after(&mut *self.conn().await?, last, PEOPLE).await?;
            let Some(end) = people.last() else { break };
            last = end.0;
            for user in people {
                let (changes, badges) = self.rebuild_or_undo(dry_run, user).await?;
                rebuilt.people += 1;
                rebuilt.badges += badges.len() as u64;
                rebuilt.changes.extend(changes);
            }
            progress("people", rebuilt.people);
        }
        if !dry_run {
            self.awarded();
        }
        Ok(rebuilt)
    }

    fn count_unless(&self, dry_run: bool, awarded: &Awarded) {
        if !dry_run && !awarded.is_empty() {
            self.count(awarded);
        }
    }

    async fn take_or_undo(&self, dry_run: bool, event: &Envelope) -> Result<Awarded, GameError> {
        let mut conn = self.conn().await?;
        let done = (*conn)
            .transaction(async |conn| {
                self.lock_for(conn, &[event]).await?;
                let found = self.take(conn, event).await?;
                if dry_run { Err(Undo::Found(found)) } else { Ok(found) }
            })
            .await;
        found(done)
    }

    async fn rebuild_or_undo(
        &self,
        dry_run: bool,
        user: UserId,
    ) -> Result<(Vec<Change>, Vec<String>), GameError> {
        let mut conn = self.conn().await?;
        let done = (*conn)
            .transaction(async |conn| {
                let found = self.rebuild_one(conn, user).await?;
                if dry_run { Err(Undo::Found(found)) } else { Ok(found) }
            })
            .await;
        found(done)
    }

    async fn rebuild_one(
        &self,
        conn: &mut AsyncPgConnection,
        user: UserId,
    ) -> Result<(Vec<Change>, Vec<String>), GameError> {
        let rules = self.rules();
        // It may come to several courses.
        facts::share_awards(conn).await?;
        let mut member = members::lock(conn, user).await?;
        let known = facts::of(conn, user).await?;
        let entries = ledger::of(conn, user).await?;
        let has = added_up(&entries);
        let should = expected(rules, &known, &has);
        let keys: BTreeSet<Key> = should.keys().chain(has.keys()).cloned().collect();
        let mut changes = Vec::new();
        for key in keys {
            let was = has.get(&key).map_or(0, |has| has.points);
            let now = should.get(&key).map_or(0, |should| should.points);
            if was == now {
                continue;
            }
            let entry = match (has.get(&key), should.get(&key)) {
                (Some(before), _) => NewEntry {
                    user,
                    rule: CORRECTION.to_owned(),
                    source: format!("{}/{}/{}", key.0, key.1, before.entries),
                    rule_version: rules.version,
                    points: now - was,
                    at: before.at,
                    // Skills and courses follow, if the rule credits them.
                    gig: before.gig.or(should.get(&key).and_then(|should| should.gig)),
                    course: before.course.or(should.get(&key).and_then(|should| should.course)),
                    of: Some(key.clone()),
                },
                (None, Some(new)) => NewEntry {
                    user,
                    rule: key.0.clone(),
                    source: key.1.clone(),
                    rule_version: rules.version,
                    points: new.points,
                    at: new.at,
                    gig: new.gig,
                    course: new.course,
                    of: None,
                },
                (None, None) => continue,
            };
            self.post(conn, &mut member, &entry).await?;
            changes.push(Change { user, rule: key.0, source: key.1, was, now });
        }
        let badges = self.look_at_badges(conn, &mut member, self.now()).await?;
        members::save(conn, &member).await?;
        Ok((changes, badges))
    }
}

/// A rule's name and a fact's source.
type Key = (String, String);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Worth {
    points: i64,
    at: DateTime<Utc>,
    gig: Option<Uuid>,
    course: Option<Uuid>,
    /// Entries that it is made of.
    entries: usize,
}

/// What the ledger comes to, corrections counted with what they correct.
fn added_up(entries: &[Entry]) -> BTreeMap<Key, Worth> {
    let mut sums: BTreeMap<Key, Worth> = BTreeMap::new();
    for entry in entries {
        let key = match (&entry.of_rule, &entry.of_source) {
            (Some(rule), Some(source)) => (rule.clone(), source.clone()),
            _ => (entry.rule.clone(), entry.source.clone()),
        };
        let none = Worth { points: 0, at: entry.at, gig: entry.gig_id, course: entry.course_id, entries: 0 };
        let sum = sums.entry(key).or_insert(none);
        sum.points += entry.points;
        sum.entries += 1;
    }
    sums
}

/// What the rules say it should be. Where a cap or cooldown has to choose among facts, those that have
/// points keep them: which of equals came first is no reason to change anything.
fn expected(rules: &RuleSet, known: &[Fact], has: &BTreeMap<Key, Worth>) -> BTreeMap<Key, Worth> {
    let mut should = BTreeMap::new();
    for rule in &rules.xp {
        let mut takes: Vec<&Fact> = known.iter().filter(|fact| rule.takes(fact)).collect();
        let awarded = |fact: &Fact| {
            has.get(&(rule.name.clone(), fact.source.clone())).is_some_and(|has| has.points > 0)
        };
        takes.sort_by_key(|fact| (!awarded(fact), fact.at, fact.source.clone()));
        let mut days: BTreeMap<_, u32> = BTreeMap::new();
        let mut stretches = BTreeSet::new();
        for fact in takes {
            let day = days.entry(fact.at.date_naive()).or_default();
            if rule.per_day.is_some_and(|most| *day >= most) {
                continue;
            }
            if rule.stretch(fact.at).is_some_and(|stretch| !stretches.insert(stretch)) {
                continue;
            }
            *day += 1;
            let gig = fact.gig.filter(|_| rule.skills);
            let course = fact.course.filter(|_| rule.course);
            let worth = Worth { points: rule.points, at: fact.at, gig, course, entries: 0 };
            should.insert((rule.name.clone(), fact.source.clone()), worth);
        }
    }
    should
}
