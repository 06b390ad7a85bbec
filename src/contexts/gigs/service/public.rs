//! What other contexts may read of the marketplace: open gigs, who applied, what people are rated.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        model::{Gig, GigId},
        store,
        views::GigView,
    },
    principal::UserId,
};

impl Gigs {
    /// Those of `ids` that are open, in no order.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn open_gigs(&self, ids: &[GigId]) -> Result<Vec<GigView>, GigsError> {
        let found: Vec<Gig> = store::public::open(&mut *self.conn().await?, ids).await?;
        found.into_iter().map(|gig| GigView::of(gig, &[])).collect()
    }

    /// The ids of open gigs, ascending, after one.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn open_gig_ids(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>, GigsError> {
        Ok(store::public::open_ids(&mut *self.conn().await?, after, limit).await?)
    }

    /// Gigs that somebody has applied to, the latest 1,000; also what came of it.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn applied_to(&self, student: UserId) -> Result<Vec<GigId>, GigsError> {
        let found =
            store::applications::list(&mut *self.conn().await?, None, Some(student), None, 1_000).await?;
        Ok(found.into_iter().map(|one| one.gig_id).collect())
    }

    /// People who have applied to a gig, the latest 1,000.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn applicants(&self, gig: GigId) -> Result<Vec<UserId>, GigsError> {
        let found = store::applications::list(&mut *self.conn().await?, Some(gig), None, None, 1_000).await?;
        Ok(found.into_iter().map(|one| one.student_id).collect())
    }

    /// The mean of people's published ratings, in thousandths of a star; who has none is left out.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn ratings(&self, people: &[UserId]) -> Result<HashMap<UserId, i64>, GigsError> {
        Ok(store::public::ratings(&mut *self.conn().await?, people).await?)
    }
}
