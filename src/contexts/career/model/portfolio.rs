//! What somebody says of themselves, and what events prove.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{ArtifactId, EvidenceId, ProjectId};
use crate::{money::Money, principal::UserId, states};

states! {
    /// Who may see something.
    Visibility {
        /// Its owner.
        Private = "private",
        /// People who follow its owner and are followed back.
        Connections = "connections",
        /// Everybody, without an account too.
        Public = "public",
    }
}

states! {
    /// Whether somebody looks for work.
    Availability {
        /// Looks for work.
        Open = "open",
        /// Has some hours a week.
        PartTime = "part_time",
        /// Has work.
        Busy = "busy",
        /// Does not say.
        Unsaid = "unsaid",
    }
}

states! {
    /// What an artifact is.
    ArtifactKind {
        /// A picture, as we wrote it.
        Image = "image",
        /// A PDF, as it came.
        Document = "document",
    }
}

states! {
    /// What a piece of evidence is.
    EvidenceKind {
        /// Work that was paid for.
        Milestone = "milestone",
        /// A badge.
        Badge = "badge",
        /// What somebody said.
        Review = "review",
        /// A course that was completed.
        Certificate = "certificate",
    }
}

/// A link of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ProfileLink)]
pub struct Link {
    /// What people read: 1 to 60 characters.
    #[schema(min_length = 1, max_length = 60, example = "GitHub")]
    pub label: String,
    /// An https URL.
    #[schema(max_length = 500)]
    pub url: String,
}

/// A language that somebody speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpokenLanguage {
    /// A BCP 47 tag, as `en` or `pt-BR`.
    #[schema(example = "en")]
    pub tag: String,
    /// How well, from 1 (a little) to 5 (native).
    #[schema(minimum = 1, maximum = 5)]
    pub level: i32,
}

/// A skill that somebody claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimedSkill {
    /// By slug or name of the taxonomy.
    #[schema(example = "rust")]
    pub skill: String,
    /// From 1 (begins) to 5 (teaches it).
    #[schema(minimum = 1, maximum = 5)]
    pub level: i32,
}

/// A job, or a school.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ProfileStation)]
pub struct Station {
    /// What one was or learnt: 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120, example = "Working student")]
    pub title: String,
    /// Where: 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    pub organisation: String,
    /// From: a year, month or day, as `2024-09`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")]
    pub from: Option<String>,
    /// To; still there without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")]
    pub to: Option<String>,
    /// More: up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub summary: String,
}

/// Everything that somebody writes of themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileForm {
    /// Where the page is: `/p/{slug}`. 3 to 60 small letters, digits and single dashes between them.
    #[schema(min_length = 3, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$", example = "sami-haddad")]
    pub slug: String,
    /// What people read first: up to 120 characters.
    #[serde(default)]
    #[schema(max_length = 120)]
    pub headline: String,
    /// More: up to 5,000 characters.
    #[serde(default)]
    #[schema(max_length = 5_000)]
    pub about: String,
    /// Up to 120 characters.
    #[serde(default)]
    #[schema(max_length = 120)]
    pub location: String,
    /// Whether one looks for work.
    #[serde(default = "unsaid")]
    pub availability: Availability,
    /// What an hour costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Money>,
    /// Up to 10.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub links: Vec<Link>,
    /// Up to 10.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub languages: Vec<SpokenLanguage>,
    /// Up to 30, in the order that they are shown.
    #[serde(default)]
    #[schema(max_items = 30)]
    pub skills: Vec<ClaimedSkill>,
    /// Jobs: up to 30.
    #[serde(default)]
    #[schema(max_items = 30)]
    pub experience: Vec<Station>,
    /// Schools: up to 30.
    #[serde(default)]
    #[schema(max_items = 30)]
    pub education: Vec<Station>,
    /// Who sees it.
    #[serde(default = "private")]
    pub visibility: Visibility,
    /// Whether new evidence is shown at once; otherwise its owner shows it.
    #[serde(default = "yes")]
    pub show_evidence: bool,
}

fn unsaid() -> Availability {
    Availability::Unsaid
}

fn private() -> Visibility {
    Visibility::Private
}

fn yes() -> bool {
    true
}

impl ProfileForm {
    /// The names of the fields that differ.
    pub fn changed(&self, other: &Self) -> Vec<String> {
        let (Ok(Value::Object(ours)), Ok(Value::Object(theirs))) =
            (serde_json::to_value(self), serde_json::to_value(other))
        else {
            return Vec::new();
        };
        let names = ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name)));
        names.filter(|name| ours.get(*name) != theirs.get(*name)).cloned().collect()
    }
}

/// A profile, as it is stored.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Profile {
    #[diesel(sql_type = Uuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Text)]
    pub slug: String,
    #[diesel(sql_type = Text)]
    pub visibility: Visibility,
    #[diesel(sql_type = Array<Text>)]
    pub skills: Vec<String>,
    /// A [`ProfileForm`].
    #[diesel(sql_type = Jsonb)]
    pub doc: Value,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// A project of a portfolio.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Project {
    #[diesel(sql_type = Uuid)]
    pub id: ProjectId,
    #[diesel(sql_type = Uuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub summary: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub url: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    pub skills: Vec<String>,
    #[diesel(sql_type = Text)]
    pub visibility: Visibility,
    #[diesel(sql_type = Integer)]
    pub position: i32,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// A picture or a document of a project.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Artifact {
    #[diesel(sql_type = Uuid)]
    pub id: ArtifactId,
    #[diesel(sql_type = Uuid)]
    pub project_id: ProjectId,
    #[diesel(sql_type = Text)]
    pub kind: ArtifactKind,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub alt: String,
    #[diesel(sql_type = Text)]
    pub media_type: String,
    #[diesel(sql_type = BigInt)]
    pub size: i64,
    #[diesel(sql_type = Nullable<Integer>)]
    pub width: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub height: Option<i32>,
    #[diesel(sql_type = Uuid)]
    pub object_id: uuid::Uuid,
    #[diesel(sql_type = Nullable<Uuid>)]
    pub thumbnail_id: Option<uuid::Uuid>,
    #[diesel(sql_type = Integer)]
    pub position: i32,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// What happened, and speaks for somebody.
#[derive(Clone, Debug, PartialEq, QueryableByName, Serialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Evidence {
    #[diesel(sql_type = Uuid)]
    pub id: EvidenceId,
    #[diesel(sql_type = Uuid)]
    pub user_id: UserId,
    #[diesel(sql_type = Text)]
    pub fact: String,
    #[diesel(sql_type = Text)]
    pub kind: EvidenceKind,
    #[diesel(sql_type = Uuid)]
    pub event_id: uuid::Uuid,
    #[diesel(sql_type = Nullable<Uuid>)]
    pub withdrawn_by: Option<uuid::Uuid>,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub detail: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub link: Option<String>,
    #[diesel(sql_type = Bool)]
    pub shown: bool,
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}
