//! Accounts, sessions and what may be typed into them. No I/O.

mod account;
mod email;
mod fields;
mod forms;
mod password;
mod views;

pub use account::{Account, OneTimePurpose, Person, Session, TOUCH_EVERY};
pub use email::Email;
pub use fields::device;
pub use forms::{Patch, ProfileChange, ProfilePatch, RegisterForm};
pub use password::Password;
pub use views::{DeletionView, MeView, SessionView, UserView};
