//! Handing in, and what the instructor thinks of it.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use super::{
    content_of,
    enrolments::{reached, seen, taking, unlocked},
    taught,
};
use crate::{
    contexts::{
        learning::{
            Learning, LearningError, ProgressView, SubmissionForm, SubmissionGradeForm, SubmissionView,
            forms::Check,
            model::{
                EnrolmentId, ItemId, SUBMISSION, Submission, SubmissionId, SubmissionState,
                content::{Body, Content},
                grading::{LatePolicy, Rubric},
            },
            store::{
                self,
                moves::{self, At, By},
            },
        },
        objects::{self, DownloadView, UploadId},
    },
    machine::Actor,
    principal::Principal,
};

fn assignment(content: &Content, item: ItemId) -> Result<(&Rubric, LatePolicy), LearningError> {
    match &content.item(item).ok_or(LearningError::No("item"))?.body {
        Body::Assignment { rubric, late, .. } => Ok((rubric, *late)),
        _ => Err(LearningError::No("assignment")),
    }
}

/// What was handed in, if the caller may see it.
async fn submitted(
    conn: &mut AsyncPgConnection,
    who: &Principal,
    id: SubmissionId,
) -> Result<Submission, LearningError> {
    let none = || LearningError::No("submission");
    let one = store::attempts::submission(conn, id).await?.ok_or_else(none)?;
    seen(conn, who, one.enrolment_id).await.map_err(|_| none())?;
    Ok(one)
}

fn told(one: &Submission, enrolment: &crate::contexts::learning::model::Enrolment) -> serde_json::Value {
    json!({
        "submission_id": one.id, "enrolment_id": enrolment.id, "course_id": enrolment.course_id,
        "item_id": one.item_id, "student_id": enrolment.student_id, "user_id": enrolment.student_id,
        "late_seconds": one.late_s, "score": one.score,
    })
}

impl Learning {
    /// Hands something in under `id`. Once; again after it was returned.
    ///
    /// # Errors
    /// [`LearningError::TooLate`], [`LearningError::Contradicts`], [`LearningError::Invalid`].
    pub async fn hand_in(
        &self,
        who: &Principal,
        enrolment: EnrolmentId,
        item: ItemId,
        id: Uuid,
        form: &SubmissionForm,
    ) -> Result<SubmissionView, LearningError> {
        let now = self.now();
        let mut check = Check::default();
        let body = check.text("/body", &form.body, 0..=20_000);
        if form.files.len() > 10 {
            check.refuse("/files", "takes 10 files at most");
        }
        if body.is_empty() && form.files.is_empty() {
            check.refuse("/body", "hand in a text or a file");
        }
        check.done()?;
        let mut conn = self.conn().await?;
        let new = (*conn)
            .transaction(async |conn| {
                let (mut enrolment, content) = taking(conn, who, enrolment).await?;
                let mut progress = unlocked(conn, &enrolment, &content, item, now).await?;
                let (_, late) = assignment(&content, item)?;
                let before = store::attempts::submissions(conn, enrolment.id, item).await?;
                if let Some(same) = before.iter().find(|one| one.id.0 == id) {
                    return Ok(same.clone());
                }
                if before.iter().any(|one| one.state != SubmissionState::Returned) {
                    return Err(LearningError::Contradicts("you have handed this in"));
                }
                let due = content.item(item).and_then(|item| item.due);
                let due = due.map(|due| enrolment.due(due));
                let late_s = due.map_or(0, |due| (now - due).num_seconds().max(0));
                if !late.takes(late_s) {
                    return Err(LearningError::TooLate);
                }
                for (n, file) in form.files.iter().enumerate() {
                    let own = objects::ready(conn, who.user_id, UploadId(*file)).await;
                    own.map_err(|_| {
                        LearningError::field(format!("/files/{n}"), "is no upload of yours that is ready")
                    })?;
                    objects::hold(conn, UploadId(*file), &format!("submission:{id}")).await?;
                }
                let new = Submission {
                    id: SubmissionId(id),
                    enrolment_id: enrolment.id,
                    item_id: item,
                    body,
                    files: form.files.clone(),
                    late_s,
                    state: SubmissionState::Submitted,
                    score: None,
                    rubric: None,
                    note: None,
                    graded_by: None,
                    version: 1,
                    created_at: now,
                    updated_at: now,
                };
                store::attempts::hand_in(conn, &new).await?;
                let by = (Actor::Student, who.user_id);
                let data = told(&new, &enrolment);
                moves::born(conn, &SUBMISSION, new.id.0, Some("submission.submitted"), by, now, data).await?;
                progress.submitted = true;
                reached(conn, &mut enrolment, &content, progress, now).await?;
                Ok::<_, LearningError>(new)
            })
            .await?;
        Ok(SubmissionView::from(&new))
    }

    /// Grades by the rubric, or returns it to be done again. Lateness is taken off here.
    ///
    /// # Errors
    /// [`LearningError::NotNow`], [`LearningError::Invalid`], [`LearningError::Stale`].
    pub async fn grade_submission(
        &self,
        who: &Principal,
        id: SubmissionId,
        form: &SubmissionGradeForm,
        version: Option<i64>,
    ) -> Result<SubmissionView, LearningError> {
        let none = || LearningError::No("submission");
        let now = self.now();
        let mut check = Check::default();
        let note = check.text("/note", &form.note, 0..=2_000);
        check.done()?;
        let mut conn = self.conn().await?;
        let one = (*conn)
            .transaction(async |conn| {
                let found = store::attempts::submission(conn, id).await?.ok_or_else(none)?;
                let mut enrolment =
                    store::enrolments::lock(conn, found.enrolment_id).await?.ok_or_else(none)?;
                taught(conn, who, enrolment.course_id).await.map_err(|_| none())?;
                let mut one = store::attempts::lock_submission(conn, id).await?.ok_or_else(none)?;
                if version.is_some_and(|version| version != one.version) {
                    return Err(LearningError::Stale);
                }
                let content = content_of(conn, &enrolment).await?;
                let by = By { actors: &[Actor::Instructor], user: Some(who.user_id) };
                one.note = (!note.is_empty()).then_some(note);
                one.graded_by = Some(who.user_id);
                let step = match &form.points {
                    None => "return",
                    Some(points) => {
                        let (rubric, late) = assignment(&content, one.item_id)?;
                        let score = rubric.score(points).map_err(|n| {
                            LearningError::field(
                                format!("/points/{n}"),
                                "one for each criterion, within its points",
                            )
                        })?;
                        one.score = i32::try_from(late.apply(score, one.late_s)).ok();
                        one.rubric = Some(json!(points));
                        "grade"
                    }
                };
                store::attempts::grade_submission(conn, &one).await?;
                let data = told(&one, &enrolment);
                let moved = moves::advance(conn, &SUBMISSION, At::from(&one), step, by, now, data).await?;
                (one.state, one.version) = (moved.state, moved.version);
                if one.state == SubmissionState::Graded {
                    let found = store::enrolments::progress_of(conn, enrolment.id, one.item_id).await?;
                    let mut progress = found.unwrap_or_else(|| ProgressView::blank(&enrolment, one.item_id));
                    progress.score = one.score;
                    reached(conn, &mut enrolment, &content, progress, now).await?;
                }
                Ok::<_, LearningError>(one)
            })
            .await?;
        Ok(SubmissionView::from(&one))
    }

    /// What was handed in, for the learner and the instructor.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn submission(
        &self,
        who: &Principal,
        id: SubmissionId,
    ) -> Result<SubmissionView, LearningError> {
        let one = submitted(&mut *self.conn().await?, who, id).await?;
        Ok(SubmissionView::from(&one))
    }

    /// A link to a file that was handed in, for the learner and the instructor.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn submitted_file(
        &self,
        who: &Principal,
        id: SubmissionId,
        file: Uuid,
    ) -> Result<DownloadView, LearningError> {
        let one = submitted(&mut *self.conn().await?, who, id).await?;
        if !one.files.contains(&file) {
            return Err(LearningError::No("file"));
        }
        Ok(self.inner.uploads.link(UploadId(file)).await?)
    }
}
