//! From an event to facts, points, levels, streaks and badges, in one transaction.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveTime, Utc};
use diesel_async::AsyncPgConnection;
use serde_json::json;

use crate::{
    contexts::gamification::{
        GameError, Gamification,
        events::{self, LEVEL_REACHED, XP_AWARDED},
        model::{self, BoardId, CORRECTION, Fact, XpRule, streak},
        store::{
            boards, facts,
            ledger::{self, NewEntry},
            members::{self, Member},
        },
    },
    events::Envelope,
    principal::UserId,
};

/// What came of an event, to be counted once it is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Awarded {
    /// Points by rule.
    pub points: Vec<(String, i64)>,
    /// Badges by id.
    pub badges: Vec<String>,
}

impl Awarded {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.badges.is_empty()
    }
}

impl Gamification {
    /// Takes the locks of everything that these events are about, before any of them is taken: a transaction of
    /// several events goes alone, beside neither another such nor those of one event, which go beside each other;
    /// then the gigs, then the people, each in order. So no two ever wait for each other, whatever the order of
    /// their events.
    pub(in crate::contexts::gamification) async fn lock_for(
        &self,
        conn: &mut AsyncPgConnection,
        events: &[&Envelope],
    ) -> Result<(), GameError> {
        match events.len() {
            0 => return Ok(()),
            // Its gig and its people are locked when it is taken, in the same order.
            1 => return Ok(facts::share_awards(conn).await?),
            _ => facts::lock_awards(conn).await?,
        }
        let facts: Vec<Fact> = events.iter().flat_map(|event| model::of_event(event)).collect();
        let gigs: BTreeSet<_> = facts.iter().filter_map(|fact| fact.gig).collect();
        for gig in gigs {
            facts::lock_gig(conn, gig).await?;
        }
        let people: BTreeSet<UserId> = facts.iter().map(|fact| fact.user).collect();
        for user in people {
            members::lock(conn, user).await?;
        }
        Ok(())
    }

    /// Takes an event: what it says is kept, and awarded, once. The transaction has gone through
    /// [`Gamification::lock_for`].
    pub(in crate::contexts::gamification) async fn take(
        &self,
        conn: &mut AsyncPgConnection,
        event: &Envelope,
    ) -> Result<Awarded, GameError> {
        let new = model::of_event(event);
        // Locks in this order, always: the gig, then people by id, then leagues.
        let gigs: BTreeSet<_> = new.iter().filter_map(|fact| fact.gig).collect();
        for gig in gigs {
            facts::lock_gig(conn, gig).await?;
        }
        if let Some((gig, skills)) = model::skills_of(event) {
            facts::note_skills(conn, gig, &skills).await?;
        }
        let people: BTreeSet<UserId> = new.iter().map(|fact| fact.user).collect();
        let mut members = Vec::new();
        for user in people {
            let member = members::lock(conn, user).await?;
            if member.erased_at.is_none() {
                members.push(member);
            }
        }
        let mut awarded = Awarded::default();
        let mut earned = Vec::new();
        for member in &mut members {
            let own: Vec<&Fact> = new.iter().filter(|fact| fact.user.0 == member.user_id).collect();
            let mut known = Vec::new();
            for fact in own {
                if facts::insert(conn, fact, event.id).await? {
                    known.push(fact);
                }
            }
            if known.is_empty() {
                continue;
            }
            for fact in &known {
                let before = awarded.points.len();
                self.award_fact(conn, member, fact, &mut awarded).await?;
                if awarded.points.len() > before {
                    earned.push((member.user(), fact.at));
                }
            }
            self.mark_days(conn, member, &known).await?;
            let at = known.iter().map(|fact| fact.at).max().unwrap_or(event.time);
            awarded.badges.extend(self.look_at_badges(conn, member, at).await?);
            members::save(conn, member).await?;
        }
        if let Some((course, title)) = model::title_of(event) {
            boards::call(conn, &BoardId::Course(course), &title).await?;
        }
        if !earned.is_empty() {
            self.enter_leagues(conn, &earned).await?;
        }
        Ok(awarded)
    }

    /// Counts what is committed, and has the boards look.
    pub(in crate::contexts::gamification) fn count(&self, awarded: &Awarded) {
        let metrics = &self.inner.parts.metrics;
        for (rule, points) in &awarded.points {
            metrics.points.with_label_values(&[rule]).inc_by(u64::try_from(*points).unwrap_or(0));
        }
        for badge in &awarded.badges {
            metrics.badges.with_label_values(&[badge]).inc();
        }
        self.awarded();
    }

    async fn award_fact(
        &self,
        conn: &mut AsyncPgConnection,
        member: &mut Member,
        fact: &Fact,
        awarded: &mut Awarded,
    ) -> Result<(), GameError> {
        let rules = self.rules();
        for rule in rules.xp.iter().filter(|rule| rule.takes(fact)) {
            if !has_room(conn, member.user(), rule, fact.at).await? {
                continue;
            }
            let entry = NewEntry {
                user: member.user(),
                rule: rule.name.clone(),
                source: fact.source.clone(),
                rule_version: rules.version,
                points: rule.points,
                at: fact.at,
                gig: fact.gig.filter(|_| rule.skills),
                course: fact.course.filter(|_| rule.course),
                of: None,
            };
            if self.post(conn, member, &entry).await? {
                awarded.points.push((rule.name.clone(), rule.points));
            }
        }
        Ok(())
    }

    /// Writes an entry, with its events; `false` when it was written before. The caller holds the lock and
    /// saves the member.
    pub(super) async fn post(
        &self,
        conn: &mut AsyncPgConnection,
        member: &mut Member,
        entry: &NewEntry,
    ) -> Result<bool, GameError> {
        let Some(seq) = ledger::insert(conn, entry).await? else { return Ok(false) };
        if let Some(gig) = entry.gig {
            facts::credit_gig(conn, gig).await?;
        }
        if let Some(course) = entry.course {
            boards::note(conn, &BoardId::Course(course)).await?;
        }
        member.total += entry.points;
        member.news += 1;
        let level = model::level(member.total);
        let data = json!({
            "user_id": member.user_id, "rule": entry.rule, "source": entry.source, "points": entry.points,
            "total": member.total, "level": level, "at": entry.at, "rule_version": entry.rule_version,
            "seq": seq,
        });
        events::tell(conn, XP_AWARDED, member.user_id.to_string(), member.news, data).await?;
        // Told once each, whatever corrections do in between.
        while member.level < level {
            member.level += 1;
            member.news += 1;
            let data = json!({
                "user_id": member.user_id, "level": member.level, "total": member.total, "at": entry.at,
            });
            events::tell(conn, LEVEL_REACHED, member.user_id.to_string(), member.news, data).await?;
        }
        Ok(true)
    }

    /// Marks the days of facts as active, where the person is, and takes up the longest streak.
    async fn mark_days(
        &self,
        conn: &mut AsyncPgConnection,
        member: &mut Member,
        known: &[&Fact],
    ) -> Result<(), GameError> {
        let mut fresh = false;
        for fact in known {
            let day = streak::local_date(fact.at, member.tz());
            fresh |= facts::active(conn, member.user(), day).await?;
        }
        if fresh {
            let days = facts::days(conn, member.user()).await?;
            let today = days.last().copied().unwrap_or_default();
            member.longest_streak = streak::streak(&days, today).longest;
        }
        Ok(())
    }

    /// Forgets a person, but for the ledger, in which they are a number from now on.
    pub(in crate::contexts::gamification) async fn erase(
        &self,
        conn: &mut AsyncPgConnection,
        user: UserId,
    ) -> Result<u64, GameError> {
        let mut member = members::lock(conn, user).await?;
        let gone = members::forget(conn, user).await?;
        member.zone = "UTC".to_owned();
        member.cohort = None;
        member.opted_out = true;
        member.anonymous = true;
        member.erased_at = Some(self.now());
        members::save_settings(conn, &member).await?;
        Ok(gone)
    }
}

/// Whether a rule's cap and cooldown leave room at a moment.
async fn has_room(
    conn: &mut AsyncPgConnection,
    user: UserId,
    rule: &XpRule,
    at: DateTime<Utc>,
) -> Result<bool, GameError> {
    debug_assert!(rule.name != CORRECTION);
    if let Some(most) = rule.per_day {
        let from = at.date_naive().and_time(NaiveTime::MIN).and_utc();
        let to = from + Days::new(1);
        if ledger::count_between(conn, user, &rule.name, from, to).await? >= i64::from(most) {
            return Ok(false);
        }
    }
    if let (Some(stretch), Some(seconds)) = (rule.stretch(at), rule.cooldown_seconds) {
        let moment = |n: i64| DateTime::from_timestamp(n.saturating_mul(i64::from(seconds)), 0).unwrap_or(at);
        let (from, to) = (moment(stretch), moment(stretch + 1));
        if ledger::count_between(conn, user, &rule.name, from, to).await? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
