//! Applying, and what becomes of an application.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::{Value, json};

use super::{gigs::visible, one_more};
use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        forms::{ApplyForm, Check, OfferForm},
        model::{
            APPLICATION, Application, ApplicationId, ApplicationState, BudgetKind, CONTRACT, Contract,
            ContractId, ContractState, GIG, Gig, GigId, GigState, MILESTONE, Milestone, MilestoneId,
            MilestoneState, Offer, OfferedMilestone,
        },
        store::{
            self, TIMERS,
            moves::{self, At, By},
        },
        views::{self, ApplicationView},
    },
    machine::Actor,
    money::Money,
    principal::{Principal, Role},
};

impl Gigs {
    /// Applies to a gig; once.
    ///
    /// # Errors
    /// [`GigsError::AppliedAlready`], [`GigsError::NotNow`] for a gig that takes none,
    /// [`GigsError::NotYours`] for its client and for people who are no students.
    pub async fn apply(
        &self,
        who: &Principal,
        gig: GigId,
        form: &ApplyForm,
    ) -> Result<ApplicationView, GigsError> {
        self.apply_as(who, gig, ApplicationId::new(), form).await
    }

    /// As [`Gigs::apply`], under an id that stays the same when the request is repeated.
    ///
    /// # Errors
    /// As [`Gigs::apply`].
    pub async fn apply_as(
        &self,
        who: &Principal,
        gig: GigId,
        id: ApplicationId,
        form: &ApplyForm,
    ) -> Result<ApplicationView, GigsError> {
        let now = self.now();
        let mut check = Check::default();
        let proposal = check.text("/proposal", &form.proposal, 1..=5_000);
        if form.answers.len() > 10 {
            check.refuse("/answers", "at most 10");
        }
        let answer = |(n, text): (usize, &String)| check.text(&format!("/answers/{n}"), text, 1..=2_000);
        let answers: Vec<String> = form.answers.iter().enumerate().map(answer).collect();
        check.done()?;
        let application = Application {
            id,
            gig_id: gig,
            student_id: who.user_id,
            proposal,
            answers: json!(answers),
            offer: None,
            state: ApplicationState::Submitted,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let mut conn = self.conn().await?;
        let new = &application;
        let made = (*conn)
            .transaction(async |conn| {
                let Some(gig) = store::gigs::count_in(conn, gig, who.user_id, now).await? else {
                    return Err(why_not(conn, who, gig).await?);
                };
                // Asked here, so that a stranger to the gig learns first that it is not theirs.
                if !who.is(Role::Student) {
                    return Err(GigsError::NotYours("only students apply"));
                }
                let asked = gig.questions.as_array().map_or(0, Vec::len);
                if new.answers.as_array().map_or(0, Vec::len) != asked {
                    let said = format!("the gig asks {asked} questions; give one answer to each");
                    return Err(GigsError::field("/answers", said));
                }
                store::applications::insert(conn, new).await.map_err(|error| {
                    if error.is_unique("applications_once") || error.is_unique("applications_pkey") {
                        GigsError::AppliedAlready
                    } else {
                        error.into()
                    }
                })?;
                let by = (Actor::Student, who.user_id);
                let data = told(&gig, new);
                let event = Some("application.submitted");
                moves::born(conn, &APPLICATION, new.id.0, event, by, now, data).await
            })
            .await;
        self.inner.pages.forget(gig).await;
        match made {
            Err(GigsError::AppliedAlready) if store::applications::load(&mut conn, id).await?.is_some() => {
                self.application(who, id).await
            }
            made => {
                made?;
                ApplicationView::of(application, None, &[Actor::Student])
            }
        }
    }

    /// A gig's applications, newest first: all of them for its client, one's own for a student.
    ///
    /// # Errors
    /// [`GigsError::No`] gig; [`GigsError::Invalid`] for a foreign cursor.
    pub async fn applications(
        &self,
        who: &Principal,
        gig: GigId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<ApplicationView>, Option<String>), GigsError> {
        let mut conn = self.conn().await?;
        let found = store::gigs::load(&mut conn, gig).await?;
        let found = found.filter(|gig| visible(who, gig)).ok_or(GigsError::No("gig"))?;
        let own = found.owner_id == who.user_id;
        let list = format!("applications.{gig}");
        let before = self.after(&list, cursor)?.map(ApplicationId);
        let student = (!own).then_some(who.user_id);
        let found = store::applications::list(&mut conn, Some(gig), student, before, one_more(limit)).await?;
        self.shown(&mut conn, &list, found, limit, if own { Actor::Client } else { Actor::Student }).await
    }

    /// One's own applications, newest first.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] for a foreign cursor.
    pub async fn my_applications(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<ApplicationView>, Option<String>), GigsError> {
        let mut conn = self.conn().await?;
        let list = format!("applications.of.{}", who.user_id);
        let before = self.after(&list, cursor)?.map(ApplicationId);
        let mine = store::applications::list(&mut conn, None, Some(who.user_id), before, one_more(limit));
        let found = mine.await?;
        self.shown(&mut conn, &list, found, limit, Actor::Student).await
    }

    async fn shown(
        &self,
        conn: &mut AsyncPgConnection,
        list: &str,
        found: Vec<Application>,
        limit: usize,
        actor: Actor,
    ) -> Result<(Vec<ApplicationView>, Option<String>), GigsError> {
        let (found, next) = self.page(list, found, limit, |application| application.id.0);
        let accepted: Vec<ApplicationId> = found
            .iter()
            .filter(|application| application.state == ApplicationState::Accepted)
            .map(|application| application.id)
            .collect();
        let contracts = store::contracts::of_applications(conn, &accepted).await?;
        let view = |application: Application| {
            let contract = contracts.get(&application.id).copied();
            ApplicationView::of(application, contract, &[actor])
        };
        Ok((found.into_iter().map(view).collect::<Result<_, _>>()?, next))
    }

    /// An application, for its student and its gig's client.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn application(
        &self,
        who: &Principal,
        id: ApplicationId,
    ) -> Result<ApplicationView, GigsError> {
        let mut conn = self.conn().await?;
        let none = || GigsError::No("application");
        let application = store::applications::load(&mut conn, id).await?.ok_or_else(none)?;
        let gig = store::gigs::load(&mut conn, application.gig_id).await?.ok_or_else(none)?;
        let side = side(who, &gig, &application).ok_or_else(none)?;
        let contract = store::contracts::of_applications(&mut conn, &[id]).await?.get(&id).copied();
        ApplicationView::of(application, contract, &[side])
    }

    /// Shortlists, offers, rejects (the client), accepts, declines, withdraws (the student).
    ///
    /// # Errors
    /// [`GigsError::NotNow`], [`GigsError::NotYours`], [`GigsError::NotVerified`] for a student who
    /// could not be paid, [`GigsError::Invalid`] for an offer out of bounds.
    pub async fn move_application(
        &self,
        who: &Principal,
        id: ApplicationId,
        step: &str,
        form: &OfferForm,
    ) -> Result<ApplicationView, GigsError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let none = || GigsError::No("application");
        let gig_id = store::applications::load(&mut conn, id).await?.ok_or_else(none)?.gig_id;
        let (application, contract, side) = (*conn)
            .transaction(async |conn| {
                let gig = store::gigs::lock(conn, gig_id).await?.ok_or_else(none)?;
                let mut application = store::applications::lock(conn, id).await?.ok_or_else(none)?;
                let side = side(who, &gig, &application).ok_or_else(none)?;
                // The machine first: it knows whose step it is and whether it is time.
                APPLICATION.step(application.state, step, &[side]).map_err(|refusal| {
                    GigsError::refused("application", application.state.as_str(), refusal)
                })?;
                let mut data = told(&gig, &application);
                if step == "offer" {
                    let offer = offer(&gig, form)?;
                    let offer = serde_json::to_value(offer)?;
                    store::applications::set_offer(conn, id, &offer).await?;
                    application.offer = Some(offer);
                }
                let contract = if step == "accept" {
                    if !who.email_verified {
                        return Err(GigsError::NotVerified("then you can be paid"));
                    }
                    let contract = contract(&gig, &application, now)?;
                    data["contract_id"] = json!(contract.0.id);
                    data["milestones"] = json!(contract.1.len());
                    Some(contract)
                } else {
                    None
                };
                let by = By { actors: &[side], user: Some(who.user_id) };
                let at = At::from(&application);
                let moved = moves::advance(conn, &APPLICATION, at, step, by, now, data).await?;
                (application.state, application.version, application.updated_at) =
                    (moved.state, moved.version, now);
                if step == "withdraw" {
                    store::gigs::count_out(conn, gig.id).await?;
                }
                let made = contract.as_ref().map(|(contract, _)| contract.id);
                if let Some((contract, milestones)) = contract {
                    take_up(conn, &gig, &contract, &milestones, who, now).await?;
                }
                Ok::<_, GigsError>((application, made, side))
            })
            .await?;
        self.inner.jobs.notify_one();
        self.inner.pages.forget(application.gig_id).await;
        ApplicationView::of(application, contract, &[side])
    }
}

/// Writes the contract, takes the slot, and fills the gig with the last one.
async fn take_up(
    conn: &mut AsyncPgConnection,
    gig: &Gig,
    contract: &Contract,
    milestones: &[Milestone],
    who: &Principal,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), GigsError> {
    let by = (Actor::Student, who.user_id);
    store::gigs::take_slot(conn, gig.id).await?;
    store::contracts::insert(conn, contract, milestones).await?;
    let data = json!({
        "gig_id": gig.id, "client_id": contract.client_id, "student_id": contract.student_id,
        "title": contract.title,
    });
    moves::born(conn, &CONTRACT, contract.id.0, Some("contract.created"), by, now, data).await?;
    for milestone in milestones {
        let data = json!({ "contract_id": contract.id, "title": milestone.title });
        moves::born(conn, &MILESTONE, milestone.id.0, None, by, now, data).await?;
    }
    if gig.accepted + 1 == gig.slots {
        let data = super::gigs::told(gig);
        let moved = moves::advance(conn, &GIG, At::from(gig), "fill", By::SYSTEM, now, data).await?;
        TIMERS.set_job(conn, "lapse", gig.id.0, moved.version, now).await?;
    }
    Ok(())
}

/// What a person is to an application.
fn side(who: &Principal, gig: &Gig, application: &Application) -> Option<Actor> {
    if who.user_id == gig.owner_id {
        Some(Actor::Client)
    } else if who.user_id == application.student_id {
        Some(Actor::Student)
    } else {
        None
    }
}

/// Why a gig takes no application from this person now.
async fn why_not(conn: &mut AsyncPgConnection, who: &Principal, id: GigId) -> Result<GigsError, GigsError> {
    let gig = store::gigs::load(conn, id).await?.filter(|gig| visible(who, gig));
    Ok(match gig {
        None => GigsError::No("gig"),
        Some(gig) if gig.owner_id == who.user_id => GigsError::NotYours("nobody applies to their own gig"),
        Some(_) if !who.is(Role::Student) => GigsError::NotYours("only students apply"),
        Some(gig) if gig.state != GigState::Open => {
            GigsError::NotNow { machine: "gig", state: gig.state.as_str(), allowed: Vec::new() }
        }
        Some(_) => GigsError::Contradicts("the gig's deadline has passed"),
    })
}

/// The offer that a client makes, or the one that goes without saying.
fn offer(gig: &Gig, form: &OfferForm) -> Result<Offer, GigsError> {
    if gig.accepted >= gig.slots {
        return Err(GigsError::Contradicts("every slot of the gig is taken"));
    }
    let currency = views::currency(&gig.currency)?;
    if !form.milestones.is_empty() {
        let mut check = Check::default();
        check.milestones(&form.milestones, currency);
        check.done()?;
        let milestones = form.milestones.clone();
        return Ok(Offer { milestones });
    }
    if gig.kind == BudgetKind::Hourly {
        return Err(GigsError::field("/milestones", "an hourly gig is offered in milestones"));
    }
    let whole = OfferedMilestone {
        title: gig.title.clone(),
        amount: Money::new(gig.budget_min, currency),
        due_at: None,
    };
    Ok(Offer { milestones: vec![whole] })
}

/// The contract that an accepted offer becomes.
fn contract(
    gig: &Gig,
    application: &Application,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(Contract, Vec<Milestone>), GigsError> {
    if gig.accepted >= gig.slots {
        return Err(GigsError::Contradicts("every slot of the gig is taken"));
    }
    if !matches!(gig.state, GigState::Open | GigState::Paused) {
        return Err(GigsError::NotNow { machine: "gig", state: gig.state.as_str(), allowed: Vec::new() });
    }
    let offer = application.offer.clone().ok_or(GigsError::Contradicts("there is no offer"))?;
    let offer: Offer = serde_json::from_value(offer)?;
    let id = ContractId::new();
    let contract = Contract {
        id,
        gig_id: gig.id,
        application_id: application.id,
        client_id: gig.owner_id,
        student_id: application.student_id,
        title: gig.title.clone(),
        currency: gig.currency.clone(),
        state: ContractState::PendingFunding,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let milestones = (0..).zip(offer.milestones).map(|(position, offered)| Milestone {
        id: MilestoneId::new(),
        contract_id: id,
        position,
        title: offered.title.trim().to_owned(),
        amount_minor: offered.amount.amount_minor,
        due_at: offered.due_at,
        note: None,
        state: MilestoneState::Planned,
        version: 1,
        updated_at: now,
    });
    Ok((contract, milestones.collect()))
}

/// What events tell of an application.
pub(super) fn told(gig: &Gig, application: &Application) -> Value {
    json!({
        "gig_id": gig.id, "owner_id": gig.owner_id, "student_id": application.student_id,
        "gig_title": gig.title,
    })
}
