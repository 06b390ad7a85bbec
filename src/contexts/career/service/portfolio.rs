//! Profiles and portfolios: written by their owner, seen by whom the owner lets.

use std::collections::HashMap;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::{
    contexts::career::{
        Career, CareerError,
        forms::{Check, OrderForm, ProjectForm},
        model::{Availability, EvidenceId, Profile, ProfileForm, Project, ProjectId, Visibility},
        store::{self, moves},
        views::{EvidenceView, FollowsView, OwnProfileView, PortfolioView, ProjectView, SkillView},
    },
    postgres::Conn,
    principal::{Principal, UserId},
};

/// So many pieces of evidence are shown at once.
const SHOWN: i32 = 200;
/// So many projects a portfolio has at most.
const MOST_PROJECTS: usize = 100;
/// So many people and skills somebody follows at most.
const MOST_FOLLOWS: usize = 2_000;

impl Career {
    /// One's own profile; an empty one at version 0 before it was ever written.
    ///
    /// # Errors
    /// The database's.
    pub async fn own_profile(&self, who: &Principal) -> Result<OwnProfileView, CareerError> {
        let mut conn = self.conn().await?;
        let found = store::portfolio::load(&mut conn, who.user_id).await?;
        let (profile, version) = match found {
            Some(found) => (serde_json::from_value(found.doc)?, found.version),
            None => (blank(who), 0),
        };
        let projects = store::portfolio::projects(&mut conn, who.user_id).await?;
        let evidence = store::portfolio::evidence(&mut conn, who.user_id, false, SHOWN).await?;
        Ok(OwnProfileView {
            url: self.page_of(&profile.slug),
            profile,
            projects: super::artifacts::shown(&mut conn, projects).await?,
            evidence: evidence.into_iter().map(Into::into).collect(),
            version,
        })
    }

    fn page_of(&self, slug: &str) -> String {
        format!("{}/p/{slug}", self.parts().public_url)
    }

    /// Writes one's profile.
    ///
    /// # Errors
    /// [`CareerError::Stale`], [`CareerError::Invalid`], [`CareerError::Contradicts`] for a slug that
    /// somebody else has.
    pub async fn write_profile(
        &self,
        who: &Principal,
        form: &ProfileForm,
        seen: i64,
    ) -> Result<OwnProfileView, CareerError> {
        let form = Check::default().profile(form, &self.known_skills().await?)?;
        let now = self.now();
        let mut conn = self.conn().await?;
        let form = &form;
        (*conn)
            .transaction(async |conn| {
                let before = store::portfolio::load(conn, who.user_id).await?;
                if before.as_ref().map_or(0, |before| before.version) != seen {
                    return Err(CareerError::Stale);
                }
                let old: ProfileForm = match &before {
                    Some(before) => serde_json::from_value(before.doc.clone())?,
                    None => blank(who),
                };
                let profile = Profile {
                    user_id: who.user_id,
                    slug: form.slug.clone(),
                    visibility: form.visibility,
                    skills: form.skills.iter().map(|one| one.skill.clone()).collect(),
                    doc: serde_json::to_value(form)?,
                    version: seen + 1,
                    created_at: before.as_ref().map_or(now, |before| before.created_at),
                    updated_at: now,
                };
                let written = match before {
                    Some(_) => store::portfolio::update(conn, &profile).await,
                    None => store::insert(conn, "profiles", &profile).await.map(|()| true),
                };
                let written = written.map_err(|error| match error.constraint() {
                    Some("profiles_slug") => CareerError::Contradicts("somebody else has this slug"),
                    Some("profiles_pkey") => CareerError::Stale,
                    _ => error.into(),
                })?;
                if !written {
                    return Err(CareerError::Stale);
                }
                let data = json!({
                    "user_id": who.user_id, "slug": profile.slug, "visibility": profile.visibility,
                    "changed": form.changed(&old), "skills": profile.skills,
                });
                moves::note(conn, "profile.updated", who.user_id.0, profile.version, data).await
            })
            .await?;
        drop(conn);
        self.own_profile(who).await
    }

    /// A person's portfolio, as the caller may see it; nobody is signed in where `who` is `None`.
    ///
    /// # Errors
    /// [`CareerError::No`], also for one that the caller may not see.
    pub async fn portfolio(&self, who: Option<UserId>, of: UserId) -> Result<PortfolioView, CareerError> {
        let mut conn = self.conn().await?;
        let found = store::portfolio::load(&mut conn, of).await?;
        self.shown(conn, who, found).await
    }

    /// The same by the address of its page.
    ///
    /// # Errors
    /// As [`Career::portfolio`].
    pub async fn portfolio_at(&self, who: Option<UserId>, slug: &str) -> Result<PortfolioView, CareerError> {
        let mut conn = self.conn().await?;
        let found = store::portfolio::by_slug(&mut conn, slug).await?;
        self.shown(conn, who, found).await
    }

    async fn shown(
        &self,
        mut conn: Conn,
        who: Option<UserId>,
        found: Option<Profile>,
    ) -> Result<PortfolioView, CareerError> {
        let none = || CareerError::No("portfolio");
        let profile = found.ok_or_else(none)?;
        let sees = sees(&mut conn, who, profile.user_id).await?;
        if !sees.contains(&profile.visibility) {
            return Err(none());
        }
        let mut projects = store::portfolio::projects(&mut conn, profile.user_id).await?;
        projects.retain(|project| sees.contains(&project.visibility));
        let projects = super::artifacts::shown(&mut conn, projects).await?;
        let evidence = store::portfolio::evidence(&mut conn, profile.user_id, true, SHOWN).await?;
        let endorsed: HashMap<String, i64> =
            store::portfolio::endorsements(&mut conn, profile.user_id).await?.into_iter().collect();
        drop(conn);
        let names: HashMap<String, String> = self.parts().taxonomy.skills().await?.into_iter().collect();
        let display_name = self.names([profile.user_id]).await?.remove(&profile.user_id).ok_or_else(none)?;
        let form: ProfileForm = serde_json::from_value(profile.doc)?;
        let skill = |one: &crate::contexts::career::model::ClaimedSkill| SkillView {
            name: names.get(&one.skill).cloned().unwrap_or_else(|| one.skill.clone()),
            level: one.level,
            endorsements: endorsed.get(&one.skill).copied().unwrap_or(0),
            skill: one.skill.clone(),
        };
        Ok(PortfolioView {
            user_id: profile.user_id,
            display_name,
            url: self.page_of(&profile.slug),
            slug: profile.slug,
            skills: form.skills.iter().map(skill).collect(),
            headline: form.headline,
            about: form.about,
            location: form.location,
            availability: form.availability,
            rate: form.rate,
            links: form.links,
            languages: form.languages,
            experience: form.experience,
            education: form.education,
            projects,
            evidence: evidence.into_iter().map(Into::into).collect(),
            visibility: profile.visibility,
            version: profile.version,
        })
    }

    /// Adds a project, as the last one. Under the same id it is the same one.
    ///
    /// # Errors
    /// [`CareerError::Invalid`], [`CareerError::Contradicts`] past the most.
    pub async fn add_project(
        &self,
        who: &Principal,
        id: ProjectId,
        form: &ProjectForm,
    ) -> Result<ProjectView, CareerError> {
        let now = self.now();
        let mut project = Project {
            id,
            user_id: who.user_id,
            title: String::new(),
            summary: String::new(),
            url: None,
            skills: Vec::new(),
            visibility: form.visibility,
            position: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        fill(&mut project, form, &self.known_skills().await?)?;
        let mut conn = self.conn().await?;
        let project = &project;
        (*conn)
            .transaction(async |conn| {
                let there = store::portfolio::projects(conn, who.user_id).await?;
                if let Some(same) = there.iter().find(|one| one.id == id) {
                    return Ok(same.clone().into());
                }
                if there.len() >= MOST_PROJECTS {
                    return Err(CareerError::Contradicts("there are 100 projects: that is the most"));
                }
                let mut project = project.clone();
                project.position = there.last().map_or(1, |last| last.position + 1);
                store::insert(conn, "projects", &project).await?;
                tell_of_projects(conn, who.user_id).await?;
                Ok(project.into())
            })
            .await
    }

    /// Changes a project.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Stale`], [`CareerError::Invalid`].
    pub async fn change_project(
        &self,
        who: &Principal,
        id: ProjectId,
        form: &ProjectForm,
        seen: Option<i64>,
    ) -> Result<ProjectView, CareerError> {
        let known = self.known_skills().await?;
        let mut conn = self.conn().await?;
        let all = store::portfolio::projects(&mut conn, who.user_id).await?;
        let mut project = all.into_iter().find(|one| one.id == id).ok_or(CareerError::No("project"))?;
        if seen.is_some_and(|seen| seen != project.version) {
            return Err(CareerError::Stale);
        }
        fill(&mut project, form, &known)?;
        project.visibility = form.visibility;
        (project.version, project.updated_at) = (project.version + 1, self.now());
        let changed = &project;
        (*conn)
            .transaction(async |conn| match store::portfolio::update_project(conn, changed).await? {
                true => tell_of_projects(conn, who.user_id).await,
                false => Err(CareerError::Stale),
            })
            .await?;
        super::artifacts::shown(&mut conn, vec![project]).await?.pop().ok_or(CareerError::No("project"))
    }

    /// Takes a project away.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn drop_project(&self, who: &Principal, id: ProjectId) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                // Locked, so that nothing is added to it meanwhile.
                if !store::artifacts::lock_project(conn, who.user_id, id).await? {
                    return Err(CareerError::No("project"));
                }
                let artifacts = store::artifacts::of(conn, &[id]).await?;
                store::portfolio::drop_project(conn, who.user_id, id).await?;
                tell_of_projects(conn, who.user_id).await?;
                super::artifacts::let_go(conn, &artifacts, now).await
            })
            .await?;
        self.sweep();
        Ok(())
    }

    /// Puts one's projects into an order.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] unless it names each of them once.
    pub async fn order_projects(
        &self,
        who: &Principal,
        form: &OrderForm,
    ) -> Result<Vec<ProjectView>, CareerError> {
        let mut conn = self.conn().await?;
        let there = store::portfolio::projects(&mut conn, who.user_id).await?;
        let mut asked = form.ids.clone();
        asked.sort_unstable();
        let mut known: Vec<_> = there.iter().map(|one| one.id).collect();
        known.sort_unstable();
        if asked != known {
            return Err(CareerError::field("/ids", "must name each of your projects once"));
        }
        (*conn)
            .transaction(async |conn| {
                store::portfolio::order(conn, who.user_id, &form.ids).await?;
                tell_of_projects(conn, who.user_id).await
            })
            .await?;
        let sorted = store::portfolio::projects(&mut conn, who.user_id).await?;
        super::artifacts::shown(&mut conn, sorted).await
    }

    /// Shows a piece of one's evidence to others, or hides it.
    ///
    /// # Errors
    /// [`CareerError::No`], also for what was withdrawn.
    pub async fn show_evidence(
        &self,
        who: &Principal,
        id: EvidenceId,
        shown: bool,
    ) -> Result<EvidenceView, CareerError> {
        let mut conn = self.conn().await?;
        let evidence = (*conn)
            .transaction(async |conn| {
                let found = store::portfolio::show(conn, who.user_id, id, shown).await?;
                let evidence = found.ok_or(CareerError::No("evidence"))?;
                let subject = if shown { "evidence.shown" } else { "evidence.hidden" };
                let data = json!({ "user_id": who.user_id, "evidence_id": id });
                moves::note(conn, subject, id.0, 1, data).await?;
                Ok::<_, CareerError>(evidence)
            })
            .await?;
        Ok(evidence.into())
    }

    /// Vouches for a skill that somebody claims, or no more.
    ///
    /// # Errors
    /// [`CareerError::No`] where the caller sees no such claim.
    pub async fn endorse(
        &self,
        who: &Principal,
        of: UserId,
        skill: &str,
        on: bool,
    ) -> Result<(), CareerError> {
        if who.user_id == of {
            return Err(CareerError::Contradicts("you cannot vouch for yourself"));
        }
        if on {
            let portfolio = self.portfolio(Some(who.user_id), of).await?;
            if !portfolio.skills.iter().any(|one| one.skill == skill) {
                return Err(CareerError::No("skill"));
            }
        }
        let at = on.then(|| self.now());
        store::portfolio::endorse(&mut *self.conn().await?, of, skill, who.user_id, at).await?;
        Ok(())
    }

    /// Follows a person, or a skill; or no more. Those who follow each other are connections.
    ///
    /// # Errors
    /// [`CareerError::No`] person or skill; [`CareerError::Contradicts`] for oneself.
    pub async fn follow_person(&self, who: &Principal, person: UserId, on: bool) -> Result<(), CareerError> {
        if person == who.user_id {
            return Err(CareerError::Contradicts("you cannot follow yourself"));
        }
        if on && !self.names([person]).await?.contains_key(&person) {
            return Err(CareerError::No("person"));
        }
        self.follow(who, Some(person), None, on).await
    }

    /// As [`Career::follow_person`], a skill.
    ///
    /// # Errors
    /// As [`Career::follow_person`].
    pub async fn follow_skill(&self, who: &Principal, skill: &str, on: bool) -> Result<(), CareerError> {
        if on && !self.parts().taxonomy.skills().await?.iter().any(|(slug, _)| slug == skill) {
            return Err(CareerError::No("skill"));
        }
        self.follow(who, None, Some(skill), on).await
    }

    async fn follow(
        &self,
        who: &Principal,
        person: Option<UserId>,
        skill: Option<&str>,
        on: bool,
    ) -> Result<(), CareerError> {
        let mut conn = self.conn().await?;
        let (people, skills) = store::portfolio::follows(&mut conn, who.user_id).await?;
        if on && people.len() + skills.len() >= MOST_FOLLOWS {
            return Err(CareerError::Contradicts("you follow 2,000 people and skills: that is the most"));
        }
        let at = on.then(|| self.now());
        Ok(store::portfolio::follow(&mut conn, who.user_id, person, skill, at).await?)
    }

    /// Whom and what one follows.
    ///
    /// # Errors
    /// The database's.
    pub async fn follows(&self, who: &Principal) -> Result<FollowsView, CareerError> {
        let (people, skills) = store::portfolio::follows(&mut *self.conn().await?, who.user_id).await?;
        Ok(FollowsView { people, skills })
    }

    /// Whether somebody may watch a portfolio.
    pub(in crate::contexts::career) async fn may_watch(
        &self,
        who: UserId,
        of: UserId,
    ) -> Result<bool, CareerError> {
        let mut conn = self.conn().await?;
        let Some(profile) = store::portfolio::load(&mut conn, of).await? else { return Ok(who == of) };
        Ok(sees(&mut conn, Some(who), of).await?.contains(&profile.visibility))
    }
}

/// What somebody sees of somebody.
pub(super) async fn sees(
    conn: &mut AsyncPgConnection,
    who: Option<UserId>,
    of: UserId,
) -> Result<Vec<Visibility>, CareerError> {
    use Visibility::{Connections, Private, Public};
    Ok(match who {
        Some(who) if who == of => vec![Private, Connections, Public],
        Some(who) if store::portfolio::connected(conn, who, of).await? => vec![Connections, Public],
        _ => vec![Public],
    })
}

/// A profile before it was ever written: nobody else sees it.
fn blank(who: &Principal) -> ProfileForm {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = who.display_name.chars().map(plain).take(40).collect();
    let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
    // People may share a name, and hardly ever these digits.
    let id = who.user_id.0.simple().to_string();
    let digits = &id[id.len() - 6..];
    ProfileForm {
        slug: if words.is_empty() { digits.to_owned() } else { format!("{}-{digits}", words.join("-")) },
        headline: String::new(),
        about: String::new(),
        location: String::new(),
        availability: Availability::Unsaid,
        rate: None,
        links: Vec::new(),
        languages: Vec::new(),
        skills: Vec::new(),
        experience: Vec::new(),
        education: Vec::new(),
        visibility: Visibility::Private,
        show_evidence: true,
    }
}

/// Tells that somebody's projects are others now: they are a part of what a portfolio is found by.
async fn tell_of_projects(conn: &mut AsyncPgConnection, user: UserId) -> Result<(), CareerError> {
    let Some(profile) = store::portfolio::load(conn, user).await? else { return Ok(()) };
    let data = json!({
        "user_id": user, "slug": profile.slug, "visibility": profile.visibility, "changed": ["projects"],
        "skills": profile.skills,
    });
    moves::note(conn, "profile.updated", user.0, profile.version, data).await
}

fn fill(
    project: &mut Project,
    form: &ProjectForm,
    known: &HashMap<String, String>,
) -> Result<(), CareerError> {
    let mut check = Check::default();
    project.title = check.text("/title", &form.title, 1..=120);
    project.summary = check.text("/summary", &form.summary, 0..=5_000);
    project.url = form.url.as_deref().map(|url| check.link("/url", url));
    project.skills = check.skills("/skills", &form.skills, known, 10);
    check.done()
}
