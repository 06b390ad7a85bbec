//! What many people read at once goes through the cache: a gig's page, and the first pages of the board.
//!
//! Kept is the row, under a key that says nothing of who asks; what the reader may see of it and do with
//! it is decided after it was read. Drafts and removed gigs are not kept. Whoever changes a gig has it
//! forgotten before they are answered; whatever else changes one, before its news go out.

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use super::{
    Gigs, GigsError,
    model::{Gig, GigId, GigState},
    store::{self, gigs::GigFilter},
};
use crate::ports::cache::{Cache, Life, Loaded, Plan};

const LIFE: Life =
    Life { fresh: std::time::Duration::from_secs(10), stale: std::time::Duration::from_secs(20) };
/// The tag of every list.
const BOARD: &str = "gigs";

/// The cache, once there is one. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Pages(Arc<OnceLock<Cache>>);

impl Pages {
    pub(super) fn set(&self, cache: Cache) {
        let _ = self.0.set(cache);
    }

    /// This gig has changed.
    pub(super) async fn forget(&self, gig: GigId) {
        if let Some(cache) = self.0.get() {
            cache.forget(&[tag(gig), BOARD.to_owned()]).await;
        }
    }
}

fn tag(gig: GigId) -> String {
    format!("gig-{gig}")
}

impl Gigs {
    /// Reads of pages go through that cache; a second call changes nothing.
    pub fn cache_pages(&self, cache: Cache) {
        self.inner.pages.set(cache);
    }

    /// The row behind a gig's page.
    pub(super) async fn row_of_page(&self, id: GigId) -> Result<Option<Gig>, GigsError> {
        let Some(cache) = self.inner.pages.0.get() else {
            return Ok(store::gigs::load(&mut *self.conn().await?, id).await?);
        };
        let plan = Plan { sort: "gig", key: id.to_string(), tags: vec![tag(id)], life: LIFE };
        let this = self.clone();
        let load = move || async move {
            let value = store::gigs::load(&mut *this.conn().await?, id).await?;
            let shown = |gig: &Gig| !matches!(gig.state, GigState::Draft | GigState::Removed);
            let keep = value.as_ref().is_some_and(shown);
            Ok::<_, GigsError>(Loaded { value, keep })
        };
        cache.read(plan, load).await
    }

    /// The rows behind a page of the board.
    pub(super) async fn rows_of_list(&self, filter: GigFilter, limit: i64) -> Result<Vec<Gig>, GigsError> {
        let cache = self.inner.pages.0.get().filter(|_| many_ask_for(&filter));
        let Some(cache) = cache else {
            return Ok(store::gigs::list(&mut *self.conn().await?, &filter, limit).await?);
        };
        let asked = format!("{:?} {:?} {:?} {limit}", filter.skills, filter.currency, filter.kind);
        let key = Sha256::digest(asked.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let plan = Plan { sort: "gigs", key, tags: vec![BOARD.to_owned()], life: LIFE };
        let this = self.clone();
        let load = move || async move {
            let value = store::gigs::list(&mut *this.conn().await?, &filter, limit).await?;
            Ok::<_, GigsError>(Loaded { value, keep: true })
        };
        cache.read(plan, load).await
    }
}

/// The first page of open gigs, perhaps of a skill or two: what everybody sees alike. Words and sums are
/// one person's own search.
fn many_ask_for(filter: &GigFilter) -> bool {
    filter.states == [GigState::Open]
        && filter.before.is_none()
        && filter.owner.is_none()
        && filter.q.is_none()
        && filter.budget_min.is_none()
        && filter.budget_max.is_none()
        && filter.skills.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::UserId;

    #[test]
    fn only_what_everybody_sees_alike_is_shared() {
        let open = GigFilter { states: vec![GigState::Open], ..GigFilter::default() };
        assert!(many_ask_for(&open));
        assert!(many_ask_for(&GigFilter { skills: vec!["rust".into()], ..open.clone() }));
        for own in [
            GigFilter { owner: Some(UserId::new()), ..open.clone() },
            GigFilter { states: vec![GigState::Draft], ..open.clone() },
            GigFilter { states: GigState::ALL.to_vec(), ..open.clone() },
            GigFilter { q: Some("x".into()), ..open.clone() },
            GigFilter { before: Some(GigId::new()), ..open.clone() },
        ] {
            assert!(!many_ask_for(&own), "{own:?}");
        }
    }
}
