//! Which mentors fit somebody, and why.
//!
//! Each part is from 0 to 1 and says its reason in words; the score is their weighted sum. What texts mean
//! is a port ([`crate::contexts::career::Affinity`]): without it that part is 0 and everything else stands.

use std::collections::BTreeSet;

use chrono::{Duration, Timelike};
use chrono_tz::Tz;

use super::slots::terms;
use crate::{
    contexts::career::{
        Career, CareerError,
        model::{
            Mentor, ProfileForm,
            slots::{self, Span},
        },
        store::{self, mentors::Filter},
        views::{MatchView, MentorView},
    },
    principal::{Principal, UserId},
};

/// So many mentors are looked at.
const LOOKED_AT: i64 = 200;
/// Of so many, the best by everything else, free times are counted.
const COUNTED: usize = 20;
/// Hours of the day in which people like to meet.
const WAKING: std::ops::Range<u32> = 8..21;

const SKILLS: f64 = 0.40;
const GOALS: f64 = 0.20;
const TIMES: f64 = 0.15;
const MEANING: f64 = 0.15;
const LANGUAGE: f64 = 0.10;

/// What somebody looks for; what is left out is taken from their profile and from what they follow.
#[derive(Clone, Debug, Default)]
pub struct MatchQuery {
    /// In their own words.
    pub goal: Option<String>,
    /// Slugs of the taxonomy.
    pub skills: Vec<String>,
    /// Languages they speak.
    pub languages: Vec<String>,
    /// Their zone.
    pub zone: Option<String>,
}

impl Career {
    /// Mentors for somebody, the best first, each with the reasons.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] for an unknown zone.
    pub async fn matches(
        &self,
        who: &Principal,
        query: &MatchQuery,
        limit: usize,
    ) -> Result<Vec<MatchView>, CareerError> {
        let now = self.now();
        let zone: Tz = self.zone_of(who.user_id, query.zone.as_deref()).await?.parse().unwrap_or(Tz::UTC);
        let mut conn = self.conn().await?;
        let profile = store::portfolio::load(&mut conn, who.user_id).await?;
        let profile =
            profile.map(|profile| serde_json::from_value::<ProfileForm>(profile.doc)).transpose()?;
        let mut wanted: BTreeSet<String> = query.skills.iter().cloned().collect();
        let mut languages: BTreeSet<String> = query.languages.iter().cloned().collect();
        if wanted.is_empty() {
            wanted.extend(store::portfolio::follows(&mut conn, who.user_id).await?.1);
            // What one teaches already one needs no mentor for.
            let learns = profile.iter().flat_map(|profile| &profile.skills).filter(|skill| skill.level < 5);
            wanted.extend(learns.map(|skill| skill.skill.clone()));
        }
        if languages.is_empty() {
            languages.extend(profile.iter().flat_map(|one| &one.languages).map(|one| one.tag.clone()));
        }
        let goal = query.goal.clone().unwrap_or_default();
        let all = store::mentors::list(&mut conn, &Filter::default(), LOOKED_AT).await?;
        let ids: Vec<UserId> = all.iter().map(|mentor| mentor.id).collect();
        let near = self.parts().affinity.near(who.user_id, &goal, &ids).await;
        let mut scored: Vec<(f64, Vec<String>, Mentor)> = all
            .into_iter()
            .filter(|mentor| mentor.id != who.user_id)
            .map(|mentor| {
                let near = near.get(&mentor.id).copied().unwrap_or(0.0);
                let (score, reasons) = judge(&mentor, &wanted, &languages, &goal, near);
                (score, reasons, mentor)
            })
            .collect();
        best_first(&mut scored);
        for (score, reasons, mentor) in scored.iter_mut().take(COUNTED) {
            let asked = Span { from: now, to: now + Duration::days(14) };
            let around = Span { from: asked.from - Duration::days(2), to: asked.to + Duration::days(2) };
            let busy = store::calendars::busy(&mut conn, mentor.id, around).await?;
            let terms = terms(mentor);
            let free = slots::slots(mentor.tz(), &mentor.calendar()?, &terms, asked)
                .into_iter()
                .filter(|slot| slots::in_time(&terms, *slot, now))
                .filter(|slot| WAKING.contains(&slot.from.with_timezone(&zone).hour()))
                .filter(|slot| !busy.iter().any(|time| time.overlaps(&terms.with_buffers(*slot))))
                .count();
            if free > 0 {
                #[expect(clippy::cast_precision_loss, reason = "at most ten")]
                let part = free.min(10) as f64 / 10.0;
                *score += TIMES * part;
                reasons.push(format!("{free} free times in your day within two weeks"));
            }
        }
        drop(conn);
        best_first(&mut scored);
        scored.truncate(limit);
        let names = self.names(scored.iter().map(|(_, _, mentor)| mentor.id)).await?;
        let view = |(score, reasons, mentor): (f64, Vec<String>, Mentor)| {
            let name = names.get(&mentor.id).cloned();
            Ok(MatchView {
                kind: "mentor",
                id: mentor.id,
                score,
                reasons,
                mentor: MentorView::of(mentor, name, &[])?,
            })
        };
        scored.into_iter().map(view).collect()
    }
}

/// By score; who is as good comes in the order of their ids, so that the list stays as it is.
fn best_first(scored: &mut [(f64, Vec<String>, Mentor)]) {
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.2.id.cmp(&b.2.id)));
}

/// What is known without looking at the calendar.
fn judge(
    mentor: &Mentor,
    wanted: &BTreeSet<String>,
    languages: &BTreeSet<String>,
    goal: &str,
    near: f64,
) -> (f64, Vec<String>) {
    let mut reasons = Vec::new();
    #[expect(clippy::cast_precision_loss, reason = "a share of a handful")]
    let share = |of: usize, all: usize| if all == 0 { 0.0 } else { (of as f64 / all as f64).min(1.0) };
    let both: Vec<&str> =
        mentor.skills.iter().filter(|skill| wanted.contains(*skill)).map(String::as_str).collect();
    let mut score = SKILLS * share(both.len(), wanted.len().min(3));
    if !both.is_empty() {
        reasons.push(format!("Knows {}", both.join(", ")));
    }
    let spoken = mentor.languages.iter().find(|tag| languages.contains(*tag));
    if let Some(tag) = spoken {
        score += LANGUAGE;
        reasons.push(format!("Speaks {tag} as you do"));
    }
    let words = content_words(goal);
    let hit = mentor.goals.iter().find(|one| !content_words(one).is_disjoint(&words));
    let said = content_words(&format!("{} {}", mentor.headline, mentor.goals.join(" ")));
    score += GOALS * share(words.intersection(&said).count(), words.len().min(3));
    if let Some(goal) = hit {
        reasons.push(format!("Helps with “{goal}”"));
    }
    let near = if near.is_finite() { near.clamp(0.0, 1.0) } else { 0.0 };
    score += MEANING * near;
    if near > 0.5 {
        reasons.push("Writes about what you look for".to_owned());
    }
    (score, reasons)
}

/// Words that mean something by themselves: four letters or more, in lower case.
fn content_words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    words.filter(|word| word.chars().count() > 3).collect()
}
