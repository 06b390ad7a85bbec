//! Enrolling, progress and completion.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use super::{
    actors,
    cohorts::joinable,
    content_of, kind_of, one_more,
    places::{admit, refund_place},
    taught,
};
use crate::{
    contexts::learning::{
        AccessForm, EnrolForm, EnrolmentView, Learning, LearningError, PlacePaymentView, ProgressForm,
        ProgressView,
        model::{
            CourseId, CourseState, ENROLMENT, Enrolment, EnrolmentId, EnrolmentState, ItemId, Progress,
            content::{Body, Content},
        },
        store::{
            self,
            moves::{self, At, By},
        },
    },
    machine::Actor,
    principal::Principal,
};

impl Learning {
    /// Takes a place in the latest version, under `id`. A free one is had at once; one that costs
    /// something waits for its payment.
    ///
    /// # Errors
    /// [`LearningError::EnrolledAlready`], [`LearningError::Invalid`], [`LearningError::NotVerified`], [`LearningError::Prerequisites`], [`LearningError::NotNow`].
    pub async fn enrol(
        &self,
        who: &Principal,
        course: CourseId,
        id: Uuid,
        form: &EnrolForm,
    ) -> Result<EnrolmentView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let (enrolment, payment) = (*conn)
            .transaction(async |conn| {
                let course = store::courses::load(conn, course).await?.filter(|course| course.published > 0);
                let course = course.ok_or(LearningError::No("course"))?;
                if course.state != CourseState::Published {
                    let allowed = Vec::new();
                    return Err(LearningError::NotNow {
                        machine: "course",
                        state: course.state.as_str(),
                        allowed,
                    });
                }
                if course.owner_id == who.user_id {
                    return Err(LearningError::Contradicts("this is your own course"));
                }
                if let Some(there) = store::enrolments::live(conn, course.id, who.user_id).await? {
                    // The same request again.
                    return if there.id.0 == id {
                        Ok((there, None))
                    } else {
                        Err(LearningError::EnrolledAlready)
                    };
                }
                let wanting = store::courses::not_completed(conn, who.user_id, &course.prerequisites).await?;
                if !wanting.is_empty() {
                    return Err(LearningError::Prerequisites(wanting));
                }
                if course.price_minor.is_some() && !who.email_verified {
                    return Err(LearningError::NotVerified("then you can pay"));
                }
                let cohort = match form.cohort_id {
                    Some(cohort) => Some(joinable(conn, course.id, cohort, now).await?),
                    None => None,
                };
                let mut new = Enrolment {
                    id: EnrolmentId(id),
                    course_id: course.id,
                    number: course.published,
                    student_id: who.user_id,
                    extra_time: 0,
                    extension: 0,
                    state: EnrolmentState::Pending,
                    version: 1,
                    created_at: now,
                    updated_at: now,
                    completed_at: None,
                    cohort_id: form.cohort_id,
                    cohort_starts_at: cohort.as_ref().map(|cohort| cohort.starts_at),
                    cohort_extension: cohort.as_ref().map_or(0, |cohort| cohort.extension),
                    price_minor: course.price_minor,
                    currency: course.currency.clone(),
                    payee_id: course.price_minor.map(|_| course.owner_id),
                    refund_until: None,
                };
                match store::enrolments::insert(conn, &new).await {
                    Err(error) if error.is_unique("enrolments_once") => Err(LearningError::EnrolledAlready),
                    Err(error) => Err(error.into()),
                    Ok(()) => {
                        let by = (Actor::Student, who.user_id);
                        let data = told(&new, &course.title);
                        moves::born(conn, &ENROLMENT, new.id.0, None, by, now, data).await?;
                        let payment = self.new_payment(conn, &new, now).await?;
                        if payment.is_none() {
                            admit(conn, &mut new, By::SYSTEM, now).await?;
                        }
                        Ok((new, payment))
                    }
                }
            })
            .await?;
        if payment.is_some() {
            drop(conn);
            self.ask_now(payment).await;
            return self.enrolment(who, enrolment.id).await;
        }
        self.shown(&mut conn, who, &enrolment, true).await
    }

    /// An enrolment with its progress, for the learner and the instructor.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn enrolment(&self, who: &Principal, id: EnrolmentId) -> Result<EnrolmentView, LearningError> {
        let mut conn = self.conn().await?;
        let enrolment = seen(&mut conn, who, id).await?;
        self.shown(&mut conn, who, &enrolment, true).await
    }

    /// One's own enrolments, or (its instructor) those of a course; the newest first.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`] for a foreign cursor.
    pub async fn enrolments(
        &self,
        who: &Principal,
        course: Option<CourseId>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<EnrolmentView>, Option<String>), LearningError> {
        let before = self.after("enrolments", cursor)?;
        let mut conn = self.conn().await?;
        let student = match course {
            Some(course) => {
                taught(&mut conn, who, course).await?;
                None
            }
            None => Some(who.user_id),
        };
        let found = store::enrolments::list(&mut conn, course, student, before, one_more(limit)).await?;
        let (found, next) = self.page("enrolments", found, limit, |one| one.id.0);
        let mut items = Vec::with_capacity(found.len());
        for enrolment in &found {
            items.push(self.shown(&mut conn, who, enrolment, false).await?);
        }
        Ok((items, next))
    }

    /// Withdraws (a paid place gives its money back for a while), pays again (`pay`), or moves to the latest version (`move`): what was reached of items that are still there
    /// stays reached.
    ///
    /// # Errors
    /// [`LearningError::NotNow`], [`LearningError::NoTransition`]; [`LearningError::Contradicts`] for a `move`
    /// while an attempt is open.
    pub async fn move_enrolment(
        &self,
        who: &Principal,
        id: EnrolmentId,
        step: &str,
    ) -> Result<EnrolmentView, LearningError> {
        if step == "pay" {
            return self.pay(who, id).await;
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let enrolment = (*conn)
            .transaction(async |conn| {
                let mut enrolment = store::enrolments::lock(conn, id)
                    .await?
                    .filter(|one| one.student_id == who.user_id)
                    .ok_or(LearningError::No("enrolment"))?;
                let course = store::courses::load(conn, enrolment.course_id).await?;
                let course = course.ok_or(LearningError::No("course"))?;
                if step == "move" {
                    if enrolment.state != EnrolmentState::Active {
                        let allowed = ENROLMENT.allowed_transitions(enrolment.state, &[Actor::Student]);
                        let state = enrolment.state.as_str();
                        return Err(LearningError::NotNow { machine: "enrolment", state, allowed });
                    }
                    if enrolment.number < course.published {
                        // The next version may not have its quiz: nobody could go on with it, or mark it.
                        if store::attempts::any_open(conn, id).await? {
                            return Err(LearningError::Contradicts("hand in the attempt that is open first"));
                        }
                        store::enrolments::move_to(conn, id, course.published, now).await?;
                        enrolment.number = course.published;
                        enrolment.version += 1;
                        let content = content_of(conn, &enrolment).await?;
                        settle(conn, &mut enrolment, &content, now).await?;
                    }
                    return Ok(enrolment);
                }
                let by = By { actors: &[Actor::Student], user: Some(who.user_id) };
                let data = told(&enrolment, &course.title);
                let moved =
                    moves::advance(conn, &ENROLMENT, At::from(&enrolment), step, by, now, data).await?;
                (enrolment.state, enrolment.version) = (moved.state, moved.version);
                refund_place(conn, &enrolment, now).await?;
                Ok::<_, LearningError>(enrolment)
            })
            .await?;
        self.inner.jobs.notify_one();
        self.shown(&mut conn, who, &enrolment, true).await
    }

    /// Grants a learner extra time and later dates.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`], [`LearningError::Stale`].
    pub async fn grant_access(
        &self,
        who: &Principal,
        id: EnrolmentId,
        form: &AccessForm,
        version: Option<i64>,
    ) -> Result<EnrolmentView, LearningError> {
        if !(0..=300).contains(&form.extra_time_percent) {
            return Err(LearningError::field("/extra_time_percent", "must be from 0 to 300"));
        }
        if !(0..=8_760).contains(&form.extension_hours) {
            return Err(LearningError::field("/extension_hours", "must be from 0 to 8760"));
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let enrolment = (*conn)
            .transaction(async |conn| {
                let enrolment =
                    store::enrolments::lock(conn, id).await?.ok_or(LearningError::No("enrolment"))?;
                taught(conn, who, enrolment.course_id).await.map_err(|_| LearningError::No("enrolment"))?;
                if version.is_some_and(|version| version != enrolment.version) {
                    return Err(LearningError::Stale);
                }
                let (extra, later) = (form.extra_time_percent, form.extension_hours);
                store::enrolments::set_access(conn, id, extra, later, now).await?;
                store::enrolments::load(conn, id).await?.ok_or(LearningError::No("enrolment"))
            })
            .await?;
        self.shown(&mut conn, who, &enrolment, true).await
    }

    /// Notes how far a learner is with an item. Only ever forward.
    ///
    /// # Errors
    /// [`LearningError::Locked`], [`LearningError::NotNow`], [`LearningError::Invalid`].
    pub async fn advance(
        &self,
        who: &Principal,
        id: EnrolmentId,
        item: ItemId,
        form: &ProgressForm,
    ) -> Result<EnrolmentView, LearningError> {
        if form.watched_percent.is_some_and(|percent| percent > 100) {
            return Err(LearningError::field("/watched_percent", "must be at most 100"));
        }
        if form.position_seconds.is_some_and(|at| !(0..=360_000).contains(&at)) {
            return Err(LearningError::field("/position_seconds", "must be from 0 to 360000"));
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let enrolment = (*conn)
            .transaction(async |conn| {
                let (mut enrolment, content) = taking(conn, who, id).await?;
                let mut progress = unlocked(conn, &enrolment, &content, item, now).await?;
                progress.viewed |= form.viewed;
                if let Some(percent) = form.watched_percent {
                    progress.watched = progress.watched.max(i32::from(percent));
                }
                if let Some(at) = form.position_seconds {
                    progress.position_s = at;
                }
                reached(conn, &mut enrolment, &content, progress, now).await?;
                Ok::<_, LearningError>(enrolment)
            })
            .await?;
        self.shown(&mut conn, who, &enrolment, true).await
    }

    pub(super) async fn shown(
        &self,
        conn: &mut AsyncPgConnection,
        who: &Principal,
        enrolment: &Enrolment,
        items: bool,
    ) -> Result<EnrolmentView, LearningError> {
        let course =
            store::courses::load(conn, enrolment.course_id).await?.ok_or(LearningError::No("course"))?;
        let content = content_of(conn, enrolment).await?;
        let all = store::enrolments::progress(conn, enrolment.id).await?;
        let of = |id: ItemId| all.iter().find(|one| one.item_id == id);
        let done = |id: ItemId| of(id).is_some_and(|one| one.done_at.is_some());
        let required: Vec<ItemId> =
            content.items().filter(|item| item.required).map(|item| item.id).collect();
        let ready = required.iter().filter(|id| done(**id)).count();
        let graded: Vec<ItemId> =
            content.items().filter(|item| item.is_graded()).map(|item| item.id).collect();
        let who_is =
            if who.user_id == enrolment.student_id { vec![Actor::Student] } else { actors(who, &course) };
        let own = who.user_id == enrolment.student_id;
        let payment = match enrolment.price_minor {
            Some(_) if own => store::payments::of(conn, enrolment.id).await?.into_iter().next(),
            _ => None,
        };
        Ok(EnrolmentView {
            id: enrolment.id,
            course_id: enrolment.course_id,
            number: enrolment.number,
            newer: course.published > enrolment.number,
            student_id: enrolment.student_id,
            state: enrolment.state,
            percent: match required.len() {
                _ if enrolment.state == EnrolmentState::Completed => 100,
                0 => 0,
                count => u8::try_from(ready * 100 / count).unwrap_or(100),
            },
            grade: content.grading.grade(&graded, |id| of(id).and_then(|one| one.score)),
            items: if items {
                content
                    .items()
                    .map(|item| one_progress(enrolment, &content, item, &all, self.now()))
                    .collect()
            } else {
                Vec::new()
            },
            extra_time_percent: enrolment.extra_time,
            extension_hours: enrolment.extension,
            cohort_id: enrolment.cohort_id,
            starts_at: enrolment.cohort_starts_at,
            price: enrolment.price()?,
            payment: payment.map(PlacePaymentView::from),
            refund_until: enrolment.refund_until,
            version: enrolment.version,
            created_at: enrolment.created_at,
            completed_at: enrolment.completed_at,
            allowed_transitions: ENROLMENT.allowed_transitions(enrolment.state, &who_is),
        })
    }
}

/// How far somebody is with an item, for people to see.
pub(super) fn one_progress(
    enrolment: &Enrolment,
    content: &Content,
    item: &crate::contexts::learning::model::content::Item,
    all: &[Progress],
    now: chrono::DateTime<chrono::Utc>,
) -> ProgressView {
    let done = |id: ItemId| all.iter().any(|one| one.item_id == id && one.done_at.is_some());
    let found = all.iter().find(|one| one.item_id == item.id).cloned();
    let progress = found.unwrap_or_else(|| ProgressView::blank(enrolment, item.id));
    ProgressView {
        item_id: item.id,
        title: item.title.clone(),
        kind: kind_of(&item.body),
        required: item.required,
        unlocked: enrolment.cohort_starts_at.is_none_or(|begins| begins <= now)
            && content.wanting(item.id, done).is_empty(),
        viewed: progress.viewed,
        watched_percent: progress.watched,
        position_seconds: progress.position_s,
        score: progress.score,
        due_at: item.due.map(|due| enrolment.due(due)),
        done_at: progress.done_at,
    }
}

/// What events tell of an enrolment.
pub(super) fn told(enrolment: &Enrolment, title: &str) -> serde_json::Value {
    let mut data = json!({
        "enrolment_id": enrolment.id, "course_id": enrolment.course_id, "student_id": enrolment.student_id,
        "user_id": enrolment.student_id, "number": enrolment.number,
    });
    if !title.is_empty() {
        data["title"] = json!(title);
    }
    data
}

/// An enrolment that the caller may see: the learner's, or in the instructor's course.
pub(super) async fn seen(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    id: EnrolmentId,
) -> Result<Enrolment, LearningError> {
    let enrolment = store::enrolments::load(conn, id).await?.ok_or(LearningError::No("enrolment"))?;
    if enrolment.student_id != who.user_id {
        taught(conn, who, enrolment.course_id).await.map_err(|_| LearningError::No("enrolment"))?;
    }
    Ok(enrolment)
}

/// The caller's own enrolment, locked, if they still learn (a completed course can be looked at again).
pub(super) async fn taking(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    id: EnrolmentId,
) -> Result<(Enrolment, Content), LearningError> {
    let enrolment = store::enrolments::lock(conn, id).await?.filter(|one| one.student_id == who.user_id);
    let enrolment = enrolment.ok_or(LearningError::No("enrolment"))?;
    if !enrolment.learns() {
        let state = enrolment.state.as_str();
        return Err(LearningError::NotNow { machine: "enrolment", state, allowed: Vec::new() });
    }
    let content = content_of(conn, &enrolment).await?;
    Ok((enrolment, content))
}

/// Progress at an item that may be taken now.
pub(super) async fn unlocked(
    conn: &mut AsyncPgConnection,
    enrolment: &Enrolment,
    content: &Content,
    item: ItemId,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Progress, LearningError> {
    if content.item(item).is_none() {
        return Err(LearningError::No("item"));
    }
    if let Some(begins) = enrolment.cohort_starts_at
        && begins > now
    {
        return Err(LearningError::NotYet(begins));
    }
    let all = store::enrolments::progress(conn, enrolment.id).await?;
    let done = |id: ItemId| all.iter().any(|one| one.item_id == id && one.done_at.is_some());
    let wanting = content.wanting(item, done);
    if !wanting.is_empty() {
        return Err(LearningError::Locked(wanting));
    }
    let found = all.iter().find(|one| one.item_id == item).cloned();
    Ok(found.unwrap_or_else(|| ProgressView::blank(enrolment, item)))
}

/// Writes progress, and decides about item and course: each is done once, and stays done.
pub(super) async fn reached(
    conn: &mut AsyncPgConnection,
    enrolment: &mut Enrolment,
    content: &Content,
    mut progress: Progress,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), LearningError> {
    let item = content.item(progress.item_id).ok_or(LearningError::No("item"))?;
    if progress.done_at.is_none() && item.is_done(&progress) {
        progress.done_at = Some(now);
    }
    progress.updated_at = now;
    store::enrolments::save(conn, &progress).await?;
    settle(conn, enrolment, content, now).await
}

/// Completes the enrolment when all is done. Its row is locked: this happens once.
pub(super) async fn settle(
    conn: &mut AsyncPgConnection,
    enrolment: &mut Enrolment,
    content: &Content,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), LearningError> {
    if enrolment.state != EnrolmentState::Active {
        return Ok(());
    }
    let all = store::enrolments::progress(conn, enrolment.id).await?;
    if !content.is_complete(|id| all.iter().any(|one| one.item_id == id && one.done_at.is_some())) {
        return Ok(());
    }
    let course = store::courses::load(conn, enrolment.course_id).await?.ok_or(LearningError::No("course"))?;
    let graded: Vec<ItemId> = content
        .items()
        .filter(|item| matches!(item.body, Body::Quiz(_) | Body::Assignment { .. }))
        .map(|item| item.id)
        .collect();
    let grade = content
        .grading
        .grade(&graded, |id| all.iter().find(|one| one.item_id == id).and_then(|one| one.score));
    let mut data = told(enrolment, &course.title);
    data["grade"] = json!(grade);
    store::enrolments::set_completed(conn, enrolment.id, now).await?;
    let at = At::from(&*enrolment);
    let moved = moves::advance(conn, &ENROLMENT, at, "complete", By::SYSTEM, now, data).await?;
    (enrolment.state, enrolment.version, enrolment.completed_at) = (moved.state, moved.version, Some(now));
    Ok(())
}
