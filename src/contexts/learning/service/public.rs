//! What other contexts may read of learning: published courses, and which ones somebody takes.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    contexts::learning::{
        Learning, LearningError,
        model::{CourseId, content::Content},
        store,
    },
    money::{Currency, Money},
    principal::UserId,
};

/// A course that everybody may see.
#[derive(Clone, Debug)]
pub struct PublicCourse {
    /// Its id.
    pub id: CourseId,
    /// Its instructor.
    pub owner_id: UserId,
    /// What people read first.
    pub title: String,
    /// More.
    pub summary: String,
    /// Titles of modules and items.
    pub outline: Vec<String>,
    /// What a place costs; nothing without it.
    pub price: Option<Money>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Learning {
    /// Those of `ids` that are published, in no order.
    ///
    /// # Errors
    /// [`LearningError::Db`].
    pub async fn published(&self, ids: &[CourseId]) -> Result<Vec<PublicCourse>, LearningError> {
        let found = store::public::published(&mut *self.conn().await?, ids).await?;
        let course = |(course, content): (crate::contexts::learning::model::Course, serde_json::Value)| {
            let content: Content = serde_json::from_value(content)?;
            let titles = content.modules.into_iter().flat_map(|module| {
                let items = module.items.into_iter().map(|item| item.title);
                std::iter::once(module.title).chain(items)
            });
            let currency = course.currency.as_deref().and_then(|code| code.parse::<Currency>().ok());
            Ok(PublicCourse {
                id: course.id,
                owner_id: course.owner_id,
                title: course.title,
                summary: course.summary,
                outline: titles.collect(),
                price: course
                    .price_minor
                    .zip(currency)
                    .map(|(amount_minor, currency)| Money { amount_minor, currency }),
                updated_at: course.updated_at,
            })
        };
        found.into_iter().map(course).collect()
    }

    /// The ids of published courses, ascending, after one.
    ///
    /// # Errors
    /// [`LearningError::Db`].
    pub async fn published_ids(&self, after: Option<Uuid>, limit: i64) -> Result<Vec<Uuid>, LearningError> {
        Ok(store::public::published_ids(&mut *self.conn().await?, after, limit).await?)
    }

    /// Courses that somebody is or was in, the latest 1,000.
    ///
    /// # Errors
    /// [`LearningError::Db`].
    pub async fn taken_by(&self, student: UserId) -> Result<Vec<CourseId>, LearningError> {
        let found =
            store::enrolments::list(&mut *self.conn().await?, None, Some(student), None, 1_000).await?;
        Ok(found.into_iter().map(|one| one.course_id).collect())
    }
}
