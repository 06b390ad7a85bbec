//! What people send of themselves, and its bounds.

use std::collections::HashMap;

use serde::Deserialize;
use utoipa::ToSchema;

use super::Check;
use crate::contexts::career::{
    error::CareerError,
    model::{ArtifactId, ProfileForm, ProjectId, Station, Visibility},
};

/// A project.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ProjectForm {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    pub title: String,
    /// Up to 5,000 characters.
    #[serde(default)]
    #[schema(max_length = 5_000)]
    pub summary: String,
    /// Where it is to be seen: an https URL.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub url: Option<String>,
    /// Skills of the taxonomy, by slug or name; up to 10.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub skills: Vec<String>,
    /// Who sees it, of those who see the portfolio.
    #[serde(default = "public")]
    pub visibility: Visibility,
}

fn public() -> Visibility {
    Visibility::Public
}

/// A picture or a document for a project.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ArtifactForm {
    /// An upload of one's own that is ready: a PNG, JPEG or WebP picture, or a PDF.
    pub upload_id: uuid::Uuid,
    /// What is to be seen on it, for who does not see it: up to 300 characters.
    #[serde(default)]
    #[schema(max_length = 300)]
    pub alt: String,
}

impl ArtifactForm {
    /// Within its bounds.
    pub fn check(&self) -> Result<(), CareerError> {
        let mut check = Check::default();
        check.text("/alt", &self.alt, 0..=300);
        check.done()
    }
}

/// The order of a project's files.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ArtifactOrderForm {
    /// All of them, the first one first.
    #[schema(max_items = 12)]
    pub ids: Vec<ArtifactId>,
}

/// The order of one's projects.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct OrderForm {
    /// All of them, the first one first.
    #[schema(max_items = 100)]
    pub ids: Vec<ProjectId>,
}

/// Whether others see a piece of evidence.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
pub struct ShowForm {
    /// Whether they do.
    pub shown: bool,
}

impl Check {
    /// A profile within its bounds, with slugs for skills.
    pub fn profile(
        mut self,
        form: &ProfileForm,
        known: &HashMap<String, String>,
    ) -> Result<ProfileForm, CareerError> {
        let mut form = form.clone();
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let dashes = form.slug.starts_with('-') || form.slug.ends_with('-') || form.slug.contains("--");
        if !(3..=60).contains(&form.slug.len()) || !form.slug.bytes().all(plain) || dashes {
            self.refuse("/slug", "takes 3 to 60 small letters, digits and single dashes between them");
        }
        form.headline = self.text("/headline", &form.headline, 0..=120);
        form.about = self.text("/about", &form.about, 0..=5_000);
        form.location = self.text("/location", &form.location, 0..=120);
        if form.rate.is_some_and(|rate| !(0..=crate::money::LARGEST_PAYMENT).contains(&rate.amount_minor)) {
            self.refuse("/rate/amount_minor", "is out of its bounds");
        }
        for (name, count, most) in [
            ("/links", form.links.len(), 10),
            ("/languages", form.languages.len(), 10),
            ("/skills", form.skills.len(), 30),
            ("/experience", form.experience.len(), 30),
            ("/education", form.education.len(), 30),
        ] {
            if count > most {
                self.refuse(name, format!("takes up to {most}"));
            }
        }
        for (n, link) in form.links.iter_mut().enumerate() {
            link.label = self.text(&format!("/links/{n}/label"), &link.label, 1..=60);
            self.link(&format!("/links/{n}/url"), &link.url);
        }
        for (n, language) in form.languages.iter().enumerate() {
            self.number(&format!("/languages/{n}/level"), language.level, 1..=5);
            if !super::is_language(&language.tag) {
                self.refuse(format!("/languages/{n}/tag"), "must be a language, as en or pt-BR");
            }
        }
        let mut seen: Vec<String> = Vec::new();
        for (n, skill) in form.skills.iter_mut().enumerate() {
            self.number(&format!("/skills/{n}/level"), skill.level, 1..=5);
            match known.get(&skill.skill.trim().to_lowercase()) {
                Some(slug) if seen.contains(slug) => self.refuse(format!("/skills/{n}"), "is there before"),
                Some(slug) => {
                    seen.push(slug.clone());
                    skill.skill.clone_from(slug);
                }
                None => self.refuse(
                    format!("/skills/{n}/skill"),
                    "is not a skill of the taxonomy (GET /api/v1/skills)",
                ),
            }
        }
        for (name, stations) in [("/experience", &mut form.experience), ("/education", &mut form.education)] {
            for (n, station) in stations.iter_mut().enumerate() {
                self.station(&format!("{name}/{n}"), station);
            }
        }
        self.done()?;
        Ok(form)
    }

    fn station(&mut self, pointer: &str, station: &mut Station) {
        station.title = self.text(&format!("{pointer}/title"), &station.title, 1..=120);
        station.organisation = self.text(&format!("{pointer}/organisation"), &station.organisation, 1..=120);
        station.summary = self.text(&format!("{pointer}/summary"), &station.summary, 0..=2_000);
        for (name, date) in [("from", &station.from), ("to", &station.to)] {
            if date.as_deref().is_some_and(|date| !is_date(date)) {
                self.refuse(format!("{pointer}/{name}"), "must be a year, month or day, as 2024-09");
            }
        }
    }
}

/// Whether that is a year, a month or a day.
pub(in crate::contexts::career) fn is_date(text: &str) -> bool {
    let whole = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => text.to_owned(),
    };
    text.is_ascii() && whole.len() == 10 && whole.parse::<chrono::NaiveDate>().is_ok()
}
