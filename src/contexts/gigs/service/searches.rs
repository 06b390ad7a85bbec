//! Saved searches: what a person wants to hear of, and telling them.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        forms::{Check, SavedSearchForm},
        model::{Gig, SavedSearch, SavedSearchId},
        store::{self, moves},
        views::SavedSearchView,
    },
    principal::Principal,
};

/// Searches that one person may keep.
const MOST: usize = 20;

impl Gigs {
    /// Keeps a search: from now on each gig that is posted and meets it is told of. `id` makes a
    /// repetition harmless.
    ///
    /// # Errors
    /// [`GigsError::Invalid`], [`GigsError::Contradicts`] past 20 of them.
    pub async fn save_search(
        &self,
        who: &Principal,
        id: SavedSearchId,
        form: &SavedSearchForm,
    ) -> Result<SavedSearchView, GigsError> {
        let mut check = Check::default();
        let name = check.text("/name", &form.name, 1..=80);
        let words = form.q.as_deref().map(|q| check.text("/q", q, 1..=200));
        for (pointer, amount) in [("/budget_min", form.budget_min), ("/budget_max", form.budget_max)] {
            if amount.is_some_and(|amount| amount < 0) {
                check.refuse(pointer, "must not be negative");
            }
        }
        if form.budget_min.zip(form.budget_max).is_some_and(|(least, most)| least > most) {
            check.refuse("/budget_max", "must not be below budget_min");
        }
        let mut conn = self.conn().await?;
        let known = store::gigs::skills(&mut conn).await?;
        let skills = super::gigs::skills(&known, &form.skills, &mut check);
        check.done()?;
        let search = SavedSearch {
            id,
            user_id: who.user_id,
            name,
            words,
            skills,
            budget_min: form.budget_min,
            budget_max: form.budget_max,
            currency: form.currency.map(|currency| currency.code().to_owned()),
            kind: form.kind,
            created_at: self.now(),
            matches: 0,
            matched_at: None,
        };
        let there = store::searches::of_user(&mut conn, who.user_id).await?;
        if let Some(same) = there.iter().find(|one| one.id == id) {
            return same.clone().try_into();
        }
        if there.len() >= MOST {
            return Err(GigsError::Contradicts("you keep 20 searches already: forget one first"));
        }
        store::searches::insert(&mut conn, &search).await?;
        search.try_into()
    }

    /// One's own searches, newest first: 20 at most.
    ///
    /// # Errors
    /// [`GigsError::Db`].
    pub async fn saved_searches(&self, who: &Principal) -> Result<Vec<SavedSearchView>, GigsError> {
        let found = store::searches::of_user(&mut *self.conn().await?, who.user_id).await?;
        found.into_iter().map(TryInto::try_into).collect()
    }

    /// A search of one's own.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn saved_search(
        &self,
        who: &Principal,
        id: SavedSearchId,
    ) -> Result<SavedSearchView, GigsError> {
        let found = store::searches::of_user(&mut *self.conn().await?, who.user_id).await?;
        let found = found.into_iter().find(|search| search.id == id);
        found.ok_or(GigsError::No("saved search"))?.try_into()
    }

    /// Forgets a search of one's own.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn forget_search(&self, who: &Principal, id: SavedSearchId) -> Result<(), GigsError> {
        match store::searches::delete(&mut *self.conn().await?, who.user_id, id).await? {
            true => Ok(()),
            false => Err(GigsError::No("saved search")),
        }
    }
}

/// Tells everybody who has a search that a gig meets, as an event each. In the caller's transaction.
pub(in crate::contexts::gigs) async fn tell_searchers(
    conn: &mut AsyncPgConnection,
    gig: &Gig,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<SavedSearch>, GigsError> {
    let met = store::searches::matched(conn, gig.id, now).await?;
    for search in &met {
        let data = json!({
            "saved_search_id": search.id, "user_id": search.user_id, "name": search.name,
            "gig_id": gig.id, "gig_title": gig.title, "owner_id": gig.owner_id,
        });
        moves::note(conn, "saved_search.matched", search.id.0, search.matches, data).await?;
    }
    Ok(met)
}
