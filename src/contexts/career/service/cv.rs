//! A portfolio as a document.

use bytes::Bytes;

use crate::{
    contexts::career::{
        Career, CareerError, ProfileStation,
        model::cv::{self, Cv, Part},
        views::PortfolioView,
    },
    documents::DocumentError,
    principal::UserId,
};

impl Career {
    /// A person's portfolio as a PDF, as the caller may see it: named `<slug>.pdf`.
    ///
    /// # Errors
    /// [`CareerError::No`], also for one that the caller may not see; [`CareerError::Contradicts`] for letters
    /// that no font here has.
    pub async fn cv(&self, who: Option<UserId>, slug: &str) -> Result<(String, Bytes), CareerError> {
        let fonts = self.inner.fonts.get().cloned().ok_or(CareerError::Later("fonts are not set up yet"))?;
        let shown = self.portfolio_at(who, slug).await?;
        let name = format!("{}.pdf", shown.slug);
        let document = Cv {
            name: shown.display_name.clone(),
            id: shown.user_id.to_string(),
            at: self.now(),
            parts: parts(&shown),
        };
        // The first one reads fonts from files.
        let made = tokio::task::spawn_blocking(move || cv::render(&document, fonts.get())).await;
        match made.map_err(|error| CareerError::Elsewhere(error.into()))? {
            Ok(bytes) => Ok((name, Bytes::from(bytes))),
            Err(DocumentError::NoFont(_)) => {
                Err(CareerError::Contradicts("this server has no font for some of the letters"))
            }
            Err(error) => Err(CareerError::Elsewhere(error.into())),
        }
    }
}

fn parts(shown: &PortfolioView) -> Vec<(Part, String)> {
    let mut all = vec![(Part::Name, shown.display_name.clone()), (Part::Entry, shown.headline.clone())];
    all.push((Part::Small, shown.location.clone()));
    all.push((Part::Small, shown.url.clone()));
    all.extend(shown.links.iter().map(|link| (Part::Small, format!("{}: {}", link.label, link.url))));
    let about = shown.about.split("\n\n").map(|text| (Part::Text, text.to_owned()));
    section(&mut all, "About", about.filter(|(_, text)| !text.trim().is_empty()).collect());
    let level = |n: i32| {
        ["", "begins", "knows it", "works with it", "is at home in it", "teaches it"].get(n as usize).copied()
    };
    let skills: Vec<String> = shown
        .skills
        .iter()
        .map(|one| format!("{} ({})", one.name, level(one.level).unwrap_or("knows it")))
        .collect();
    let skills = if skills.is_empty() { Vec::new() } else { vec![(Part::Text, skills.join(", "))] };
    section(&mut all, "Skills", skills);
    let proven = shown.evidence.iter().flat_map(|one| {
        [
            (Part::Entry, one.title.clone()),
            (Part::Small, format!("{}, {}", one.detail, one.at.format("%-d %B %Y"))),
        ]
    });
    section(&mut all, "Proven on Gigsy", proven.collect());
    section(&mut all, "Experience", shown.experience.iter().flat_map(station).collect());
    section(&mut all, "Education", shown.education.iter().flat_map(station).collect());
    let projects = shown.projects.iter().flat_map(|one| {
        [
            (Part::Entry, one.title.clone()),
            (Part::Small, one.url.clone().unwrap_or_default()),
            (Part::Text, one.summary.clone()),
        ]
    });
    section(&mut all, "Projects", projects.collect());
    let spoken: Vec<String> =
        shown.languages.iter().map(|one| format!("{} ({} of 5)", one.tag, one.level)).collect();
    let spoken = if spoken.is_empty() { Vec::new() } else { vec![(Part::Text, spoken.join(", "))] };
    section(&mut all, "Languages", spoken);
    all
}

/// A heading with what stands under it, where there is something.
fn section(all: &mut Vec<(Part, String)>, heading: &str, parts: Vec<(Part, String)>) {
    if !parts.is_empty() {
        all.push((Part::Section, heading.to_owned()));
        all.extend(parts);
    }
}

fn station(one: &ProfileStation) -> [(Part, String); 3] {
    let time = match (&one.from, &one.to) {
        (None, None) => String::new(),
        (from, to) => format!("{} – {}", from.as_deref().unwrap_or(""), to.as_deref().unwrap_or("now")),
    };
    [
        (Part::Entry, format!("{}, {}", one.title, one.organisation)),
        (Part::Small, time),
        (Part::Text, one.summary.clone()),
    ]
}
