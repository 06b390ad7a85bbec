//! Who is asking: the vocabulary that the HTTP layer, the real-time layer and the contexts share.
//!
//! Accounts and sessions themselves belong to `contexts::identity`; this is only what a request
//! carries once it is authenticated.

use std::fmt;

use serde::{Deserialize, Serialize};

crate::id_type!(
    /// A person.
    UserId
);
crate::id_type!(
    /// A sign-in of a person on one device.
    SessionId
);

/// What a person may be on the platform. One person may hold several.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Learns and applies to gigs.
    Student,
    /// Posts gigs and pays.
    Client,
    /// Offers mentorship.
    Mentor,
    /// Teaches courses.
    Instructor,
    /// Keeps rooms and content in order.
    Moderator,
    /// Watches and runs the platform.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 6] =
        [Self::Student, Self::Client, Self::Mentor, Self::Instructor, Self::Moderator, Self::Operator];

    /// The name in JSON, in the database and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Client => "client",
            Self::Mentor => "mentor",
            Self::Instructor => "instructor",
            Self::Moderator => "moderator",
            Self::Operator => "operator",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user_id: UserId,
    /// The sign-in through which they ask.
    pub session_id: SessionId,
    /// Their name as others see it.
    pub display_name: String,
    /// Their roles, sorted.
    pub roles: Vec<Role>,
    /// Whether the e-mail address is verified. Without it a person may sign in and chat, but not
    /// post a gig, pay or be paid.
    pub email_verified: bool,
}

impl Principal {
    /// Whether the account is erased, and its session looks on until everybody has forgotten the person. It may
    /// change nothing. Every other account has a role, or an address that is proven.
    pub fn is_leaving(&self) -> bool {
        self.roles.is_empty() && !self.email_verified
    }

    /// Whether the person holds `role`.
    pub fn is(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}
