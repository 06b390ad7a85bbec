//! What callers are shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    error::GigsError,
    forms::{Attachment, Budget},
    model::{
        APPLICATION, Application, ApplicationId, ApplicationState, BudgetKind, CONTRACT, Contract,
        ContractId, ContractState, Dispute, DisputeId, DisputeState, GIG, Gig, GigId, GigState, Invitation,
        InvitationId, MILESTONE, Milestone, MilestoneId, MilestoneState, Offer, Payment, PaymentId,
        PaymentState, Review, ReviewId, SavedSearch, SavedSearchId,
    },
};
use crate::{
    contexts::ledger::Entry,
    machine::Actor,
    money::{Currency, Money},
    principal::UserId,
};

/// A gig.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct GigView {
    /// Its id.
    pub id: GigId,
    /// Whose it is.
    pub owner_id: UserId,
    /// What people read first.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// Slugs of the taxonomy.
    pub skills: Vec<String>,
    /// What it pays.
    pub budget: Budget,
    /// How many students are wanted.
    pub slots: i32,
    /// How many have a contract.
    pub accepted: i32,
    /// Applications that were not taken back.
    pub applications_count: i32,
    /// Until when applications are taken.
    pub deadline: Option<DateTime<Utc>>,
    /// What applicants are asked.
    pub questions: Vec<String>,
    /// References to files.
    pub attachments: Vec<Attachment>,
    /// Where it is.
    pub state: GigState,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it was drafted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was posted.
    pub posted_at: Option<DateTime<Utc>>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl GigView {
    pub(super) fn of(gig: Gig, actors: &[Actor]) -> Result<Self, GigsError> {
        Ok(Self {
            allowed_transitions: GIG.allowed_transitions(gig.state, actors),
            budget: Budget {
                kind: gig.kind,
                amount_minor: gig.budget_min,
                max_amount_minor: (gig.budget_max != gig.budget_min).then_some(gig.budget_max),
                currency: currency(&gig.currency)?,
            },
            questions: serde_json::from_value(gig.questions)?,
            attachments: serde_json::from_value(gig.attachments)?,
            id: gig.id,
            owner_id: gig.owner_id,
            title: gig.title,
            description: gig.description,
            skills: gig.skills,
            slots: gig.slots,
            accepted: gig.accepted,
            applications_count: gig.applications_count,
            deadline: gig.deadline,
            state: gig.state,
            version: gig.version,
            created_at: gig.created_at,
            updated_at: gig.updated_at,
            posted_at: gig.posted_at,
        })
    }
}

pub(super) fn currency(code: &str) -> Result<Currency, GigsError> {
    code.parse().map_err(|error: crate::money::MoneyError| GigsError::Ledger(error.into()))
}

/// An application.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ApplicationView {
    /// Its id.
    pub id: ApplicationId,
    /// The gig.
    pub gig_id: GigId,
    /// Who applies.
    pub student_id: UserId,
    /// Why they.
    pub proposal: String,
    /// Their answers to the gig's questions.
    pub answers: Vec<String>,
    /// What the client offers, once they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// Where it is.
    pub state: ApplicationState,
    /// Grows with every change.
    pub version: i64,
    /// When it came.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The contract that `accept` made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_id: Option<ContractId>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl ApplicationView {
    pub(super) fn of(
        application: Application,
        contract_id: Option<ContractId>,
        actors: &[Actor],
    ) -> Result<Self, GigsError> {
        Ok(Self {
            allowed_transitions: APPLICATION.allowed_transitions(application.state, actors),
            answers: serde_json::from_value(application.answers)?,
            offer: application.offer.map(serde_json::from_value).transpose()?,
            id: application.id,
            gig_id: application.gig_id,
            student_id: application.student_id,
            proposal: application.proposal,
            state: application.state,
            version: application.version,
            created_at: application.created_at,
            updated_at: application.updated_at,
            contract_id,
        })
    }
}

/// A payment, as its payer sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PaymentView {
    /// Our id of it.
    pub id: PaymentId,
    /// `sandbox` or `stripe`.
    pub provider: String,
    /// The provider's id.
    pub provider_ref: Option<String>,
    /// What the browser completes it with, where the provider wants that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Where it is.
    pub state: PaymentState,
}

impl From<Payment> for PaymentView {
    fn from(payment: Payment) -> Self {
        let open = matches!(payment.state, PaymentState::Pending);
        Self {
            id: payment.id,
            provider: payment.provider,
            provider_ref: payment.provider_ref,
            client_secret: payment.client_secret.filter(|_| open),
            state: payment.state,
        }
    }
}

/// A milestone.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MilestoneView {
    /// Its id.
    pub id: MilestoneId,
    /// The contract.
    pub contract_id: ContractId,
    /// Its place in it, from 0.
    pub position: i32,
    /// What is to be delivered.
    pub title: String,
    /// What it pays.
    pub amount: Money,
    /// When it is to be delivered.
    pub due_at: Option<DateTime<Utc>>,
    /// What was last said on delivery or on what to change.
    pub note: Option<String>,
    /// Where it is.
    pub state: MilestoneState,
    /// Grows with every change.
    pub version: i64,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Its latest payment; for the client only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentView>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl MilestoneView {
    pub(super) fn of(
        milestone: Milestone,
        currency: Currency,
        payment: Option<PaymentView>,
        actors: &[Actor],
    ) -> Self {
        Self {
            allowed_transitions: MILESTONE.allowed_transitions(milestone.state, actors),
            id: milestone.id,
            contract_id: milestone.contract_id,
            position: milestone.position,
            title: milestone.title,
            amount: Money::new(milestone.amount_minor, currency),
            due_at: milestone.due_at,
            note: milestone.note,
            state: milestone.state,
            version: milestone.version,
            updated_at: milestone.updated_at,
            payment,
        }
    }
}

/// A dispute.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DisputeView {
    /// Its id.
    pub id: DisputeId,
    /// The milestone.
    pub milestone_id: MilestoneId,
    /// The contract.
    pub contract_id: ContractId,
    /// Who opened it.
    pub opened_by: UserId,
    /// What it is about.
    pub reason: String,
    /// Where it is.
    pub state: DisputeState,
    /// Ruled to the student, before the fee.
    pub release: Option<Money>,
    /// Ruled back to the client.
    pub refund: Option<Money>,
    /// The operator's words.
    pub resolution: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl DisputeView {
    pub(super) fn of(dispute: Dispute, currency: Currency) -> Self {
        let money = |amount: Option<i64>| amount.map(|amount| Money::new(amount, currency));
        Self {
            id: dispute.id,
            milestone_id: dispute.milestone_id,
            contract_id: dispute.contract_id,
            opened_by: dispute.opened_by,
            reason: dispute.reason,
            state: dispute.state,
            release: money(dispute.release_minor),
            refund: money(dispute.refund_minor),
            resolution: dispute.resolution,
            created_at: dispute.created_at,
            updated_at: dispute.updated_at,
        }
    }
}

/// A contract.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ContractView {
    /// Its id; also its chat room's.
    pub id: ContractId,
    /// The gig.
    pub gig_id: GigId,
    /// The application that became it.
    pub application_id: ApplicationId,
    /// Who pays.
    pub client_id: UserId,
    /// Who works.
    pub student_id: UserId,
    /// The gig's title when it was made.
    pub title: String,
    /// What all milestones pay together.
    pub total: Money,
    /// Where it is.
    pub state: ContractState,
    /// Grows with every change.
    pub version: i64,
    /// Where the two talk; there soon after the contract is made.
    pub room_id: ContractId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// In order.
    pub milestones: Vec<MilestoneView>,
    /// Of its milestones, oldest first.
    pub disputes: Vec<DisputeView>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl ContractView {
    pub(super) fn of(
        contract: Contract,
        milestones: Vec<MilestoneView>,
        disputes: Vec<DisputeView>,
        currency: Currency,
        actors: &[Actor],
    ) -> Self {
        // At most twenty amounts of at most eight digits.
        let total = milestones.iter().map(|milestone| milestone.amount.amount_minor).sum();
        Self {
            allowed_transitions: CONTRACT.allowed_transitions(contract.state, actors),
            id: contract.id,
            gig_id: contract.gig_id,
            application_id: contract.application_id,
            client_id: contract.client_id,
            student_id: contract.student_id,
            title: contract.title,
            total: Money::new(total, currency),
            state: contract.state,
            version: contract.version,
            room_id: contract.id,
            created_at: contract.created_at,
            updated_at: contract.updated_at,
            milestones,
            disputes,
        }
    }
}

/// One thing that happened to a contract, its milestones or its money.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StepView {
    /// `contract`, `milestone` or `dispute`.
    pub machine: String,
    /// Which one.
    pub entity_id: uuid::Uuid,
    /// The step.
    pub transition: String,
    /// From where.
    pub from: Option<String>,
    /// To where.
    pub to: String,
    /// What they were who took it: `client`, `timer`, …
    pub actor: String,
    /// Who, if it was a person.
    pub actor_id: Option<UserId>,
    /// When.
    pub at: DateTime<Utc>,
    /// What came along.
    pub data: Value,
}

/// Where a contract's money is; the parts sum to `funded`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TotalsView {
    /// Came in.
    pub funded: Money,
    /// Is held.
    pub held: Money,
    /// Went to the student.
    pub released: Money,
    /// Went to the platform.
    pub fee: Money,
    /// Went back to the client.
    pub refunded: Money,
    /// Was taken back by the client's bank.
    pub reversed: Money,
}

/// A contract's money, from the first payment on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MoneyView {
    /// The contract.
    pub contract_id: ContractId,
    /// The sums.
    pub totals: TotalsView,
    /// The ledger's lines, oldest first; those of one transaction sum to zero.
    pub entries: Vec<Entry>,
    /// What happened, oldest first.
    pub timeline: Vec<StepView>,
}

/// A review.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReviewView {
    /// Its id.
    pub id: ReviewId,
    /// The contract.
    pub contract_id: ContractId,
    /// Who wrote it.
    pub author_id: UserId,
    /// Whom it is about.
    pub subject_id: UserId,
    /// 1 to 5.
    pub rating: i32,
    /// In words.
    pub body: String,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Since when everybody may read it; until then only its author does.
    pub published_at: Option<DateTime<Utc>>,
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        Self {
            id: review.id,
            contract_id: review.contract_id,
            author_id: review.author_id,
            subject_id: review.subject_id,
            rating: review.rating,
            body: review.body,
            created_at: review.created_at,
            published_at: review.published_at,
        }
    }
}

/// An invitation to apply.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct InvitationView {
    /// Its id.
    pub id: InvitationId,
    /// To which gig.
    pub gig_id: GigId,
    /// Who invites.
    pub client_id: UserId,
    /// Who is invited.
    pub student_id: UserId,
    /// Why them.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            gig_id: invitation.gig_id,
            client_id: invitation.client_id,
            student_id: invitation.student_id,
            note: invitation.note,
            created_at: invitation.created_at,
        }
    }
}

/// A search that its owner kept.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SavedSearchView {
    /// Its id.
    pub id: SavedSearchId,
    /// What its owner calls it.
    pub name: String,
    /// Words of title or description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub q: Option<String>,
    /// Slugs that a gig must all have.
    pub skills: Vec<String>,
    /// Pays at least so much, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_min: Option<i64>,
    /// Pays at most so much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_max: Option<i64>,
    /// In this currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub currency: Option<Currency>,
    /// Paid so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<BudgetKind>,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
    /// Gigs that were found since.
    pub matches: i64,
    /// When the last one was.
    pub matched_at: Option<DateTime<Utc>>,
}

impl TryFrom<SavedSearch> for SavedSearchView {
    type Error = GigsError;

    fn try_from(search: SavedSearch) -> Result<Self, GigsError> {
        Ok(Self {
            currency: search.currency.as_deref().map(currency).transpose()?,
            id: search.id,
            name: search.name,
            q: search.words,
            skills: search.skills,
            budget_min: search.budget_min,
            budget_max: search.budget_max,
            kind: search.kind,
            created_at: search.created_at,
            matches: search.matches,
            matched_at: search.matched_at,
        })
    }
}

/// What is said about a person.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RatingView {
    /// The mean of the published ratings.
    pub average: Option<f64>,
    /// How many there are.
    pub count: i64,
}
