//! Grading by hand, marking anew, the queue and the gradebook.

use std::collections::{HashMap, hash_map::Entry};

use diesel_async::AsyncConnection;

use super::{
    attempts::{asked, note_score, record, step},
    content_of, one_more, taught,
};
use crate::{
    contexts::learning::{
        AttemptView, GradeForm, Learning, LearningError, QueueItem, RegradeForm,
        model::{
            Attempt, AttemptId, AttemptState, CourseId, ItemId, QuestionId,
            content::Content,
            marking::{self, Answers, Mark},
            paper::Place,
            quiz::Question,
        },
        store::{self, moves::By},
    },
    error::FieldError,
    machine::Actor,
    principal::{Principal, UserId},
};

impl Learning {
    /// Marks by hand what waits for it. Every question that the machine could not mark needs a mark; the
    /// others may get another one.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::NotNow`], [`LearningError::Invalid`],
    /// [`LearningError::Stale`].
    pub async fn grade_attempt(
        &self,
        who: &Principal,
        id: AttemptId,
        form: &GradeForm,
        version: Option<i64>,
    ) -> Result<AttemptView, LearningError> {
        let none = || LearningError::No("attempt");
        let now = self.now();
        if form.note.chars().count() > 2_000 {
            return Err(LearningError::field("/note", "takes 2,000 characters at most"));
        }
        let mut conn = self.conn().await?;
        let attempt = (*conn)
            .transaction(async |conn| {
                let found = store::attempts::load(conn, id).await?.ok_or_else(none)?;
                let mut enrolment =
                    store::enrolments::lock(conn, found.enrolment_id).await?.ok_or_else(none)?;
                taught(conn, who, enrolment.course_id).await.map_err(|_| none())?;
                let mut attempt = store::attempts::lock(conn, id).await?.ok_or_else(none)?;
                if version.is_some_and(|version| version != attempt.version) {
                    return Err(LearningError::Stale);
                }
                let content = content_of(conn, &enrolment).await?;
                let paper: Vec<Place> = serde_json::from_value(attempt.paper.clone())?;
                let questions = asked(conn, &paper).await?;
                let mut marks = machine(&attempt, &content, &paper, &questions)?;
                let mut wrong = Vec::new();
                for (place, score) in &form.marks {
                    match marks.get_mut(*place) {
                        Some(mark) if (0..=mark.max).contains(score) => mark.score = Some(*score),
                        Some(mark) => {
                            let said = format!("must be from 0 to {}", mark.max);
                            wrong.push(FieldError::new(format!("/marks/{place}"), said));
                        }
                        None => {
                            let said = "is no place of this paper";
                            wrong.push(FieldError::new(format!("/marks/{place}"), said));
                        }
                    }
                }
                for (place, mark) in marks.iter().enumerate().filter(|(_, mark)| mark.score.is_none()) {
                    let said = format!("is needed: 0 to {}", mark.max);
                    wrong.push(FieldError::new(format!("/marks/{place}"), said));
                }
                if !wrong.is_empty() {
                    return Err(LearningError::Invalid(wrong));
                }
                let score = marking::total(&marks).unwrap_or(0);
                let reason = if form.note.trim().is_empty() { "graded" } else { form.note.trim() };
                let by = By { actors: &[Actor::Instructor], user: Some(who.user_id) };
                if attempt.state == AttemptState::NeedsGrading {
                    record(conn, &mut attempt, &marks, score, reason, Some(who.user_id), now).await?;
                }
                step(conn, &mut attempt, &enrolment, "grade_by_hand", by, now).await?;
                note_score(conn, &attempt, &mut enrolment, &content, now).await?;
                Ok::<_, LearningError>(attempt)
            })
            .await?;
        self.attempt_view(&mut conn, who, &attempt).await
    }

    /// Marks every graded attempt at a quiz anew, by the latest revisions of its questions; how many got
    /// another grade. Old grades stay in the history; marks by hand stay where the question still needs
    /// a person. What was completed stays completed.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`].
    pub async fn regrade(
        &self,
        who: &Principal,
        course: CourseId,
        form: &RegradeForm,
    ) -> Result<usize, LearningError> {
        let reason = form.reason.trim();
        if !(1..=500).contains(&reason.chars().count()) {
            return Err(LearningError::field("/reason", "takes 1 to 500 characters"));
        }
        let mut conn = self.conn().await?;
        taught(&mut conn, who, course).await?;
        let mut changed = 0;
        for id in store::attempts::graded(&mut conn, course, form.item_id).await? {
            changed += usize::from(self.regrade_one(&mut conn, who.user_id, id, reason).await?);
        }
        Ok(changed)
    }

    async fn regrade_one(
        &self,
        conn: &mut diesel_async::AsyncPgConnection,
        who: UserId,
        id: AttemptId,
        reason: &str,
    ) -> Result<bool, LearningError> {
        let none = || LearningError::No("attempt");
        let now = self.now();
        conn.transaction(async |conn| {
            let found = store::attempts::load(conn, id).await?.ok_or_else(none)?;
            let mut enrolment = store::enrolments::lock(conn, found.enrolment_id).await?.ok_or_else(none)?;
            let mut attempt = store::attempts::lock(conn, id).await?.ok_or_else(none)?;
            let content = content_of(conn, &enrolment).await?;
            let mut paper: Vec<Place> = serde_json::from_value(attempt.paper.clone())?;
            let ids: Vec<QuestionId> = paper.iter().map(|place| place.question).collect();
            let latest = store::banks::latest(conn, &ids).await?;
            for place in &mut paper {
                if let Some(row) = latest.iter().find(|row| row.id == place.question) {
                    place.revision = row.revision;
                }
            }
            let questions = asked(conn, &paper).await?;
            let before = store::attempts::grades(conn, id).await?.pop().ok_or_else(none)?;
            let old: Vec<Mark> = serde_json::from_value(before.marks)?;
            let mut marks = machine(&attempt, &content, &paper, &questions)?;
            for (mark, old) in marks.iter_mut().zip(&old) {
                // What a person gave, in proportion if the points changed.
                if mark.score.is_none() {
                    mark.score = old.score.map(|score| score * mark.max / old.max.max(1));
                }
            }
            let score = marking::total(&marks).unwrap_or(0);
            let max: i64 = marks.iter().map(|mark| mark.max).sum();
            if marks.iter().map(|mark| mark.score).eq(old.iter().map(|mark| mark.score))
                && max == before.max_score
            {
                return Ok(false);
            }
            record(conn, &mut attempt, &marks, score, reason, Some(who), now).await?;
            let by = By { actors: &[Actor::Instructor], user: Some(who) };
            step(conn, &mut attempt, &enrolment, "regrade", by, now).await?;
            note_score(conn, &attempt, &mut enrolment, &content, now).await?;
            Ok(true)
        })
        .await
    }

    /// What waits for the instructor of a course, the oldest first.
    ///
    /// # Errors
    /// [`LearningError::NotYours`], [`LearningError::Invalid`] for a foreign cursor.
    pub async fn queue(
        &self,
        who: &Principal,
        course: CourseId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<QueueItem>, Option<String>), LearningError> {
        let after = self.after("queue", cursor)?;
        let mut conn = self.conn().await?;
        taught(&mut conn, who, course).await?;
        let found = store::attempts::waiting(&mut conn, course, after, one_more(limit)).await?;
        let (found, next) = self.page("queue", found, limit, |one| one.id);
        let item = |one: store::attempts::Waiting| QueueItem {
            kind: one.kind,
            id: one.id,
            enrolment_id: one.enrolment_id,
            student_id: one.student_id,
            item_id: one.item_id,
            since: one.since,
        };
        Ok((found.into_iter().map(item).collect(), next))
    }

    /// The gradebook of a course as CSV (RFC 4180), safe to open in a spreadsheet.
    ///
    /// # Errors
    /// [`LearningError::NotYours`].
    pub async fn gradebook(&self, who: &Principal, id: CourseId) -> Result<String, LearningError> {
        let mut conn = self.conn().await?;
        let course = taught(&mut conn, who, id).await?;
        let latest = match store::courses::content(&mut conn, id, course.published).await? {
            Some(content) => serde_json::from_value::<Content>(content)?,
            None => Content::default(),
        };
        drop(conn);
        let columns: Vec<(ItemId, String)> = latest
            .items()
            .filter(|item| item.is_graded())
            .map(|item| (item.id, item.title.clone()))
            .collect();
        let mut contents: HashMap<i32, Content> = HashMap::new();
        let mut rows = Vec::new();
        let mut before = None;
        loop {
            let page = store::enrolments::list(&mut *self.conn().await?, Some(id), None, before, 200).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.id.0);
            let students: Vec<UserId> = page.iter().map(|one| one.student_id).collect();
            // Names come by another connection: none of ours is held meanwhile.
            let names = self.inner.people.existing(&students).await.map_err(LearningError::People)?;
            let mut conn = self.conn().await?;
            for enrolment in page {
                let content = match contents.entry(enrolment.number) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => unknown.insert(content_of(&mut conn, &enrolment).await?),
                };
                let progress = store::enrolments::progress(&mut conn, enrolment.id).await?;
                let score =
                    |id: ItemId| progress.iter().find(|one| one.item_id == id).and_then(|one| one.score);
                let graded: Vec<ItemId> =
                    content.items().filter(|item| item.is_graded()).map(|item| item.id).collect();
                let mut row = vec![
                    cell(names.get(&enrolment.student_id).map_or("", String::as_str)),
                    enrolment.student_id.to_string(),
                    enrolment.state.as_str().to_owned(),
                    percent(Some(content.grading.grade(&graded, score))),
                ];
                row.extend(columns.iter().map(|(id, _)| percent(score(*id).map(i64::from))));
                rows.push(row.join(","));
            }
        }
        let mut head = vec!["name".to_owned(), "student_id".into(), "state".into(), "grade_percent".into()];
        head.extend(columns.iter().map(|(_, title)| cell(title)));
        rows.insert(0, head.join(","));
        Ok(rows.join("\r\n") + "\r\n")
    }
}

/// What the machine makes of an attempt's answers.
fn machine(
    attempt: &Attempt,
    content: &Content,
    paper: &[Place],
    questions: &[Question],
) -> Result<Vec<Mark>, LearningError> {
    let answers: Answers = serde_json::from_value(attempt.answers.clone())?;
    let penalty = super::attempts::quiz_at(content, attempt.item_id).map_or(0, |quiz| quiz.penalty);
    let one = |(n, (place, question)): (usize, (&Place, &Question))| Mark {
        score: marking::mark(answers.get(&n), place, question, penalty),
        max: i64::from(question.points) * 100,
        revision: place.revision,
    };
    Ok(paper.iter().zip(questions).enumerate().map(one).collect())
}

fn percent(score: Option<i64>) -> String {
    score.map_or_else(String::new, |score| format!("{}.{:02}", score / 100, score % 100))
}

/// A cell that a spreadsheet takes for text: what would begin a formula gets an apostrophe before it
/// (OWASP, "CSV injection"), and quotes are doubled.
pub(in crate::contexts::learning) fn cell(text: &str) -> String {
    let formula = text
        .trim_start()
        .starts_with(['=', '+', '-', '@', '\t', '\r', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
        || text.starts_with(['\t', '\r', '\n']);
    let safe = if formula { format!("'{text}") } else { text.to_owned() };
    if safe.contains([',', '"', '\n', '\r', ';', '\'']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe
    }
}
