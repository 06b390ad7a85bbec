//! What the person themself is shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Account, Session};
use crate::principal::{Role, SessionId, UserId};

/// An account, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserView {
    /// The person.
    pub id: UserId,
    /// Their e-mail address, normalised.
    #[schema(example = "lina@example.org")]
    pub email: String,
    /// The name others see.
    #[schema(example = "Lina Okafor")]
    pub display_name: String,
    /// Their roles.
    pub roles: Vec<Role>,
    /// Whether the address is verified.
    pub email_verified: bool,
}

impl From<&Account> for UserView {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id,
            email: account.email.to_string(),
            display_name: account.display_name.clone(),
            roles: account.roles.clone(),
            email_verified: account.email_verified(),
        }
    }
}

/// An account in full; its ETag is `version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MeView {
    /// The account, in short.
    #[serde(flatten)]
    pub user: UserView,
    /// One line about the person.
    pub headline: Option<String>,
    /// A few paragraphs about the person.
    pub bio: Option<String>,
    /// Their IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// The row's version.
    pub version: i64,
    /// When they registered.
    pub created_at: DateTime<Utc>,
    /// When the account will be erased, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_due_at: Option<DateTime<Utc>>,
}

impl From<&Account> for MeView {
    fn from(account: &Account) -> Self {
        Self {
            user: account.into(),
            headline: account.headline.clone(),
            bio: account.bio.clone(),
            time_zone: account.time_zone.clone(),
            version: account.version,
            created_at: account.created_at,
            deletion_due_at: account.deletion_due_at,
        }
    }
}

/// A sign-in in the list of one's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionView {
    /// The session.
    pub id: SessionId,
    /// Whether it is the one that asks.
    pub current: bool,
    /// What the client calls its device.
    pub device: Option<String>,
    /// The address it was last used from.
    #[schema(example = "203.0.113.7")]
    pub address: Option<String>,
    /// When the sign-in happened.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless it is used before.
    pub expires_at: DateTime<Utc>,
}

impl SessionView {
    /// `session` as seen by the session `asking`.
    pub fn new(session: Session, asking: SessionId) -> Self {
        Self {
            id: session.id,
            current: session.id == asking,
            device: session.device,
            address: session.address,
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}

/// A deletion that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeletionView {
    /// When the account will be erased; until then `DELETE /api/v1/me/deletion` takes it back.
    pub due_at: DateTime<Utc>,
}
