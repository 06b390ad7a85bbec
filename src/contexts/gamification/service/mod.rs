//! Gamification's use cases: one method each.

mod award;
mod badges;
mod boards;
mod leagues;
mod me;
mod rebuild;
mod remake;
mod settings;
mod tasks;

pub use award::Awarded;
pub use boards::{BoardForm, PartForm};
pub use rebuild::Rebuilt;
pub use remake::{Copied, RebuiltBoard, RebuiltBoards};
pub use settings::SettingsPatch;

/// One row more than a page holds tells whether there is another page.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
