//! One function a use case.

mod mailings;
mod preferences;
mod pushing;
mod reading;
mod telling;
mod unsubscribing;
mod upkeep;
