//! What the store keeps.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::Email;
use crate::principal::{Principal, Role, SessionId, UserId};

/// A person's account. Serialised only for the store's own use: callers are shown views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The person.
    pub id: UserId,
    /// Their address, normalised.
    pub email: Email,
    /// When they proved that it is theirs.
    pub email_verified_at: Option<DateTime<Utc>>,
    /// The name others see.
    pub display_name: String,
    /// One line about them.
    pub headline: Option<String>,
    /// A few paragraphs about them.
    pub bio: Option<String>,
    /// Their IANA time zone.
    pub time_zone: Option<String>,
    /// Their roles, sorted.
    pub roles: Vec<Role>,
    /// Raised by every change that `/me` shows; the strong ETag.
    pub version: i64,
    /// When they registered.
    pub created_at: DateTime<Utc>,
    /// When their account is to be erased, if they asked for it.
    pub deletion_due_at: Option<DateTime<Utc>>,
}

impl Account {
    /// Whether the address is verified.
    pub fn email_verified(&self) -> bool {
        self.email_verified_at.is_some()
    }

    /// What others may know.
    pub fn person(&self) -> Person {
        Person {
            id: self.id,
            display_name: self.display_name.clone(),
            headline: self.headline.clone(),
            roles: self.roles.clone(),
        }
    }

    /// This person asking through one of their sessions.
    pub fn principal(&self, session_id: SessionId) -> Principal {
        Principal {
            user_id: self.id,
            session_id,
            display_name: self.display_name.clone(),
            roles: self.roles.clone(),
            email_verified: self.email_verified(),
        }
    }
}

/// What other contexts may know of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Person {
    /// The person.
    pub id: UserId,
    /// The name others see.
    #[schema(example = "Lina Okafor")]
    pub display_name: String,
    /// One line about them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headline: Option<String>,
    /// Their roles, sorted.
    pub roles: Vec<Role>,
}

/// A session's last use is noted so often at most: a write a request would be a waste.
pub const TOUCH_EVERY: Duration = Duration::seconds(60);

/// A sign-in on one device. The token that proves it is known only by its hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the client calls its device.
    pub device: Option<String>,
    /// The address it was last used from.
    pub address: Option<String>,
    /// When they signed in.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// When it ends unless it is used before.
    pub expires_at: DateTime<Utc>,
}

/// What a link in a mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OneTimePurpose {
    /// Proves that an address is the account's.
    VerifyEmail,
    /// Sets a new password.
    ResetPassword,
}

impl OneTimePurpose {
    /// The name in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
        }
    }
}
