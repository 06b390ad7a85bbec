//! Becoming a mentor, and finding one.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use diesel_async::AsyncConnection;
use serde_json::{Value, json};

use super::{keeps_order, one_more};
use crate::{
    contexts::career::{
        Career, CareerError,
        forms::{AvailabilityForm, Check, MentorForm, StepForm},
        model::{MENTOR, Mentor, MentorState, ReviewId},
        store::{
            self,
            mentors::Filter,
            moves::{self, At, By},
        },
        views::{MentorReviewView, MentorView, OwnMentorView},
    },
    machine::Actor,
    money::Currency,
    principal::{Principal, Role, UserId},
};

/// Which mentors.
#[derive(Clone, Debug, Default)]
pub struct MentorQuery {
    /// Words of headline or biography.
    pub q: Option<String>,
    /// Slugs that they must all have.
    pub skills: Vec<String>,
    /// A language they speak.
    pub language: Option<String>,
    /// Only those who take no money.
    pub free: bool,
    /// In this state; for moderators. Approved ones without it.
    pub state: Option<MentorState>,
}

impl Career {
    /// Applies to be a mentor; once a person. `again` is whether the same request came before.
    ///
    /// # Errors
    /// [`CareerError::NotVerified`], [`CareerError::Invalid`], [`CareerError::Contradicts`] if there is an
    /// application.
    pub async fn apply_to_mentor(
        &self,
        who: &Principal,
        form: &MentorForm,
    ) -> Result<OwnMentorView, CareerError> {
        if !who.email_verified {
            return Err(CareerError::NotVerified("then you can mentor"));
        }
        let now = self.now();
        let mut mentor = Mentor {
            id: who.user_id,
            headline: String::new(),
            bio: String::new(),
            skills: Vec::new(),
            languages: Vec::new(),
            goals: Vec::new(),
            zone: String::new(),
            rules: json!([]),
            exceptions: json!([]),
            minutes: 60,
            every: 60,
            buffer_before: 0,
            buffer_after: 0,
            notice_minutes: 60,
            horizon_days: 60,
            seats: 1,
            price_minor: 0,
            currency: "EUR".into(),
            cancel_hours: 24,
            meeting_url: None,
            review_note: None,
            rating_sum: 0,
            rating_count: 0,
            state: MentorState::Applied,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        fill(&mut mentor, form, &self.known_skills().await?)?;
        let new = &mentor;
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                store::insert(conn, "mentors", new).await.map_err(|error| {
                    if error.is_unique("mentors_pkey") {
                        CareerError::Contradicts("you have applied before: change that application")
                    } else {
                        error.into()
                    }
                })?;
                let by = (Actor::Mentor, who.user_id);
                moves::born(conn, &MENTOR, at(new), "mentor.applied", by, now, told(new)).await
            })
            .await?;
        OwnMentorView::of(mentor, Some(who.display_name.clone()), &[Actor::Mentor])
    }

    /// One's own application or offer.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn own_mentor(&self, who: &Principal) -> Result<OwnMentorView, CareerError> {
        let found = store::mentors::load(&mut *self.conn().await?, who.user_id).await?;
        let mentor = found.ok_or(CareerError::No("mentor"))?;
        OwnMentorView::of(mentor, Some(who.display_name.clone()), &[Actor::Mentor])
    }

    /// Changes what one offers.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Stale`], [`CareerError::Invalid`].
    pub async fn change_mentor(
        &self,
        who: &Principal,
        form: &MentorForm,
        seen: i64,
    ) -> Result<OwnMentorView, CareerError> {
        let known = self.known_skills().await?;
        self.edit_mentor(who, seen, |mentor| fill(mentor, form, &known)).await
    }

    /// Changes when one is open. Sessions that are booked stay.
    ///
    /// # Errors
    /// As [`Career::change_mentor`].
    pub async fn change_availability(
        &self,
        who: &Principal,
        form: &AvailabilityForm,
        seen: i64,
    ) -> Result<OwnMentorView, CareerError> {
        let mut check = Check::default();
        check.availability(form);
        check.done()?;
        self.edit_mentor(who, seen, |mentor| {
            mentor.rules = serde_json::to_value(&form.rules)?;
            mentor.exceptions = serde_json::to_value(&form.exceptions)?;
            Ok(())
        })
        .await
    }

    async fn edit_mentor(
        &self,
        who: &Principal,
        seen: i64,
        edit: impl Fn(&mut Mentor) -> Result<(), CareerError> + Sync,
    ) -> Result<OwnMentorView, CareerError> {
        let now = self.now();
        let edit = &edit;
        let mut conn = self.conn().await?;
        let mentor = (*conn)
            .transaction(async |conn| {
                let found = store::mentors::lock(conn, who.user_id).await?;
                let mut mentor = found.ok_or(CareerError::No("mentor"))?;
                if mentor.version != seen {
                    return Err(CareerError::Stale);
                }
                edit(&mut mentor)?;
                mentor.updated_at = now;
                store::mentors::update(conn, &mentor).await?;
                mentor.version += 1;
                moves::note(conn, "mentor.changed", mentor.id.0, mentor.version, told(&mentor)).await?;
                Ok(mentor)
            })
            .await?;
        OwnMentorView::of(mentor, Some(who.display_name.clone()), &[Actor::Mentor])
    }

    /// Reviews an application, suspends, restores (moderators); withdraws, applies again (the mentor).
    ///
    /// # Errors
    /// [`CareerError::NotNow`], [`CareerError::NotYours`], [`CareerError::No`].
    pub async fn move_mentor(
        &self,
        who: &Principal,
        id: UserId,
        step: &str,
        form: &StepForm,
    ) -> Result<OwnMentorView, CareerError> {
        let mut check = Check::default();
        let note = form.note.as_deref().map(|note| check.text("/note", note, 0..=1_000));
        check.done()?;
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let actors = actors(who, id);
                let found = store::mentors::lock(conn, id).await?;
                let mentor =
                    found.filter(|mentor| visible(mentor, &actors)).ok_or(CareerError::No("mentor"))?;
                let by = By { actors: &actors, user: Some(who.user_id) };
                let mut data = told(&mentor);
                data["note"] = json!(note);
                moves::advance(conn, &MENTOR, at(&mentor), step, by, now, data).await?;
                if matches!(step, "approve" | "reject" | "suspend" | "restore") {
                    store::mentors::set_review_note(conn, id, note.as_deref()).await?;
                }
                Ok::<_, CareerError>(())
            })
            .await?;
        let mentor = store::mentors::load(&mut conn, id).await?.ok_or(CareerError::No("mentor"))?;
        drop(conn);
        let name = self.names([id]).await?.remove(&id);
        OwnMentorView::of(mentor, name, &actors(who, id))
    }

    /// A mentor who can be booked; also one's own, and any for moderators.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn mentor(&self, who: &Principal, id: UserId) -> Result<MentorView, CareerError> {
        let actors = actors(who, id);
        let found = store::mentors::load(&mut *self.conn().await?, id).await?;
        let mentor = found.filter(|mentor| visible(mentor, &actors)).ok_or(CareerError::No("mentor"))?;
        let name = self.names([id]).await?.remove(&id);
        MentorView::of(mentor, name, &actors)
    }

    /// A page of mentors.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] for a foreign cursor; [`CareerError::NotYours`] for applications.
    pub async fn mentors(
        &self,
        who: &Principal,
        query: MentorQuery,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<MentorView>, Option<String>), CareerError> {
        if query.state.is_some_and(|state| state != MentorState::Approved) && !keeps_order(who) {
            return Err(CareerError::NotYours("applications are read by moderators"));
        }
        let filter = Filter {
            words: query.q.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty()),
            skills: query.skills,
            language: query.language,
            free: query.free,
            state: query.state,
            before: self.after("mentors", cursor)?.map(UserId),
        };
        let found = store::mentors::list(&mut *self.conn().await?, &filter, one_more(limit)).await?;
        let (found, next) = self.page("mentors", found, limit, |mentor| mentor.id.0);
        let mut names = self.names(found.iter().map(|mentor| mentor.id)).await?;
        let views = found.into_iter().map(|mentor| {
            let (name, actors) = (names.remove(&mentor.id), actors(who, mentor.id));
            MentorView::of(mentor, name, &actors)
        });
        Ok((views.collect::<Result<_, _>>()?, next))
    }

    /// What was said about a mentor, newest first.
    ///
    /// # Errors
    /// [`CareerError::No`], [`CareerError::Invalid`] for a foreign cursor.
    pub async fn mentor_reviews(
        &self,
        who: &Principal,
        id: UserId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<MentorReviewView>, Option<String>), CareerError> {
        let list = format!("mentor_reviews.{id}");
        let before = self.after(&list, cursor)?.map(ReviewId);
        let mut conn = self.conn().await?;
        let actors = actors(who, id);
        let found = store::mentors::load(&mut conn, id).await?;
        found.filter(|mentor| visible(mentor, &actors)).ok_or(CareerError::No("mentor"))?;
        let found = store::mentors::reviews(&mut conn, id, before, one_more(limit)).await?;
        let (found, next) = self.page(&list, found, limit, |review| review.id.0);
        Ok((found.into_iter().map(Into::into).collect(), next))
    }

    /// Skills by slug and by name, in lower case.
    pub(super) async fn known_skills(&self) -> Result<HashMap<String, String>, CareerError> {
        let all = self.parts().taxonomy.skills().await?;
        let both =
            |(slug, name): (String, String)| [(name.to_lowercase(), slug.clone()), (slug.clone(), slug)];
        Ok(all.into_iter().flat_map(both).collect())
    }
}

/// What somebody is to a mentor.
fn actors(who: &Principal, mentor: UserId) -> Vec<Actor> {
    let own = (who.user_id == mentor).then_some(Actor::Mentor);
    // Nobody reviews themselves.
    let moderator = (who.user_id != mentor && who.is(Role::Moderator)).then_some(Actor::Moderator);
    let operator = (who.user_id != mentor && who.is(Role::Operator)).then_some(Actor::Operator);
    own.into_iter().chain(moderator).chain(operator).collect()
}

fn visible(mentor: &Mentor, actors: &[Actor]) -> bool {
    mentor.state == MentorState::Approved || !actors.is_empty()
}

fn at(mentor: &Mentor) -> At<MentorState> {
    At { id: mentor.id.0, state: mentor.state, version: mentor.version, deadline: None::<DateTime<Utc>> }
}

/// What events tell of a mentor.
fn told(mentor: &Mentor) -> Value {
    json!({ "mentor_id": mentor.id, "user_id": mentor.id, "headline": mentor.headline, "skills": mentor.skills })
}

fn fill(mentor: &mut Mentor, form: &MentorForm, known: &HashMap<String, String>) -> Result<(), CareerError> {
    let mut check = Check::default();
    mentor.headline = check.text("/headline", &form.headline, 1..=120);
    mentor.bio = check.text("/bio", &form.bio, 0..=5_000);
    mentor.skills = check.skills("/skills", &form.skills, known, 20);
    mentor.languages = check.languages("/languages", &form.languages, 1..=10);
    if form.goals.len() > 10 {
        check.refuse("/goals", "takes up to 10");
    }
    let goal = |(n, goal): (usize, &String)| check.text(&format!("/goals/{n}"), goal, 1..=120);
    mentor.goals = form.goals.iter().enumerate().map(goal).collect();
    mentor.zone = check.zone("/zone", &form.zone);
    mentor.every = form.every.unwrap_or(form.minutes);
    mentor.minutes = form.minutes;
    check.number("/minutes", mentor.minutes, 15..=480);
    check.number("/every", mentor.every, 15..=480);
    check.number("/buffer_before", form.buffer_before, 0..=240);
    check.number("/buffer_after", form.buffer_after, 0..=240);
    check.number("/notice_minutes", form.notice_minutes, 0..=43_200);
    check.number("/horizon_days", form.horizon_days, 1..=366);
    check.number("/seats", form.seats, 1..=100);
    check.number("/cancel_hours", form.cancel_hours, 0..=336);
    check.price(form.price);
    mentor.meeting_url = form.meeting_url.as_deref().map(|url| check.link("/meeting_url", url));
    (mentor.buffer_before, mentor.buffer_after) = (form.buffer_before, form.buffer_after);
    (mentor.notice_minutes, mentor.horizon_days) = (form.notice_minutes, form.horizon_days);
    (mentor.seats, mentor.cancel_hours) = (form.seats, form.cancel_hours);
    mentor.price_minor = form.price.map_or(0, |price| price.amount_minor);
    mentor.currency = form.price.map_or(Currency::EUR, |price| price.currency).code().to_owned();
    check.done()
}
