//! The truth as other contexts know it.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    error::DiscoveryError,
    model::{Kind, skills::Taxonomy},
    truth::{Read, Seeker, Source, Truth},
};
use crate::{
    contexts::{
        career::{Availability, Career, MentorView, PublicProfile},
        gigs::{GigId, GigView, Gigs},
        learning::{CourseId, Learning, PublicCourse},
    },
    money::Money,
    ports::attributes::Attributes,
    principal::UserId,
};

/// How much of a long text is a summary, in characters.
const SUMMARY: usize = 200;

/// The contexts whose things can be found.
#[derive(Clone)]
pub struct Contexts {
    /// Gigs, skills, ratings.
    pub gigs: Gigs,
    /// Profiles and mentors.
    pub career: Career,
    /// Courses.
    pub learning: Learning,
}

fn elsewhere<T, E: crate::error::Fault + Send + Sync + 'static>(
    done: Result<T, E>,
) -> Result<T, DiscoveryError> {
    done.map_err(DiscoveryError::elsewhere)
}

fn summary(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SUMMARY {
        return line;
    }
    let mut cut: String = line.chars().take(SUMMARY - 1).collect();
    cut.push('…');
    cut
}

/// Whether a text says that it is done from anywhere.
fn remote(text: &str) -> bool {
    let text = text.to_lowercase();
    ["remote", "from home", "online", "anywhere"].iter().any(|word| text.contains(word))
}

impl Contexts {
    async fn known(&self) -> Result<Taxonomy, DiscoveryError> {
        let skills = elsewhere(self.gigs.skills().await)?;
        Ok(Taxonomy::new(skills.into_iter().map(|skill| (skill.slug, skill.name))))
    }

    async fn sources(&self, kind: Kind, ids: Vec<Uuid>) -> Result<Vec<Source>, DiscoveryError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let people: Vec<UserId> = ids.iter().copied().map(UserId).collect();
        match kind {
            Kind::Gig => {
                let ids: Vec<GigId> = ids.into_iter().map(GigId).collect();
                let found = elsewhere(self.gigs.open_gigs(&ids).await)?;
                let owners: Vec<UserId> = found.iter().map(|gig| gig.owner_id).collect();
                let ratings = elsewhere(self.gigs.ratings(&owners).await)?;
                let known = self.known().await?;
                Ok(found.into_iter().map(|gig| of_gig(gig, &ratings, &known)).collect())
            }
            Kind::Course => {
                let ids: Vec<CourseId> = ids.into_iter().map(CourseId).collect();
                let found = elsewhere(self.learning.published(&ids).await)?;
                let known = self.known().await?;
                Ok(found.into_iter().map(|course| of_course(course, &known)).collect())
            }
            Kind::Person => {
                let found = elsewhere(self.career.public_profiles(&people).await)?;
                let ratings = elsewhere(self.gigs.ratings(&people).await)?;
                let known = self.known().await?;
                Ok(found.into_iter().map(|person| of_person(person, &ratings, &known)).collect())
            }
            Kind::Mentor => {
                let found = elsewhere(self.career.approved_mentors(&people).await)?;
                let known = self.known().await?;
                Ok(found.into_iter().map(|(mentor, at)| of_mentor(mentor, at, &known)).collect())
            }
        }
    }
}

fn of_gig(gig: GigView, ratings: &HashMap<UserId, i64>, known: &Taxonomy) -> Source {
    let most = gig.budget.max_amount_minor.unwrap_or(gig.budget.amount_minor);
    let attributes = Attributes {
        owner: Some(gig.owner_id.0),
        remote: Some(remote(&format!("{} {}", gig.title, gig.description))),
        tags: vec![gig.budget.kind.as_str().to_owned()],
        currency: Some(gig.budget.currency.code().to_owned()),
        budget_minor: Some(most),
        rating_milli: ratings.get(&gig.owner_id).copied(),
        ends_at: gig.deadline,
        fresh_at: gig.posted_at.or(Some(gig.created_at)),
        open: true,
        skills: gig.skills.clone(),
        ..Attributes::default()
    };
    Source {
        kind: Kind::Gig,
        id: gig.id.0,
        summary: summary(&gig.description),
        keywords: known.names(&gig.skills),
        body: gig.description,
        title: gig.title,
        url: format!("/#gig/{}", gig.id),
        price: Some(Money { amount_minor: most, currency: gig.budget.currency }),
        available: true,
        attributes,
    }
}

fn of_course(course: PublicCourse, known: &Taxonomy) -> Source {
    let body = format!("{}\n\n{}", course.summary, course.outline.join("\n"));
    // A course says what it teaches in words only.
    let skills = known.named_in(&format!("{}\n{body}", course.title));
    let attributes = Attributes {
        owner: Some(course.owner_id.0),
        remote: Some(true),
        tags: vec![if course.price.is_some() { "paid" } else { "free" }.to_owned()],
        currency: course.price.map(|price| price.currency.code().to_owned()),
        budget_minor: Some(course.price.map_or(0, |price| price.amount_minor)),
        fresh_at: Some(course.updated_at),
        open: true,
        skills: skills.clone(),
        ..Attributes::default()
    };
    Source {
        kind: Kind::Course,
        id: course.id.0,
        summary: summary(&course.summary),
        keywords: known.names(&skills),
        body,
        title: course.title,
        url: format!("/#course/{}", course.id),
        price: course.price,
        available: true,
        attributes,
    }
}

fn of_person(person: PublicProfile, ratings: &HashMap<UserId, i64>, known: &Taxonomy) -> Source {
    let PublicProfile { user_id, display_name, form, projects, updated_at } = person;
    let skills: Vec<String> = form.skills.iter().map(|one| one.skill.clone()).collect();
    let mut body = vec![form.headline.clone(), form.about, form.location];
    body.extend(projects.into_iter().map(|(title, summary)| format!("{title}\n{summary}")));
    let stations = form.experience.iter().chain(&form.education);
    body.extend(stations.map(|one| format!("{}, {}\n{}", one.title, one.organisation, one.summary)));
    let attributes = Attributes {
        owner: Some(user_id.0),
        languages: form.languages.iter().map(|one| one.tag.clone()).collect(),
        tags: vec![form.availability.as_str().to_owned()],
        currency: form.rate.map(|rate| rate.currency.code().to_owned()),
        budget_minor: form.rate.map(|rate| rate.amount_minor),
        rating_milli: ratings.get(&user_id).copied(),
        fresh_at: Some(updated_at),
        open: form.availability != Availability::Busy,
        skills: skills.clone(),
        ..Attributes::default()
    };
    Source {
        kind: Kind::Person,
        id: user_id.0,
        title: display_name,
        summary: summary(&form.headline),
        keywords: known.names(&skills),
        body: body.join("\n\n"),
        url: format!("/p/{}", form.slug),
        price: form.rate,
        available: form.availability != Availability::Busy,
        attributes,
    }
}

fn of_mentor(mentor: MentorView, at: chrono::DateTime<chrono::Utc>, known: &Taxonomy) -> Source {
    let mut keywords = known.names(&mentor.skills);
    keywords.extend(mentor.goals.iter().cloned());
    #[expect(clippy::cast_possible_truncation, reason = "at most 5,000")]
    let rating = mentor.rating.map(|mean| (mean * 1_000.0).round() as i64);
    let attributes = Attributes {
        owner: Some(mentor.id.0),
        languages: mentor.languages,
        tags: vec![if mentor.price.is_some() { "paid" } else { "free" }.to_owned()],
        currency: mentor.price.map(|price| price.currency.code().to_owned()),
        budget_minor: Some(mentor.price.map_or(0, |price| price.amount_minor)),
        rating_milli: rating,
        fresh_at: Some(at),
        open: true,
        skills: mentor.skills,
        ..Attributes::default()
    };
    Source {
        kind: Kind::Mentor,
        id: mentor.id.0,
        title: mentor.display_name,
        summary: summary(&mentor.headline),
        keywords,
        body: format!("{}\n\n{}\n\n{}", mentor.headline, mentor.bio, mentor.goals.join("\n")),
        url: format!("/mentors#mentor/{}", mentor.id),
        price: mentor.price,
        available: true,
        attributes,
    }
}

impl Truth for Contexts {
    fn load(&self, kind: Kind, ids: Vec<Uuid>) -> Read<'_, Vec<Source>> {
        Box::pin(self.sources(kind, ids))
    }

    fn ids(&self, kind: Kind, after: Option<Uuid>, limit: usize) -> Read<'_, Vec<Uuid>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        Box::pin(async move {
            match kind {
                Kind::Gig => elsewhere(self.gigs.open_gig_ids(after, limit).await),
                Kind::Course => elsewhere(self.learning.published_ids(after, limit).await),
                Kind::Person => elsewhere(self.career.public_profile_ids(after, limit).await),
                Kind::Mentor => elsewhere(self.career.approved_mentor_ids(after, limit).await),
            }
        })
    }

    fn seeker(&self, user: UserId) -> Read<'_, Option<Seeker>> {
        Box::pin(async move {
            let Some(form) = elsewhere(self.career.profile_of(user).await)? else { return Ok(None) };
            let stations = form.experience.iter().map(|one| one.title.as_str());
            let text: Vec<&str> =
                [form.headline.as_str(), form.about.as_str()].into_iter().chain(stations).collect();
            Ok(Some(Seeker {
                text: text.join("\n"),
                skills: form.skills.iter().map(|one| one.skill.clone()).collect(),
                languages: form.languages.iter().map(|one| one.tag.clone()).collect(),
                busy: form.availability == Availability::Busy,
                rate: form.rate,
            }))
        })
    }

    fn taken(&self, user: UserId, kind: Kind) -> Read<'_, Vec<Uuid>> {
        Box::pin(async move {
            Ok(match kind {
                Kind::Gig => {
                    elsewhere(self.gigs.applied_to(user).await)?.into_iter().map(|id| id.0).collect()
                }
                Kind::Course => {
                    elsewhere(self.learning.taken_by(user).await)?.into_iter().map(|id| id.0).collect()
                }
                Kind::Person | Kind::Mentor => Vec::new(),
            })
        })
    }

    fn applicants(&self, gig: Uuid) -> Read<'_, Vec<Uuid>> {
        Box::pin(async move {
            let found = elsewhere(self.gigs.applicants(GigId(gig)).await)?;
            Ok(found.into_iter().map(|id| id.0).collect())
        })
    }

    fn taxonomy(&self) -> Read<'_, Taxonomy> {
        Box::pin(self.known())
    }
}
