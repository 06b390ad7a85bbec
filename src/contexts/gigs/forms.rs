//! What clients send, and its bounds.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    error::GigsError,
    model::{BudgetKind, MAX_MILESTONES, OfferedMilestone},
};
use crate::{
    error::FieldError,
    money::{Currency, LARGEST_PAYMENT, Money},
    principal::UserId,
};

/// What a gig pays. `{"amount_minor": 12500, "currency": "EUR"}` is a fixed budget of €125.00.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    /// A sum for the whole (by default), or for one hour.
    #[serde(default = "fixed")]
    pub kind: BudgetKind,
    /// In minor units; the least, where there is also a most.
    #[schema(minimum = 1, example = 12_500)]
    pub amount_minor: i64,
    /// The most, if it is a range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub max_amount_minor: Option<i64>,
    /// ISO 4217.
    #[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
    pub currency: Currency,
}

fn fixed() -> BudgetKind {
    BudgetKind::Fixed
}

fn one() -> i32 {
    1
}

/// Something that belongs to a gig and lies elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attachment {
    /// What people read.
    #[schema(min_length = 1, max_length = 120)]
    pub name: String,
    /// Where it is: `https://…`.
    #[schema(max_length = 2000)]
    pub url: String,
}

/// A gig to draft.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct GigForm {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120, example = "A logo for our student radio")]
    pub title: String,
    /// 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000, example = "We go on air in May and need a face.")]
    pub description: String,
    /// Skills of the taxonomy, by slug or name; 10 at most.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub skills: Vec<String>,
    /// What it pays.
    pub budget: Budget,
    /// How many students are wanted: 1 to 100.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 100)]
    pub slots: i32,
    /// Until when applications are taken; must lie ahead.
    #[serde(default)]
    pub deadline: Option<DateTime<Utc>>,
    /// What applicants are asked; 10 at most.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub questions: Vec<String>,
    /// References to files; 10 at most.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub attachments: Vec<Attachment>,
}

/// Changes of a gig; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct GigPatch {
    /// As in [`GigForm`].
    #[serde(default)]
    #[schema(min_length = 1, max_length = 120)]
    pub title: Option<String>,
    /// As in [`GigForm`].
    #[serde(default)]
    #[schema(min_length = 1, max_length = 10_000)]
    pub description: Option<String>,
    /// As in [`GigForm`].
    #[serde(default)]
    #[schema(max_items = 10)]
    pub skills: Option<Vec<String>>,
    /// As in [`GigForm`]; the currency is fixed once it is posted.
    #[serde(default)]
    pub budget: Option<Budget>,
    /// As in [`GigForm`]; not below the accepted ones.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100)]
    pub slots: Option<i32>,
    /// As in [`GigForm`].
    #[serde(default)]
    pub deadline: Option<DateTime<Utc>>,
    /// As in [`GigForm`].
    #[serde(default)]
    #[schema(max_items = 10)]
    pub questions: Option<Vec<String>>,
    /// As in [`GigForm`].
    #[serde(default)]
    #[schema(max_items = 10)]
    pub attachments: Option<Vec<Attachment>>,
}

/// An application.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ApplyForm {
    /// Why you: 1 to 5,000 characters.
    #[schema(min_length = 1, max_length = 5_000, example = "I drew the posters of last year's festival.")]
    pub proposal: String,
    /// One answer for each of the gig's questions, in their order.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub answers: Vec<String>,
}

/// What may come along with a transition of an application.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct OfferForm {
    /// With `offer`: the milestones of the contract to be, 1 to 20. Without them a fixed gig is
    /// offered at its budget, in one.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub milestones: Vec<OfferedMilestone>,
}

/// What may come along with a transition of a milestone.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct MilestoneForm {
    /// With `submit` and `request_changes`: what the other side should know; 2,000 characters at most.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub note: Option<String>,
    /// With `dispute`: what it is about; 2,000 characters at most.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub reason: Option<String>,
}

/// An operator's ruling. The two parts sum to the milestone's amount.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RulingForm {
    /// To the student, before the platform's fee.
    pub release: Money,
    /// Back to the client; the rest, if left out.
    #[serde(default)]
    pub refund: Option<Money>,
    /// Why; both sides read it.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub note: Option<String>,
}

/// A review.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ReviewForm {
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5)]
    pub rating: i32,
    /// Up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub body: String,
}

/// An invitation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct InvitationForm {
    /// Whom.
    pub student_id: UserId,
    /// Why them; 1,000 characters at most.
    #[serde(default)]
    #[schema(max_length = 1_000, example = "Your festival posters are what we are looking for.")]
    pub note: String,
}

/// A search to keep: the filters of the list of gigs. What is left out does not narrow.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct SavedSearchForm {
    /// What its owner calls it: 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80, example = "Posters and logos")]
    pub name: String,
    /// Words of title or description.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    pub q: Option<String>,
    /// Skills that a gig must all have, by slug or name; 10 at most.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub skills: Vec<String>,
    /// Pays at least so much, in minor units.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub budget_min: Option<i64>,
    /// Pays at most so much.
    #[serde(default)]
    #[schema(minimum = 0)]
    pub budget_max: Option<i64>,
    /// In this currency.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[A-Z]{3}$")]
    pub currency: Option<Currency>,
    /// Paid so.
    #[serde(default)]
    pub kind: Option<BudgetKind>,
}

/// Collects what is wrong, so that a client learns all of it at once.
#[derive(Default)]
pub(super) struct Check(Vec<FieldError>);

impl Check {
    pub fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError::new(pointer, detail));
    }

    /// A text within its bounds, without blanks around it.
    pub fn text(&mut self, pointer: &str, text: &str, bounds: std::ops::RangeInclusive<usize>) -> String {
        let text = text.trim();
        if !bounds.contains(&text.chars().count()) {
            self.refuse(pointer, format!("takes {} to {} characters", bounds.start(), bounds.end()));
        }
        text.to_owned()
    }

    pub fn budget(&mut self, budget: &Budget) {
        let most = budget.max_amount_minor.unwrap_or(budget.amount_minor);
        if !(1..=LARGEST_PAYMENT).contains(&budget.amount_minor) {
            self.refuse("/budget/amount_minor", format!("must be from 1 to {LARGEST_PAYMENT}"));
        }
        if most < budget.amount_minor || most > LARGEST_PAYMENT {
            self.refuse(
                "/budget/max_amount_minor",
                format!("must be from amount_minor to {LARGEST_PAYMENT}"),
            );
        }
    }

    pub fn slots(&mut self, slots: i32, least: i32) {
        let least = least.max(1);
        if !(least..=100).contains(&slots) {
            self.refuse("/slots", format!("must be from {least} to 100"));
        }
    }

    pub fn deadline(&mut self, deadline: Option<DateTime<Utc>>, now: DateTime<Utc>) {
        if deadline.is_some_and(|at| at <= now) {
            self.refuse("/deadline", "must lie ahead");
        }
    }

    pub fn questions(&mut self, questions: &[String]) -> Vec<String> {
        if questions.len() > 10 {
            self.refuse("/questions", "at most 10");
        }
        let ask = |(n, text): (usize, &String)| self.text(&format!("/questions/{n}"), text, 1..=500);
        questions.iter().enumerate().map(ask).collect()
    }

    pub fn attachments(&mut self, attachments: &[Attachment]) {
        if attachments.len() > 10 {
            self.refuse("/attachments", "at most 10");
        }
        for (n, item) in attachments.iter().enumerate() {
            self.text(&format!("/attachments/{n}/name"), &item.name, 1..=120);
            let fits = item.url.len() <= 2_000
                && url::Url::parse(&item.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !fits {
                self.refuse(format!("/attachments/{n}/url"), "must be an http or https URL");
            }
        }
    }

    /// An amount in the one currency that goes here.
    pub fn currency(&mut self, pointer: &str, amount: Money, wanted: Currency) {
        if amount.currency != wanted {
            self.refuse(format!("{pointer}/currency"), format!("must be {wanted}"));
        }
    }

    pub fn milestones(&mut self, offered: &[OfferedMilestone], currency: Currency) {
        if !(1..=MAX_MILESTONES).contains(&offered.len()) {
            self.refuse("/milestones", format!("takes 1 to {MAX_MILESTONES} milestones"));
        }
        for (n, milestone) in offered.iter().enumerate() {
            self.text(&format!("/milestones/{n}/title"), &milestone.title, 1..=120);
            let pointer = format!("/milestones/{n}/amount");
            self.currency(&pointer, milestone.amount, currency);
            if !(1..=LARGEST_PAYMENT).contains(&milestone.amount.amount_minor) {
                self.refuse(
                    format!("{pointer}/amount_minor"),
                    format!("must be from 1 to {LARGEST_PAYMENT}"),
                );
            }
        }
    }

    /// Goes on only if nothing was wrong.
    pub fn done(self) -> Result<(), GigsError> {
        if self.0.is_empty() { Ok(()) } else { Err(GigsError::Invalid(self.0)) }
    }
}
