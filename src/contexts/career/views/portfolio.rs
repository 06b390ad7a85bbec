//! Portfolios, as callers see them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contexts::activity::Entry,
    contexts::career::model::{
        Artifact, ArtifactId, ArtifactKind, Availability, Evidence, EvidenceId, EvidenceKind, Link,
        ProfileForm, Project, ProjectId, SpokenLanguage, Station, Visibility,
    },
    money::Money,
    principal::UserId,
};

/// One's own profile, to edit.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OwnProfileView {
    /// What one wrote.
    #[serde(flatten)]
    pub profile: ProfileForm,
    /// All of one's projects, in their order.
    pub projects: Vec<ProjectView>,
    /// All that happened and was not taken back, newest first; up to 200.
    pub evidence: Vec<EvidenceView>,
    /// Where the page is.
    pub url: String,
    /// Grows with every change; the ETag. 0 before the first.
    pub version: i64,
}

/// What was imported, and what could not be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportedView {
    /// The profile as it is now.
    #[serde(flatten)]
    pub profile: OwnProfileView,
    /// Where in the file there was something that a profile has no place for.
    pub ignored: Vec<String>,
}

/// A skill of a profile.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SkillView {
    /// The slug.
    pub skill: String,
    /// What people call it.
    pub name: String,
    /// From 1 to 5.
    pub level: i32,
    /// How many vouch for it.
    pub endorsements: i64,
}

/// A project of a portfolio.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProjectView {
    /// Its id.
    pub id: ProjectId,
    /// What it is.
    pub title: String,
    /// More.
    pub summary: String,
    /// Where it is to be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Slugs of the taxonomy.
    pub skills: Vec<String>,
    /// Its pictures and documents, in their order.
    pub artifacts: Vec<ArtifactView>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Grows with every change; the ETag.
    pub version: i64,
}

/// A picture or a document of a project.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ArtifactView {
    /// Its id.
    pub id: ArtifactId,
    /// What it is.
    pub kind: ArtifactKind,
    /// What it is called.
    pub name: String,
    /// What is to be seen on it, for who does not see it.
    pub alt: String,
    /// What it is; pictures are as the server wrote them.
    pub media_type: String,
    /// In bytes.
    pub size: i64,
    /// Of a picture, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<i32>,
    /// Of a picture, in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<i32>,
    /// Where it is, for whoever sees the project.
    pub url: String,
    /// A smaller one, of a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thumbnail_url: Option<String>,
}

impl From<&Artifact> for ArtifactView {
    fn from(one: &Artifact) -> Self {
        let url = format!("/api/v1/artifacts/{}", one.id);
        Self {
            id: one.id,
            kind: one.kind,
            name: one.name.clone(),
            alt: one.alt.clone(),
            media_type: one.media_type.clone(),
            size: one.size,
            width: one.width,
            height: one.height,
            thumbnail_url: one.thumbnail_id.map(|_| format!("{url}/thumbnail")),
            url,
        }
    }
}

impl From<Project> for ProjectView {
    fn from(project: Project) -> Self {
        let Project { id, title, summary, url, skills, visibility, version, .. } = project;
        Self { id, title, summary, url, skills, artifacts: Vec::new(), visibility, version }
    }
}

/// Something that somebody did, in a feed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeedEntryView {
    /// What it was.
    #[serde(flatten)]
    pub entry: Entry,
    /// What its actor is called.
    pub actor_name: String,
    /// Whether one follows the person; otherwise a skill that it is about.
    pub followed_person: bool,
}

/// What happened on the platform and speaks for somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvidenceView {
    /// Its id.
    pub id: EvidenceId,
    /// What it is.
    pub kind: EvidenceKind,
    /// In a line.
    pub title: String,
    /// More.
    pub detail: String,
    /// Where it can be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The event that proves it.
    pub event_id: Uuid,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Whether others see it.
    pub shown: bool,
}

impl From<Evidence> for EvidenceView {
    fn from(evidence: Evidence) -> Self {
        let Evidence { id, kind, title, detail, link, event_id, at, shown, .. } = evidence;
        Self { id, kind, title, detail, link, event_id, at, shown }
    }
}

/// A portfolio, as the caller may see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PortfolioView {
    /// The person.
    pub user_id: UserId,
    /// What others call them.
    pub display_name: String,
    /// Where the page is: `/p/{slug}`.
    pub slug: String,
    /// The page's address.
    pub url: String,
    /// What people read first.
    pub headline: String,
    /// More.
    pub about: String,
    /// Where they are.
    pub location: String,
    /// Whether they look for work.
    pub availability: Availability,
    /// What an hour costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Money>,
    /// Links.
    pub links: Vec<Link>,
    /// Languages.
    pub languages: Vec<SpokenLanguage>,
    /// Skills, with those who vouch for them.
    pub skills: Vec<SkillView>,
    /// Jobs.
    pub experience: Vec<Station>,
    /// Schools.
    pub education: Vec<Station>,
    /// Projects that the caller may see.
    pub projects: Vec<ProjectView>,
    /// Evidence that is shown, newest first; up to 200.
    pub evidence: Vec<EvidenceView>,
    /// Who sees it.
    pub visibility: Visibility,
    /// Grows with every change of what is written.
    pub version: i64,
}

/// Whom and what one follows.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FollowsView {
    /// People.
    pub people: Vec<UserId>,
    /// Skills, by slug.
    pub skills: Vec<String>,
}
