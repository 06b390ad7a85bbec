//! Drafting, posting, changing and ending gigs.

use std::collections::BTreeMap;

use diesel_async::AsyncConnection;
use serde_json::json;

use super::keeps_order;
use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        forms::{Check, GigForm, GigPatch},
        model::{GIG, Gig, GigId, GigState, Skill},
        store::{
            self, TIMERS,
            moves::{self, At, By},
        },
        views::GigView,
    },
    machine::Actor,
    principal::{Principal, Role},
};

impl Gigs {
    /// The skills that gigs may ask for.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn skills(&self) -> Result<Vec<Skill>, GigsError> {
        Ok(store::gigs::skills(&mut *self.conn().await?).await?)
    }

    /// Drafts a gig; only its client sees it until it is posted.
    ///
    /// # Errors
    /// [`GigsError::NotYours`] for somebody who is no client; [`GigsError::Invalid`].
    pub async fn draft(&self, who: &Principal, form: &GigForm) -> Result<GigView, GigsError> {
        self.draft_as(who, GigId::new(), form).await
    }

    /// As [`Gigs::draft`], under an id that stays the same when the request is repeated: it is made once.
    ///
    /// # Errors
    /// As [`Gigs::draft`].
    pub async fn draft_as(&self, who: &Principal, id: GigId, form: &GigForm) -> Result<GigView, GigsError> {
        if !who.is(Role::Client) {
            return Err(GigsError::NotYours("only clients offer gigs"));
        }
        let mut conn = self.conn().await?;
        let now = self.now();
        let mut check = Check::default();
        let title = check.text("/title", &form.title, 1..=120);
        let description = check.text("/description", &form.description, 1..=10_000);
        check.budget(&form.budget);
        check.slots(form.slots, 1);
        check.deadline(form.deadline, now);
        let questions = check.questions(&form.questions);
        check.attachments(&form.attachments);
        let known = store::gigs::skills(&mut conn).await?;
        let skills = skills(&known, &form.skills, &mut check);
        check.done()?;
        let gig = Gig {
            id,
            owner_id: who.user_id,
            title,
            description,
            kind: form.budget.kind,
            budget_min: form.budget.amount_minor,
            budget_max: form.budget.max_amount_minor.unwrap_or(form.budget.amount_minor),
            currency: form.budget.currency.code().to_owned(),
            slots: form.slots,
            accepted: 0,
            applications_count: 0,
            deadline: form.deadline,
            skills,
            questions: json!(questions),
            attachments: json!(form.attachments),
            state: GigState::Draft,
            version: 1,
            created_at: now,
            updated_at: now,
            posted_at: None,
        };
        let gig = &gig;
        let made = (*conn)
            .transaction(async |conn| {
                if !store::gigs::insert(conn, gig).await? {
                    return Ok::<_, GigsError>(false);
                }
                moves::born(conn, &GIG, gig.id.0, None, (Actor::Client, gig.owner_id), now, json!({}))
                    .await?;
                Ok(true)
            })
            .await?;
        if !made {
            return self.gig(who, id).await;
        }
        GigView::of(gig.clone(), &actors(who, gig))
    }

    /// A gig, for whoever may see it.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn gig(&self, who: &Principal, id: GigId) -> Result<GigView, GigsError> {
        let gig = store::gigs::load(&mut *self.conn().await?, id).await?;
        let gig = gig.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
        let actors = actors(who, &gig);
        GigView::of(gig, &actors)
    }

    /// A gig's page: as [`Gigs::gig`], through the cache.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn gig_page(&self, who: &Principal, id: GigId) -> Result<GigView, GigsError> {
        let gig = self.row_of_page(id).await?;
        let gig = gig.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
        let actors = actors(who, &gig);
        GigView::of(gig, &actors)
    }

    /// Whether a person may watch a gig live: its client, who applied or was invited, and who keeps order.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn may_watch(&self, who: &Principal, id: GigId) -> Result<bool, GigsError> {
        let mut conn = self.conn().await?;
        let gig = store::gigs::load(&mut conn, id).await?;
        let gig = gig.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
        if gig.owner_id == who.user_id || keeps_order(who) {
            return Ok(true);
        }
        let applied = store::applications::list(&mut conn, Some(id), Some(who.user_id), None, 1).await?;
        Ok(!applied.is_empty() || store::invitations::find(&mut conn, id, who.user_id).await?.is_some())
    }

    /// Changes a gig that is still to be decided about, if it has the version that the caller saw.
    ///
    /// # Errors
    /// [`GigsError::Stale`], [`GigsError::NotYours`], [`GigsError::NotNow`], [`GigsError::Invalid`].
    pub async fn patch_gig(
        &self,
        who: &Principal,
        id: GigId,
        patch: &GigPatch,
        version: Option<i64>,
    ) -> Result<GigView, GigsError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let known = store::gigs::skills(&mut conn).await?;
        let known = &known;
        let gig = (*conn)
            .transaction(async |conn| {
                let gig = store::gigs::lock(conn, id).await?;
                let mut gig = gig.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
                if gig.owner_id != who.user_id {
                    return Err(GigsError::NotYours("only its client changes a gig"));
                }
                if version.is_some_and(|version| version != gig.version) {
                    return Err(GigsError::Stale);
                }
                if !matches!(gig.state, GigState::Draft | GigState::Open | GigState::Paused) {
                    let allowed = GIG.allowed_transitions(gig.state, &actors(who, &gig));
                    return Err(GigsError::NotNow { machine: "gig", state: gig.state.as_str(), allowed });
                }
                apply(&mut gig, patch, known, now)?;
                store::gigs::update(conn, &gig).await?;
                let by = (Actor::Client, who.user_id);
                let data = json!({ "title": gig.title, "owner_id": gig.owner_id });
                gig.version = moves::edited(conn, &GIG, At::from(&gig), "gig.edited", by, now, data).await?;
                gig.updated_at = now;
                Ok::<_, GigsError>(gig)
            })
            .await?;
        self.inner.pages.forget(id).await;
        let actors = actors(who, &gig);
        GigView::of(gig, &actors)
    }

    /// Posts, pauses, resumes, cancels, or (a moderator) removes a gig.
    ///
    /// # Errors
    /// [`GigsError::NotVerified`] for a client whose address is not verified, [`GigsError::NotNow`],
    /// [`GigsError::NotYours`], [`GigsError::NoTransition`].
    pub async fn move_gig(&self, who: &Principal, id: GigId, step: &str) -> Result<GigView, GigsError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let gig = (*conn)
            .transaction(async |conn| {
                let gig = store::gigs::lock(conn, id).await?;
                let mut gig = gig.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
                let actors = actors(who, &gig);
                if step == "post" && gig.owner_id == who.user_id {
                    if !who.email_verified {
                        return Err(GigsError::NotVerified("then you can post gigs"));
                    }
                    if gig.state == GigState::Draft && gig.deadline.is_some_and(|at| at <= now) {
                        return Err(GigsError::field("/deadline", "must lie ahead"));
                    }
                }
                let by = By { actors: &actors, user: Some(who.user_id) };
                let data = told(&gig);
                let moved = moves::advance(conn, &GIG, At::from(&gig), step, by, now, data).await?;
                if step == "post" {
                    store::gigs::set_posted(conn, id, now).await?;
                    gig.posted_at = Some(now);
                }
                if matches!(moved.state, GigState::Cancelled | GigState::Removed) {
                    TIMERS.set_job(conn, "lapse", id.0, moved.version, now).await?;
                }
                (gig.state, gig.version, gig.updated_at) = (moved.state, moved.version, now);
                Ok::<_, GigsError>(gig)
            })
            .await?;
        self.inner.jobs.notify_one();
        self.inner.pages.forget(id).await;
        let actors = actors(who, &gig);
        GigView::of(gig, &actors)
    }
}

/// What a person is to a gig.
pub(super) fn actors(who: &Principal, gig: &Gig) -> Vec<Actor> {
    let mut actors = Vec::new();
    if who.user_id == gig.owner_id {
        actors.push(Actor::Client);
    }
    if who.is(Role::Moderator) {
        actors.push(Actor::Moderator);
    }
    if who.is(Role::Operator) {
        actors.push(Actor::Operator);
    }
    actors
}

/// Whether a person may know of a gig: drafts are their client's, removed ones a moderator's.
pub(super) fn visible(who: &Principal, gig: &Gig) -> bool {
    match gig.state {
        GigState::Draft => gig.owner_id == who.user_id,
        GigState::Removed => gig.owner_id == who.user_id || keeps_order(who),
        _ => true,
    }
}

/// What events tell of a gig.
pub(super) fn told(gig: &Gig) -> serde_json::Value {
    json!({
        "owner_id": gig.owner_id, "title": gig.title, "skills": gig.skills, "kind": gig.kind,
        "budget": {
            "kind": gig.kind, "amount_minor": gig.budget_min, "max_amount_minor": gig.budget_max,
            "currency": gig.currency,
        },
        "slots": gig.slots, "deadline": gig.deadline,
    })
}

/// Slugs for what a client named by slug or name; sorted, each once.
pub(super) fn skills(known: &[Skill], named: &[String], check: &mut Check) -> Vec<String> {
    if named.len() > 10 {
        check.refuse("/skills", "at most 10");
    }
    let mut slugs = BTreeMap::new();
    for (n, text) in named.iter().enumerate() {
        let text = text.trim();
        let found = known
            .iter()
            .find(|skill| skill.slug.eq_ignore_ascii_case(text) || skill.name.eq_ignore_ascii_case(text));
        match found {
            Some(skill) => {
                slugs.insert(skill.slug.clone(), ());
            }
            None => check.refuse(format!("/skills/{n}"), "is not a skill of the list at /api/v1/skills"),
        }
    }
    slugs.into_keys().collect()
}

fn apply(
    gig: &mut Gig,
    patch: &GigPatch,
    known: &[Skill],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), GigsError> {
    let mut check = Check::default();
    if let Some(title) = &patch.title {
        gig.title = check.text("/title", title, 1..=120);
    }
    if let Some(description) = &patch.description {
        gig.description = check.text("/description", description, 1..=10_000);
    }
    if let Some(named) = &patch.skills {
        gig.skills = skills(known, named, &mut check);
    }
    if let Some(budget) = &patch.budget {
        check.budget(budget);
        if gig.state != GigState::Draft && budget.currency.code() != gig.currency {
            check.refuse("/budget/currency", "is fixed once the gig is posted");
        }
        gig.kind = budget.kind;
        gig.budget_min = budget.amount_minor;
        gig.budget_max = budget.max_amount_minor.unwrap_or(budget.amount_minor);
        budget.currency.code().clone_into(&mut gig.currency);
    }
    if let Some(slots) = patch.slots {
        // At least one must be left, or nothing would fill the gig any more.
        let least = if gig.accepted > 0 { gig.accepted + 1 } else { 1 };
        check.slots(slots, least);
        gig.slots = slots;
    }
    if patch.deadline.is_some() {
        check.deadline(patch.deadline, now);
        gig.deadline = patch.deadline;
    }
    if let Some(questions) = &patch.questions {
        gig.questions = json!(check.questions(questions));
    }
    if let Some(attachments) = &patch.attachments {
        check.attachments(attachments);
        gig.attachments = json!(attachments);
    }
    check.done()
}
