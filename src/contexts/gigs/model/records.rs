//! The things themselves, as they are stored.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid},
};
use serde_json::Value;

use super::{
    ApplicationId, ApplicationState, BudgetKind, ContractId, ContractState, DisputeId, DisputeState, GigId,
    GigState, InvitationId, MilestoneId, MilestoneState, PaymentId, PaymentState, ReviewId, SavedSearchId,
};
use crate::{contexts::gigs::store::schema, machine::Actor, principal::UserId};

/// A skill of the taxonomy.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, serde::Serialize, utoipa::ToSchema)]
#[diesel(table_name = schema::skills, check_for_backend(diesel::pg::Pg))]
pub struct Skill {
    /// What gigs and filters name it by.
    #[schema(example = "technical-writing")]
    pub slug: String,
    /// What people read.
    #[schema(example = "Technical writing")]
    pub name: String,
    /// What it belongs to.
    #[schema(example = "Writing")]
    pub category: String,
}

/// A gig. Serialised only for the cache: callers are shown views.
#[derive(Clone, Debug, PartialEq, QueryableByName, serde::Serialize, serde::Deserialize)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Gig {
    #[diesel(sql_type = Uuid)]
    pub id: GigId,
    #[diesel(sql_type = Uuid)]
    pub owner_id: UserId,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub description: String,
    #[diesel(sql_type = Text)]
    pub kind: BudgetKind,
    /// In minor units; of an hourly gig, for one hour.
    #[diesel(sql_type = BigInt)]
    pub budget_min: i64,
    #[diesel(sql_type = BigInt)]
    pub budget_max: i64,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Integer)]
    pub slots: i32,
    #[diesel(sql_type = Integer)]
    pub accepted: i32,
    /// Applications that were not taken back.
    #[diesel(sql_type = Integer)]
    pub applications_count: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deadline: Option<DateTime<Utc>>,
    #[diesel(sql_type = Array<Text>)]
    pub skills: Vec<String>,
    #[diesel(sql_type = Jsonb)]
    pub questions: Value,
    #[diesel(sql_type = Jsonb)]
    pub attachments: Value,
    #[diesel(sql_type = Text)]
    pub state: GigState,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub posted_at: Option<DateTime<Utc>>,
}

/// An application.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::applications, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Application {
    pub id: ApplicationId,
    pub gig_id: GigId,
    pub student_id: UserId,
    pub proposal: String,
    pub answers: Value,
    pub offer: Option<Value>,
    pub state: ApplicationState,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A contract between a client and a student.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::contracts, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Contract {
    pub id: ContractId,
    pub gig_id: GigId,
    pub application_id: ApplicationId,
    pub client_id: UserId,
    pub student_id: UserId,
    pub title: String,
    pub currency: String,
    pub state: ContractState,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl Contract {
    /// What a person is in the contract.
    pub fn side(&self, who: UserId) -> Option<Actor> {
        if who == self.client_id {
            Some(Actor::Client)
        } else if who == self.student_id {
            Some(Actor::Student)
        } else {
            None
        }
    }
}

/// A milestone of a contract.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::milestones, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Milestone {
    pub id: MilestoneId,
    pub contract_id: ContractId,
    pub position: i32,
    pub title: String,
    pub amount_minor: i64,
    pub due_at: Option<DateTime<Utc>>,
    pub note: Option<String>,
    pub state: MilestoneState,
    pub version: i64,
    pub updated_at: DateTime<Utc>,
}

/// A payment with a provider.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::payments, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Payment {
    pub id: PaymentId,
    pub milestone_id: MilestoneId,
    pub provider: String,
    pub provider_ref: Option<String>,
    pub client_secret: Option<String>,
    pub amount_minor: i64,
    pub currency: String,
    pub state: PaymentState,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A dispute about a milestone.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::disputes, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Dispute {
    pub id: DisputeId,
    pub milestone_id: MilestoneId,
    pub contract_id: ContractId,
    pub opened_by: UserId,
    pub reason: String,
    pub state: DisputeState,
    pub release_minor: Option<i64>,
    pub refund_minor: Option<i64>,
    pub resolved_by: Option<UserId>,
    pub resolution: Option<String>,
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A review of one side by the other.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::reviews, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Review {
    pub id: ReviewId,
    pub contract_id: ContractId,
    pub author_id: UserId,
    pub subject_id: UserId,
    pub rating: i32,
    pub body: String,
    pub created_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
}

/// A client's word to a student: apply to this one.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = schema::invitations, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Invitation {
    pub id: InvitationId,
    pub gig_id: GigId,
    pub client_id: UserId,
    pub student_id: UserId,
    pub note: String,
    pub created_at: DateTime<Utc>,
}

/// What a person wants to hear of.
#[derive(Clone, Debug, PartialEq, Queryable, QueryableByName, Selectable, Insertable)]
#[diesel(table_name = schema::saved_searches, check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct SavedSearch {
    pub id: SavedSearchId,
    pub user_id: UserId,
    pub name: String,
    /// Of title or description.
    pub words: Option<String>,
    /// Slugs that a gig must all have.
    pub skills: Vec<String>,
    /// In minor units.
    pub budget_min: Option<i64>,
    pub budget_max: Option<i64>,
    pub currency: Option<String>,
    pub kind: Option<BudgetKind>,
    pub created_at: DateTime<Utc>,
    /// Gigs found since.
    pub matches: i64,
    pub matched_at: Option<DateTime<Utc>>,
}
