//! What a board can be told and asked.

use chrono::{DateTime, Utc};

use crate::{
    actors::Request,
    contexts::gamification::{
        model::{Span, Window},
        ranking::Placed,
    },
    principal::UserId,
};

/// What is asked of a board.
#[derive(Clone, Debug)]
pub enum Question {
    /// The first so many.
    Top(usize),
    /// Somebody, with so many on either side.
    Around(UserId, usize),
    /// These people, where they are on it.
    Among(Vec<UserId>),
}

/// A question about one window.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Which window.
    pub window: Window,
    /// What.
    pub question: Question,
}

/// A part of a board.
#[derive(Clone, Debug)]
pub struct Part {
    /// In the board's order.
    pub rows: Vec<Row>,
    /// How many are on the board.
    pub total: usize,
    /// The place and score of the one who was asked about.
    pub own: Option<Placed>,
    /// What stretch of time it is.
    pub span: Span,
    /// When the ledger was last read.
    pub as_of: DateTime<Utc>,
    /// Grows with every change of the board, also over restarts.
    pub version: i64,
    /// The board is being made anew, and this is what it was before.
    pub stale: bool,
}

/// A row of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Place and standing.
    pub placed: Placed,
    /// The person does not want to be named.
    pub anonymous: bool,
}

impl Request for Ask {
    type Answer = Part;
}

/// Reads the ledger now instead of at the next look, and answers when it has.
#[derive(Clone, Copy, Debug)]
pub struct Refresh;

impl Request for Refresh {
    type Answer = ();
}

/// Somebody looks at the board, and is told of their own place when it changes.
#[derive(Clone, Copy, Debug)]
pub struct Watch(pub UserId);

impl Request for Watch {
    type Answer = ();
}

/// A poison message.
#[cfg(test)]
pub struct Poison;

#[cfg(test)]
impl Request for Poison {
    type Answer = ();
}
