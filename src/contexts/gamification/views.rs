//! What clients see.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    model::{BadgeRule, BoardId, FactKind, RuleSet, Tier, TierRule, Window, XpRule},
    store::{badges::Award, ledger::Entry},
};
use crate::principal::UserId;

/// A leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoardInfo {
    /// Its name in paths and channels.
    #[schema(example = "global")]
    pub board: String,
    /// As people read it.
    pub name: String,
    /// `global`, `cohort`, `course` or `skill`.
    pub kind: &'static str,
    /// The stretches of time that it has.
    pub windows: Vec<Window>,
    /// The channel of its all-time top; other windows add `@<window>`.
    pub channel: String,
}

impl BoardInfo {
    pub(super) fn of(board: &BoardId, called: Option<String>) -> Self {
        let (kind, name) = match board {
            BoardId::Global => ("global", "Everybody".to_owned()),
            BoardId::Skill(slug) => ("skill", spoken(slug)),
            BoardId::Cohort(slug) => ("cohort", spoken(slug)),
            BoardId::Course(_) => ("course", "Course".to_owned()),
        };
        let name = called.unwrap_or(name);
        Self {
            board: board.to_string(),
            name,
            kind,
            windows: Window::ALL.to_vec(),
            channel: super::actors::channel(board, Window::All).as_str().to_owned(),
        }
    }
}

/// "data-analysis" as people write it.
fn spoken(slug: &str) -> String {
    let text = slug.replace('-', " ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// All leaderboards.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoardList {
    /// Everybody's first.
    pub items: Vec<BoardInfo>,
}

/// A row of a leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoardRow {
    /// The place, from 1; no two are the same.
    pub rank: usize,
    /// Who stands there; `null` for somebody who does not want to be named.
    pub user_id: Option<UserId>,
    /// Points.
    pub score: i64,
    /// Their name, where they are named.
    pub display_name: Option<String>,
    /// When the last of the points was earned: of two with the same score, the earlier is ahead.
    pub reached_at: DateTime<Utc>,
    /// Whether it is oneself.
    pub me: bool,
}

/// A part of a leaderboard.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoardPart {
    /// Which board.
    pub board: String,
    /// Which window of it.
    pub window: Window,
    /// From when; absent for all time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// Until when; absent for all time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// In the order of places.
    pub items: Vec<BoardRow>,
    /// How many are on the board.
    pub total: usize,
    /// One's own place, where one asked around oneself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<usize>,
    /// One's own points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<i64>,
    /// Of all on the board, how many in a hundred are behind one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentile: Option<f64>,
    /// When the ledger was last read.
    pub as_of: DateTime<Utc>,
    /// Grows with every change of the board; publications carry it too.
    pub version: i64,
    /// The board is being made anew after a failure, and this is what it was before.
    pub stale: bool,
}

/// An entry of one's ledger.
#[derive(Debug, Serialize, ToSchema)]
pub struct EntryView {
    /// Its number; later entries have higher ones.
    pub seq: i64,
    /// By which rule.
    #[schema(example = "contract_completed")]
    pub rule: String,
    /// For what: the contract's id, say.
    pub source: String,
    /// Points; negative only in corrections.
    pub points: i64,
    /// When it was earned.
    pub at: DateTime<Utc>,
    /// The version of the rules.
    pub rule_version: i32,
    /// Of a correction: the rule that it sets right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrects: Option<String>,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        let Entry { seq, rule, source, points, at, rule_version, of_rule, .. } = entry;
        Self { seq, rule, source, points, at, rule_version, corrects: of_rule }
    }
}

/// One's points, level and settings.
#[derive(Debug, Serialize, ToSchema)]
pub struct GameView {
    /// The sum of one's ledger.
    pub total: i64,
    /// The level of that total.
    pub level: i32,
    /// What the level begins at.
    pub level_from: i64,
    /// What the next one begins at.
    pub next_level_from: i64,
    /// On no leaderboard at all.
    pub opted_out: bool,
    /// On leaderboards without a name.
    pub anonymous: bool,
    /// IANA zone of one's streak.
    pub zone: String,
    /// One's school or cohort.
    pub cohort: Option<String>,
    /// The settings' version; the ETag.
    pub version: i64,
}

/// A streak.
#[derive(Debug, Serialize, ToSchema)]
pub struct StreakView {
    /// Active days of the streak that is alive; 0 if none is.
    pub current: i32,
    /// The longest ever.
    pub longest: i32,
    /// Missed days that could be bridged.
    pub freezes: i32,
    /// Where one's day begins and ends.
    pub zone: String,
    /// The date there.
    #[schema(value_type = String, format = Date)]
    pub today: NaiveDate,
    /// Whether one was active today.
    pub active_today: bool,
    /// The latest active days, ascending.
    #[schema(value_type = Vec<String>)]
    pub days: Vec<NaiveDate>,
}

/// A badge that can be had.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadgeView {
    /// Its name in rules.
    pub badge: String,
    /// As people read it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its picture.
    pub icon: String,
    /// From how much on, ascending.
    pub tiers: Vec<TierRule>,
    /// Whether it can be had again.
    pub repeatable: bool,
    /// Whether it stays when its condition ends.
    pub sticky: bool,
    /// What is counted, where it is facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fact: Option<FactKind>,
}

fn icon(rule: &BadgeRule) -> String {
    format!("/assets/badges/{}.svg", rule.icon)
}

impl From<&BadgeRule> for BadgeView {
    fn from(rule: &BadgeRule) -> Self {
        let fact = match rule.over {
            super::model::Over::Count { count, .. } => Some(count),
            super::model::Over::Average { average, .. } => Some(average),
            _ => None,
        };
        Self {
            badge: rule.id.clone(),
            name: rule.name.clone(),
            description: rule.description.clone(),
            icon: icon(rule),
            tiers: rule.tiers.clone(),
            repeatable: rule.repeat,
            sticky: rule.sticky,
            fact,
        }
    }
}

/// A badge that somebody has.
#[derive(Debug, Serialize, ToSchema)]
pub struct AwardView {
    /// The award's id.
    pub id: Uuid,
    /// Whose; `null` for somebody who does not want to be named.
    pub user_id: Option<UserId>,
    /// Their name, on the badge's own page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Which badge.
    pub badge: String,
    /// As people read it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its picture.
    pub icon: String,
    /// How high.
    pub tier: Tier,
    /// Which time, of a badge that can be had again.
    pub n: i32,
    /// When.
    pub awarded_at: DateTime<Utc>,
    /// Its page.
    pub url: String,
}

impl AwardView {
    /// `None` where no rule knows the badge any more.
    pub(super) fn of(award: &Award, rules: &RuleSet, display_name: Option<String>) -> Option<Self> {
        let rule = rules.badge(&award.badge)?;
        Some(Self {
            id: award.id,
            user_id: Some(UserId(award.user_id)),
            display_name,
            badge: award.badge.clone(),
            name: rule.name.clone(),
            description: rule.description.clone(),
            icon: icon(rule),
            tier: Tier::parse(&award.tier)?,
            n: award.n,
            awarded_at: award.awarded_at,
            url: format!("/badges/{}", award.id),
        })
    }
}

/// Badges that somebody has.
#[derive(Debug, Serialize, ToSchema)]
pub struct AwardList {
    /// The oldest first.
    pub items: Vec<AwardView>,
}

/// Badges that can be had.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadgeList {
    /// In the rules' order.
    pub items: Vec<BadgeView>,
}

/// What a level begins at.
#[derive(Debug, Serialize, ToSchema)]
pub struct LevelView {
    /// The level.
    pub level: i32,
    /// Points.
    pub from: i64,
}

/// What is worth points.
#[derive(Debug, Serialize, ToSchema)]
pub struct RulesView {
    /// Their version.
    pub version: i32,
    /// One each.
    pub xp: Vec<XpRule>,
    /// What the first levels begin at: `50 · n · (n − 1)`.
    pub levels: Vec<LevelView>,
}

/// Somebody of one's league.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeagueRow {
    /// The place, from 1.
    pub rank: usize,
    /// Who; `null` for somebody who does not want to be named.
    pub user_id: Option<UserId>,
    /// Their name, where they are named.
    pub display_name: Option<String>,
    /// Points of the week.
    pub score: i64,
    /// `promoted`, `stayed` or `relegated`: what it is, or would be if the week ended now.
    pub outcome: String,
    /// Whether it is oneself.
    pub me: bool,
}

/// One's league of the week.
#[derive(Debug, Serialize, ToSchema)]
pub struct LeagueView {
    /// From 1, the lowest, to 10.
    pub tier: i32,
    /// What the tier is called.
    pub tier_name: String,
    /// The number of one's group in the tier.
    pub group: Option<i32>,
    /// The Monday; absent for whoever has not earned anything yet.
    #[schema(value_type = Option<String>, format = Date)]
    pub week: Option<NaiveDate>,
    /// When it began.
    pub starts_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub ends_at: Option<DateTime<Utc>>,
    /// Whether it is over and what is shown is the result.
    pub closed: bool,
    /// Everybody of the group, best first.
    pub items: Vec<LeagueRow>,
}

impl LeagueView {
    pub(super) fn outside(tier: i32) -> Self {
        Self {
            tier,
            tier_name: super::model::league::tier_name(tier).to_owned(),
            group: None,
            week: None,
            starts_at: None,
            ends_at: None,
            closed: false,
            items: Vec::new(),
        }
    }
}
