//! Discovery's use cases: one method each.

mod affinity;
mod feedback;
mod filling;
mod indexing;
mod matching;
mod models;
mod recommend;
mod retrieval;
mod search;
mod suggest;
mod turns;

use std::sync::Arc;

use tokio::sync::OnceCell;

pub use filling::{Drift, Filled};
pub use indexing::{document_of, words_of};
pub use recommend::{Gap, Goal};
pub(super) use turns::Turns;

use super::{Discovery, DiscoveryError, model::skills::Taxonomy};

/// The taxonomy, once it was read: it changes with the program only.
pub(super) type Known = OnceCell<Arc<Taxonomy>>;

/// A text without what indexes change in it: control characters and stretches of blanks are one space.
fn flat(text: &str) -> String {
    let blank = |c: char| c.is_whitespace() || c.is_control();
    text.split(blank).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

impl Discovery {
    async fn taxonomy(&self) -> Result<Arc<Taxonomy>, DiscoveryError> {
        let load = || async { Ok::<_, DiscoveryError>(Arc::new(self.truth().taxonomy().await?)) };
        self.inner.taxonomy.get_or_try_init(load).await.cloned()
    }
}
