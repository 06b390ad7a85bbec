//! The use cases, one function each.

mod deletion;
mod demo;
mod directory;
mod links;
mod password;
mod profile;
mod realtime;
mod registration;
mod roles;
mod sessions;
mod sign_in;
mod upkeep;

pub use demo::{DEMO_ACCOUNTS, DEMO_PASSWORD, DemoAccount, DemoPeople};
pub use directory::{Directory, Reach};
pub use password::{ChangePasswordForm, DeletionForm, ResetForm, ResetRequestForm};
pub use realtime::{RealtimeGrant, RealtimeToken};
pub use registration::LinkForm;
pub use sign_in::{Opened, SignInForm};
