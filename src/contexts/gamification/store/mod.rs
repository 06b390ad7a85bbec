//! Gamification's rows: functions over a connection, so that a fact, its points, badges and events commit
//! with the inbox row of their cause.

pub(super) mod badges;
pub(super) mod boards;
pub(super) mod facts;
pub(super) mod leagues;
pub(super) mod ledger;
pub(super) mod members;
pub(super) mod tasks;
