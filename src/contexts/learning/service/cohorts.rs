//! Cohorts: groups that begin together.

use chrono::{DateTime, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use super::{one_more, taught};
use crate::{
    contexts::learning::{
        CohortForm, CohortView, Learning, LearningError,
        forms::Check,
        model::{Cohort, CohortId, CourseId},
        store,
    },
    principal::Principal,
};

impl Learning {
    /// Opens a cohort under `id`, which may be one that was opened before.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`].
    pub async fn open_cohort(
        &self,
        who: &Principal,
        course: CourseId,
        id: Uuid,
        form: &CohortForm,
    ) -> Result<CohortView, LearningError> {
        let now = self.now();
        let mut cohort = Cohort {
            id: CohortId(id),
            course_id: course,
            title: String::new(),
            starts_at: form.starts_at,
            closes_at: None,
            places: None,
            extension: 0,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        fill(&mut cohort, form)?;
        let mut conn = self.conn().await?;
        taught(&mut conn, who, course).await?;
        if !store::cohorts::insert(&mut conn, &cohort).await? {
            let there = store::cohorts::load(&mut conn, cohort.id).await?;
            cohort = there.filter(|there| there.course_id == course).ok_or(LearningError::No("cohort"))?;
        }
        shown(&mut conn, cohort).await
    }

    /// A course's cohorts, the latest first, for whoever sees the course.
    ///
    /// # Errors
    /// [`LearningError::No`], [`LearningError::Invalid`] for a foreign cursor.
    pub async fn cohorts(
        &self,
        who: &Principal,
        course: CourseId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<CohortView>, Option<String>), LearningError> {
        let before = self.after("cohorts", cursor)?;
        let mut conn = self.conn().await?;
        let found = store::courses::load(&mut conn, course).await?;
        found.filter(|one| super::courses::visible(who, one)).ok_or(LearningError::No("course"))?;
        let found = store::cohorts::list(&mut conn, course, before, one_more(limit)).await?;
        let (found, next) = self.page("cohorts", found, limit, |one| one.id.0);
        let mut items = Vec::with_capacity(found.len());
        for cohort in found {
            items.push(shown(&mut conn, cohort).await?);
        }
        Ok((items, next))
    }

    /// Changes a cohort, if it has the version that the caller saw; `extension_hours` moves everybody's due
    /// dates in it.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`], [`LearningError::Stale`].
    pub async fn change_cohort(
        &self,
        who: &Principal,
        id: CohortId,
        form: &CohortForm,
        version: Option<i64>,
    ) -> Result<CohortView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let cohort = (*conn)
            .transaction(async |conn| {
                let mut cohort = store::cohorts::lock(conn, id).await?.ok_or(LearningError::No("cohort"))?;
                taught(conn, who, cohort.course_id).await?;
                if version.is_some_and(|version| version != cohort.version) {
                    return Err(LearningError::Stale);
                }
                fill(&mut cohort, form)?;
                store::cohorts::update(conn, &cohort, now).await?;
                (cohort.version, cohort.updated_at) = (cohort.version + 1, now);
                Ok(cohort)
            })
            .await?;
        shown(&mut conn, cohort).await
    }
}

fn fill(cohort: &mut Cohort, form: &CohortForm) -> Result<(), LearningError> {
    let mut check = Check::default();
    cohort.title = check.text("/title", &form.title, 1..=120);
    let far = |date: DateTime<Utc>| !(1970..=9999).contains(&chrono::Datelike::year(&date));
    if far(form.starts_at) {
        check.refuse("/starts_at", "must be in the years 1970 to 9999");
    }
    if form.closes_at.is_some_and(far) {
        check.refuse("/closes_at", "must be in the years 1970 to 9999");
    }
    if form.places.is_some_and(|places| !(1..=100_000).contains(&places)) {
        check.refuse("/places", "must be from 1 to 100000");
    }
    if !(0..=8_760).contains(&form.extension_hours) {
        check.refuse("/extension_hours", "must be from 0 to 8760");
    }
    check.done()?;
    (cohort.starts_at, cohort.closes_at) = (form.starts_at, form.closes_at);
    (cohort.places, cohort.extension) = (form.places, form.extension_hours);
    Ok(())
}

async fn shown(conn: &mut AsyncPgConnection, cohort: Cohort) -> Result<CohortView, LearningError> {
    let taken = store::cohorts::taken(conn, cohort.id).await?;
    Ok(CohortView::of(cohort, taken))
}

/// A cohort that takes another learner now; its row is locked until the caller's transaction ends, so
/// places are counted right.
pub(super) async fn joinable(
    conn: &mut AsyncPgConnection,
    course: CourseId,
    id: CohortId,
    now: DateTime<Utc>,
) -> Result<Cohort, LearningError> {
    let cohort = store::cohorts::lock(conn, id).await?.filter(|cohort| cohort.course_id == course);
    let cohort = cohort.ok_or_else(|| LearningError::field("/cohort_id", "is no cohort of this course"))?;
    if cohort.closes_at.is_some_and(|closes| closes <= now) {
        return Err(LearningError::Contradicts("this cohort takes nobody any more"));
    }
    if let Some(places) = cohort.places
        && store::cohorts::taken(conn, id).await? >= i64::from(places)
    {
        return Err(LearningError::Contradicts("no place is left in this cohort"));
    }
    Ok(cohort)
}
