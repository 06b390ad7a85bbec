//! What clients send, and its bounds.

mod portfolio;

use std::{collections::HashMap, ops::RangeInclusive};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use utoipa::ToSchema;

pub(super) use portfolio::is_date;
pub use portfolio::{ArtifactForm, ArtifactOrderForm, OrderForm, ProjectForm, ShowForm};

use super::{
    error::CareerError,
    model::{Exception, ItemKind, Rule, Window},
};
use crate::{
    error::FieldError,
    money::{LARGEST_PAYMENT, Money},
    principal::UserId,
};

/// What somebody offers as a mentor.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct MentorForm {
    /// What people read first: 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120, example = "Backend engineer; first jobs, system design")]
    pub headline: String,
    /// More: up to 5,000 characters.
    #[serde(default)]
    #[schema(max_length = 5_000)]
    pub bio: String,
    /// Skills of the taxonomy, by slug or name; up to 20.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub skills: Vec<String>,
    /// BCP 47 tags, as `en` or `pt-BR`; 1 to 10.
    #[schema(min_items = 1, max_items = 10, example = json!(["en"]))]
    pub languages: Vec<String>,
    /// What they help with; up to 10 lines of up to 120 characters.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub goals: Vec<String>,
    /// The IANA zone that their hours are in.
    #[schema(max_length = 60, example = "Europe/Stockholm")]
    pub zone: String,
    /// How long a session lasts, in minutes.
    #[serde(default = "sixty")]
    #[schema(minimum = 15, maximum = 480)]
    pub minutes: i32,
    /// From one possible start to the next, in minutes; a session's length by default.
    #[serde(default)]
    #[schema(minimum = 15, maximum = 480)]
    pub every: Option<i32>,
    /// Minutes kept free before a session.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 240)]
    pub buffer_before: i32,
    /// Minutes kept free after it.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 240)]
    pub buffer_after: i32,
    /// A session is booked at least so many minutes ahead.
    #[serde(default = "sixty")]
    #[schema(minimum = 0, maximum = 43_200)]
    pub notice_minutes: i32,
    /// And at most so many days.
    #[serde(default = "sixty")]
    #[schema(minimum = 1, maximum = 366)]
    pub horizon_days: i32,
    /// How many people a session takes; more than one makes it a group's.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 100)]
    pub seats: i32,
    /// What a session costs each of them; free without it.
    #[serde(default)]
    pub price: Option<Money>,
    /// Until how many hours before the start who booked may cancel and get the money back.
    #[serde(default = "day")]
    #[schema(minimum = 0, maximum = 336)]
    pub cancel_hours: i32,
    /// Where they meet, as an https URL; shown to who is confirmed.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub meeting_url: Option<String>,
}

fn sixty() -> i32 {
    60
}

fn one() -> i32 {
    1
}

fn day() -> i32 {
    24
}

/// When a mentor is open; replaces what was there.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct AvailabilityForm {
    /// Every week, in wall-clock time of the mentor's zone; up to 50.
    #[schema(max_items = 50)]
    pub rules: Vec<Rule>,
    /// On these dates instead; up to 200.
    #[serde(default)]
    #[schema(max_items = 200)]
    pub exceptions: Vec<Exception>,
}

/// A session to book.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct BookForm {
    /// With whom.
    pub mentor_id: UserId,
    /// A start out of the mentor's slots.
    pub start: DateTime<Utc>,
    /// The IANA zone of who books; that of their profile without it.
    #[serde(default)]
    #[schema(max_length = 60)]
    pub zone: Option<String>,
    /// What to talk about: up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub topic: String,
    /// Ask the mentor at once, where it is free. Otherwise the time is held for ten minutes.
    #[serde(default)]
    pub request: bool,
}

/// What may come along with a step of a booking or of an application.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct StepForm {
    /// With `reschedule`: the new start.
    #[serde(default)]
    pub start: Option<DateTime<Utc>>,
    /// With `decline`, `cancel`, `contest`, `reject` and the like: why; up to 1,000 characters.
    #[serde(default)]
    #[schema(max_length = 1_000)]
    pub note: Option<String>,
    /// With `confirm`: where they meet this time.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub meeting_url: Option<String>,
}

/// A place on a mentor's waiting list: a slot within this time is held for them when one is freed.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct WaitForm {
    /// From then.
    pub from: DateTime<Utc>,
    /// Up to then.
    pub to: DateTime<Utc>,
    /// The IANA zone of who waits; that of their profile without it.
    #[serde(default)]
    #[schema(max_length = 60)]
    pub zone: Option<String>,
}

/// A note of a session.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct NoteForm {
    /// 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000)]
    pub body: String,
    /// Whether the other side reads it.
    #[serde(default)]
    pub shared: bool,
}

/// A goal or an action of a mentorship.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ItemForm {
    /// Which.
    pub kind: ItemKind,
    /// 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub title: String,
    /// By when.
    #[serde(default)]
    pub due_on: Option<NaiveDate>,
}

/// Changes of a goal or an action; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ItemPatch {
    /// As in [`ItemForm`].
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// As in [`ItemForm`].
    #[serde(default)]
    pub due_on: Option<NaiveDate>,
    /// Whether it is done.
    #[serde(default)]
    pub done: Option<bool>,
}

/// A review of a mentor.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RatingForm {
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: i32,
    /// Up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub body: String,
}

/// Whether that is a BCP 47 tag of the sort we take: a language, perhaps with a region.
pub(super) fn is_language(tag: &str) -> bool {
    let (language, region) = tag.split_once('-').unwrap_or((tag, "XX"));
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && region.len() == 2
        && region.bytes().all(|b| b.is_ascii_uppercase())
}

/// Collects what is wrong, so that a client learns all of it at once.
#[derive(Default)]
pub(super) struct Check(Vec<FieldError>);

impl Check {
    pub fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError::new(pointer, detail));
    }

    /// A text within its bounds, without blanks around it.
    pub fn text(&mut self, pointer: &str, text: &str, bounds: RangeInclusive<usize>) -> String {
        let text = text.trim();
        if !bounds.contains(&text.chars().count()) {
            self.refuse(pointer, format!("takes {} to {} characters", bounds.start(), bounds.end()));
        }
        text.to_owned()
    }

    pub fn number(&mut self, pointer: &str, number: i32, bounds: RangeInclusive<i32>) {
        if !bounds.contains(&number) {
            self.refuse(pointer, format!("must be from {} to {}", bounds.start(), bounds.end()));
        }
    }

    /// A date of this age: others have years that no store or calendar takes.
    pub fn date(&mut self, pointer: &str, date: Option<NaiveDate>) {
        if date.is_some_and(|date| !(1970..=2199).contains(&date.year())) {
            self.refuse(pointer, "must be a date from 1970 to 2199");
        }
    }

    pub fn zone(&mut self, pointer: &str, zone: &str) -> String {
        if zone.parse::<Tz>().is_err() {
            self.refuse(pointer, "must be an IANA time zone, as Europe/Berlin");
        }
        zone.to_owned()
    }

    /// An https URL.
    pub fn link(&mut self, pointer: &str, link: &str) -> String {
        let fits = link.len() <= 500
            && url::Url::parse(link).is_ok_and(|url| url.scheme() == "https" && url.has_host())
            && !link.chars().any(|c| c.is_control() || c.is_whitespace());
        if !fits {
            self.refuse(pointer, "must be an https URL of up to 500 characters");
        }
        link.to_owned()
    }

    /// Slugs of the taxonomy, each once.
    pub fn skills(
        &mut self,
        pointer: &str,
        asked: &[String],
        known: &HashMap<String, String>,
        most: usize,
    ) -> Vec<String> {
        if asked.len() > most {
            self.refuse(pointer, format!("takes up to {most}"));
        }
        let mut slugs: Vec<String> = Vec::new();
        for (n, name) in asked.iter().enumerate().take(most) {
            match known.get(&name.trim().to_lowercase()) {
                Some(slug) if !slugs.contains(slug) => slugs.push(slug.clone()),
                Some(_) => {}
                None => self
                    .refuse(format!("{pointer}/{n}"), "is not a skill of the taxonomy (GET /api/v1/skills)"),
            }
        }
        slugs
    }

    /// BCP 47 tags: a language, perhaps with a region.
    pub fn languages(
        &mut self,
        pointer: &str,
        tags: &[String],
        bounds: RangeInclusive<usize>,
    ) -> Vec<String> {
        if !bounds.contains(&tags.len()) {
            self.refuse(pointer, format!("takes {} to {}", bounds.start(), bounds.end()));
        }
        for (n, tag) in tags.iter().enumerate() {
            if !is_language(tag) {
                self.refuse(format!("{pointer}/{n}"), "must be a language, as en or pt-BR");
            }
        }
        tags.to_vec()
    }

    pub fn price(&mut self, price: Option<Money>) {
        if price.is_some_and(|price| !(0..=LARGEST_PAYMENT).contains(&price.amount_minor)) {
            self.refuse("/price/amount_minor", format!("must be from 0 to {LARGEST_PAYMENT}"));
        }
    }

    /// Hours that make sense: within a day, in a right order, not over each other.
    pub fn availability(&mut self, form: &AvailabilityForm) {
        if form.rules.len() > 50 {
            self.refuse("/rules", "takes up to 50");
        }
        if form.exceptions.len() > 200 {
            self.refuse("/exceptions", "takes up to 200");
        }
        for (n, rule) in form.rules.iter().enumerate() {
            self.number(&format!("/rules/{n}/weekday"), i32::from(rule.weekday), 1..=7);
            self.window(&format!("/rules/{n}"), Window { from: rule.from, to: rule.to });
            let overlaps =
                |other: &Rule| other.weekday == rule.weekday && other.from < rule.to && rule.from < other.to;
            if form.rules[..n].iter().any(overlaps) {
                self.refuse(format!("/rules/{n}"), "overlaps with a rule before it");
            }
        }
        for (n, exception) in form.exceptions.iter().enumerate() {
            self.date(&format!("/exceptions/{n}/date"), Some(exception.date));
            if form.exceptions[..n].iter().any(|other| other.date == exception.date) {
                self.refuse(format!("/exceptions/{n}/date"), "is there before");
            }
            if exception.windows.len() > 12 {
                self.refuse(format!("/exceptions/{n}/windows"), "takes up to 12");
            }
            for (m, window) in exception.windows.iter().enumerate() {
                self.window(&format!("/exceptions/{n}/windows/{m}"), *window);
                let overlaps = |other: &Window| other.from < window.to && window.from < other.to;
                if exception.windows[..m].iter().any(overlaps) {
                    self.refuse(format!("/exceptions/{n}/windows/{m}"), "overlaps with a window before it");
                }
            }
        }
    }

    fn window(&mut self, pointer: &str, window: Window) {
        if window.to <= window.from {
            self.refuse(format!("{pointer}/to"), "must be later than from");
        }
    }

    /// Goes on only if nothing was wrong.
    pub fn done(self) -> Result<(), CareerError> {
        if self.0.is_empty() { Ok(()) } else { Err(CareerError::Invalid(self.0)) }
    }
}
