//! The seam for a copy of the boards that several nodes share (sorted sets in Redis, say). The ledger is
//! the truth and each node's own memory answers; a copy serves others, and may be behind or away.

use super::{
    model::{BoardId, Window},
    ranking::Standing,
};

/// A copy of the boards. Calls must not block: they come from an actor.
pub trait BoardCopy: Send + Sync + 'static {
    /// These are now so: the new standing, or `Err` with the person who is not on the board any more.
    fn changed(
        &self,
        board: &BoardId,
        window: Window,
        standings: &[Result<Standing, crate::principal::UserId>],
    );

    /// The board was made anew (a start, a crash, the turn of its window): forget what there was.
    /// `all` gives everybody, best first, if asked.
    fn replaced(&self, board: &BoardId, window: Window, all: &mut dyn Iterator<Item = Standing>);
}

/// No copy.
pub struct NoCopy;

impl BoardCopy for NoCopy {
    fn changed(&self, _: &BoardId, _: Window, _: &[Result<Standing, crate::principal::UserId>]) {}
    fn replaced(&self, _: &BoardId, _: Window, _: &mut dyn Iterator<Item = Standing>) {}
}
