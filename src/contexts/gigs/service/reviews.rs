//! Reviews: blind until both sides have written theirs, or time is over.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::one_more;
use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        forms::{Check, ReviewForm},
        model::{ContractId, ContractState, Review, ReviewId},
        store::{self, TIMERS, moves},
        views::{RatingView, ReviewView},
    },
    principal::{Principal, UserId},
};

/// How long a review stays blind when the other side writes none.
const BLIND: chrono::Duration = chrono::Duration::days(14);

impl Gigs {
    /// Reviews the other side of a contract that has ended; once.
    ///
    /// # Errors
    /// [`GigsError::ReviewedAlready`]; [`GigsError::Contradicts`] while the contract runs, and once
    /// the other side's review can be read.
    pub async fn review(
        &self,
        who: &Principal,
        id: ContractId,
        form: &ReviewForm,
    ) -> Result<ReviewView, GigsError> {
        let mut check = Check::default();
        if !(1..=5).contains(&form.rating) {
            check.refuse("/rating", "must be from 1 to 5");
        }
        let body = check.text("/body", &form.body, 0..=2_000);
        check.done()?;
        let body = &body;
        let mut conn = self.conn().await?;
        let now = self.now();
        let review = (*conn)
            .transaction(async |conn| {
                let none = || GigsError::No("contract");
                let contract = store::contracts::lock(conn, id).await?.ok_or_else(none)?;
                contract.side(who.user_id).ok_or_else(none)?;
                if !matches!(contract.state, ContractState::Completed | ContractState::Ended) {
                    return Err(GigsError::Contradicts("a contract is reviewed when it has ended"));
                }
                let there = store::reviews::of_contract(conn, id).await?;
                if there.iter().any(|review| review.author_id == who.user_id) {
                    return Err(GigsError::ReviewedAlready);
                }
                if there.iter().any(|review| review.published_at.is_some()) {
                    return Err(GigsError::Contradicts("the other side's review has been read: too late"));
                }
                let subject =
                    if who.user_id == contract.client_id { contract.student_id } else { contract.client_id };
                let mut review = Review {
                    id: ReviewId::new(),
                    contract_id: id,
                    author_id: who.user_id,
                    subject_id: subject,
                    rating: form.rating,
                    body: body.clone(),
                    created_at: now,
                    published_at: None,
                };
                store::reviews::insert(conn, &review).await?;
                if there.is_empty() {
                    TIMERS.set_job(conn, "publish_reviews", id.0, 0, now + BLIND).await?;
                } else {
                    TIMERS.drop_job(conn, "publish_reviews", id.0).await?;
                    publish(conn, id, now).await?;
                    review.published_at = Some(now);
                }
                Ok(review)
            })
            .await?;
        Ok(review.into())
    }

    /// A contract's reviews: one's own, and those that are published.
    ///
    /// # Errors
    /// [`GigsError::No`].
    pub async fn contract_reviews(
        &self,
        who: &Principal,
        id: ContractId,
    ) -> Result<Vec<ReviewView>, GigsError> {
        let mut conn = self.conn().await?;
        super::contracts::readable(&mut conn, who, id).await?;
        let all = store::reviews::of_contract(&mut conn, id).await?;
        let open = |review: &Review| review.published_at.is_some() || review.author_id == who.user_id;
        Ok(all.into_iter().filter(open).map(Into::into).collect())
    }

    /// What was published about a person, newest first, and their rating.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] for a foreign cursor.
    pub async fn reviews_about(
        &self,
        person: UserId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<ReviewView>, Option<String>, RatingView), GigsError> {
        let list = format!("reviews.{person}");
        let before = self.after(&list, cursor)?.map(ReviewId);
        let mut conn = self.conn().await?;
        let found = store::reviews::about(&mut conn, person, before, one_more(limit)).await?;
        let (average, count) = store::reviews::rating(&mut conn, person).await?;
        let (found, next) = self.page(&list, found, limit, |review| review.id.0);
        Ok((found.into_iter().map(Into::into).collect(), next, RatingView { average, count }))
    }
}

/// Shows a contract's reviews to everybody. The caller holds the contract's lock.
pub(super) async fn publish(
    conn: &mut AsyncPgConnection,
    id: ContractId,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), GigsError> {
    for review in store::reviews::publish(conn, id, now).await? {
        let data = json!({
            "review_id": review.id, "contract_id": id, "author_id": review.author_id,
            "subject_id": review.subject_id, "rating": review.rating,
        });
        moves::note(conn, "review.published", review.id.0, 1, data).await?;
    }
    Ok(())
}
