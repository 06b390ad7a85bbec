//! JSON Resume (jsonresume.org, schema 1.0.0), in and out.

use serde_json::{Value, json};

use crate::{
    contexts::career::{
        Career, CareerError,
        forms::is_date,
        model::{ClaimedSkill, EvidenceKind, Link, ProfileForm, SpokenLanguage, Station},
        views::{ImportedView, PortfolioView},
    },
    principal::Principal,
};

/// What JSON Resume's levels of a skill are for us; it prescribes none, these are the usual words.
const LEVELS: [(&str, i32); 5] =
    [("Beginner", 1), ("Elementary", 2), ("Intermediate", 3), ("Advanced", 4), ("Master", 5)];
/// Levels of a language.
const FLUENCY: [(&str, i32); 5] = [
    ("Elementary", 1),
    ("Limited working", 2),
    ("Professional working", 3),
    ("Full professional", 4),
    ("Native speaker", 5),
];

impl Career {
    /// One's portfolio as JSON Resume, as one sees it oneself.
    ///
    /// # Errors
    /// [`CareerError::No`] before one wrote a profile.
    pub async fn resume(&self, who: &Principal) -> Result<Value, CareerError> {
        Ok(resume_of(&self.portfolio(Some(who.user_id), who.user_id).await?))
    }

    /// Takes a JSON Resume into one's profile; what a profile has no place for is named and left out.
    ///
    /// # Errors
    /// [`CareerError::Stale`], [`CareerError::Invalid`] for a file that is none.
    pub async fn import_resume(
        &self,
        who: &Principal,
        file: &Value,
        seen: i64,
    ) -> Result<ImportedView, CareerError> {
        let own = self.own_profile(who).await?;
        if own.version != seen {
            return Err(CareerError::Stale);
        }
        let known = self.known_skills().await?;
        let mut ignored = Vec::new();
        let skill = |name: &str| known.get(&name.trim().to_lowercase()).cloned();
        let form = profile_of(file, own.profile, &skill, &mut ignored)?;
        let profile = self.write_profile(who, &form, seen).await?;
        Ok(ImportedView { profile, ignored })
    }
}

/// A portfolio as JSON Resume.
fn resume_of(portfolio: &PortfolioView) -> Value {
    let word = |levels: &[(&str, i32); 5], level: i32| {
        levels.iter().find(|(_, n)| *n == level).map_or("", |(word, _)| word).to_owned()
    };
    let station = |one: &Station, where_: &str, what: &str| {
        let mut out = json!({ where_: one.organisation, what: one.title, "summary": one.summary });
        for (name, date) in [("startDate", &one.from), ("endDate", &one.to)] {
            if let Some(date) = date {
                out[name] = json!(date);
            }
        }
        out
    };
    let proven = |kinds: &[EvidenceKind]| {
        portfolio.evidence.iter().filter(|one| kinds.contains(&one.kind)).collect::<Vec<_>>()
    };
    json!({
        "$schema": "https://raw.githubusercontent.com/jsonresume/resume-schema/v1.0.0/schema.json",
        "basics": {
            "name": portfolio.display_name, "label": portfolio.headline, "summary": portfolio.about,
            "url": portfolio.url, "location": { "address": portfolio.location },
            "profiles": portfolio.links.iter().map(|link| json!({ "network": link.label, "url": link.url })).collect::<Vec<_>>(),
        },
        "work": portfolio.experience.iter().map(|one| station(one, "name", "position")).collect::<Vec<_>>(),
        "education": portfolio.education.iter().map(|one| station(one, "institution", "area")).collect::<Vec<_>>(),
        "skills": portfolio.skills.iter()
            .map(|one| json!({ "name": one.name, "level": word(&LEVELS, one.level), "keywords": [one.skill] })).collect::<Vec<_>>(),
        "languages": portfolio.languages.iter()
            .map(|one| json!({ "language": one.tag, "fluency": word(&FLUENCY, one.level) })).collect::<Vec<_>>(),
        "projects": portfolio.projects.iter().map(|one| {
            let mut out = json!({ "name": one.title, "description": one.summary, "keywords": one.skills });
            if let Some(url) = &one.url {
                out["url"] = json!(url);
            }
            out
        }).collect::<Vec<_>>(),
        "certificates": proven(&[EvidenceKind::Certificate]).iter()
            .map(|one| json!({ "name": one.title, "date": one.at.date_naive(), "issuer": "Gigsy" })).collect::<Vec<_>>(),
        "awards": proven(&[EvidenceKind::Badge, EvidenceKind::Milestone, EvidenceKind::Review]).iter()
            .map(|one| json!({ "title": one.title, "date": one.at.date_naive(), "awarder": "Gigsy", "summary": one.detail }))
            .collect::<Vec<_>>(),
        "meta": { "version": "v1.0.0", "canonical": portfolio.url },
    })
}

/// A JSON Resume as a profile. What it says nothing about stays as it is in `base`.
fn profile_of(
    file: &Value,
    base: ProfileForm,
    skill: &dyn Fn(&str) -> Option<String>,
    ignored: &mut Vec<String>,
) -> Result<ProfileForm, CareerError> {
    let Some(top) = file.as_object() else {
        return Err(CareerError::field("", "must be a JSON Resume: an object"));
    };
    let mut form = base;
    for name in top.keys() {
        let known = ["$schema", "meta", "basics", "work", "education", "skills", "languages"];
        if !known.contains(&name.as_str()) && ignored.len() < 100 {
            ignored.push(format!("/{name}"));
        }
    }
    let cut = |value: Option<&Value>, most: usize| -> Option<String> {
        let text: String = value?.as_str()?.trim().chars().take(most).collect();
        Some(text).filter(|text| !text.is_empty())
    };
    let basics = &file["basics"];
    form.headline = cut(basics.get("label"), 120).unwrap_or(form.headline);
    form.about = cut(basics.get("summary"), 5_000).unwrap_or(form.about);
    let place = &basics["location"];
    let place = cut(place.get("city"), 120).or_else(|| cut(place.get("address"), 120));
    form.location = place.unwrap_or(form.location);
    let list = |value: &Value| value.as_array().cloned();
    if let Some(profiles) = list(&basics["profiles"]) {
        form.links.clear();
        for (n, one) in profiles.iter().enumerate() {
            let label = cut(one.get("network"), 60);
            let url = one.get("url").and_then(Value::as_str).filter(|url| url.starts_with("https://"));
            match label.zip(url) {
                Some((label, url)) if form.links.len() < 10 => {
                    form.links.push(Link { label, url: url.to_owned() })
                }
                _ => ignored.push(format!("/basics/profiles/{n}")),
            }
        }
    }
    for (name, where_, what, into) in [
        ("work", "name", "position", &mut form.experience),
        ("education", "institution", "area", &mut form.education),
    ] {
        let Some(all) = list(&file[name]) else { continue };
        into.clear();
        for (n, one) in all.iter().enumerate() {
            let title = cut(one.get(what), 120).or_else(|| cut(one.get("studyType"), 120));
            let date = |name: &str| {
                one.get(name).and_then(Value::as_str).filter(|date| is_date(date)).map(str::to_owned)
            };
            match title.zip(cut(one.get(where_), 120)) {
                Some((title, organisation)) if into.len() < 30 => into.push(Station {
                    title,
                    organisation,
                    from: date("startDate"),
                    to: date("endDate"),
                    summary: cut(one.get("summary"), 2_000).unwrap_or_default(),
                }),
                _ => ignored.push(format!("/{name}/{n}")),
            }
        }
    }
    let level = |levels: &[(&str, i32); 5], value: Option<&Value>| {
        let word = value.and_then(Value::as_str).unwrap_or_default().to_lowercase();
        levels.iter().find(|(name, _)| name.to_lowercase() == word).map_or(3, |(_, level)| *level)
    };
    if let Some(all) = list(&file["skills"]) {
        form.skills.clear();
        for (n, one) in all.iter().enumerate() {
            let names = std::iter::once(one.get("name"))
                .chain(one.get("keywords").and_then(Value::as_array).into_iter().flatten().map(Some));
            let mut slugs: Vec<String> =
                names.flatten().filter_map(Value::as_str).filter_map(skill).collect();
            slugs.retain(|slug| !form.skills.iter().any(|known| known.skill == *slug));
            slugs.dedup();
            if slugs.is_empty() || form.skills.len() + slugs.len() > 30 {
                ignored.push(format!("/skills/{n}"));
                continue;
            }
            let level = level(&LEVELS, one.get("level"));
            for skill in slugs {
                if !form.skills.iter().any(|known| known.skill == skill) {
                    form.skills.push(ClaimedSkill { skill, level });
                }
            }
        }
    }
    if let Some(all) = list(&file["languages"]) {
        form.languages.clear();
        for (n, one) in all.iter().enumerate() {
            let tag = one.get("language").and_then(Value::as_str).unwrap_or_default();
            match crate::contexts::career::forms::is_language(tag) && form.languages.len() < 10 {
                true => form
                    .languages
                    .push(SpokenLanguage { tag: tag.to_owned(), level: level(&FLUENCY, one.get("fluency")) }),
                false => ignored.push(format!("/languages/{n}")),
            }
        }
    }
    ignored.truncate(200);
    Ok(form)
}
