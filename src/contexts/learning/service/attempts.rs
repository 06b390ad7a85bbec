//! Taking quizzes. Time is the server's; answers that were right are known to the server alone until an
//! attempt is over.

use chrono::{DateTime, Duration, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use super::{
    content_of,
    enrolments::{reached, seen, taking, unlocked},
};
use crate::{
    contexts::learning::{
        AnswersForm, AttemptView, Learning, LearningError, MarkedView,
        model::{
            ATTEMPT, Attempt, AttemptId, AttemptState, Enrolment, EnrolmentId, EnrolmentState, ItemId,
            QuestionId,
            content::{Body, Content},
            grading::WHOLE,
            marking::{self, Answers, Mark},
            paper::{self, Place, Pool},
            quiz::{OverduePolicy, Question, QuizSpec, Release},
        },
        store::{
            self,
            attempts::{NewGrade, Taken},
            moves::{self, At, By},
        },
    },
    error::FieldError,
    machine::Actor,
    principal::{Principal, UserId},
};

/// The quiz at an item.
pub(super) fn quiz_at(content: &Content, item: ItemId) -> Result<&QuizSpec, LearningError> {
    match &content.item(item).ok_or(LearningError::No("item"))?.body {
        Body::Quiz(quiz) => Ok(quiz),
        _ => Err(LearningError::No("quiz")),
    }
}

/// An attempt without what is asked.
pub(super) fn card(attempt: &Attempt, now: DateTime<Utc>) -> AttemptView {
    AttemptView {
        id: attempt.id,
        enrolment_id: attempt.enrolment_id,
        item_id: attempt.item_id,
        number: attempt.number,
        state: attempt.state,
        paper: None,
        answers: None,
        deadline_at: attempt.deadline_at,
        now,
        score: attempt.score,
        max_score: attempt.max_score,
        marks: None,
        version: attempt.version,
        created_at: attempt.created_at,
        submitted_at: attempt.submitted_at,
    }
}

/// The questions of a paper, as they were asked.
pub(super) async fn asked(
    conn: &mut AsyncPgConnection,
    paper: &[Place],
) -> Result<Vec<Question>, LearningError> {
    let ids: Vec<QuestionId> = paper.iter().map(|place| place.question).collect();
    let revisions: Vec<i32> = paper.iter().map(|place| place.revision).collect();
    let rows = store::banks::revisions(conn, &ids, &revisions).await?;
    let mut questions = Vec::with_capacity(paper.len());
    for place in paper {
        let row = rows.iter().find(|row| row.id == place.question && row.revision == place.revision);
        questions.push(serde_json::from_value(row.ok_or(LearningError::No("question"))?.body.clone())?);
    }
    Ok(questions)
}

impl Learning {
    /// Begins an attempt under `id`, or goes on with the one that is open.
    ///
    /// # Errors
    /// [`LearningError::NoAttempts`], [`LearningError::Locked`], [`LearningError::NotNow`].
    pub async fn begin_attempt(
        &self,
        who: &Principal,
        enrolment: EnrolmentId,
        item: ItemId,
        id: Uuid,
    ) -> Result<AttemptView, LearningError> {
        let now = self.now();
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|_| LearningError::Signing)?;
        let seed = i64::from_be_bytes(bytes);
        let mut conn = self.conn().await?;
        let attempt = (*conn)
            .transaction(async |conn| {
                // The enrolment's row is locked: no second tab begins at the same time.
                let (enrolment, content) = taking(conn, who, enrolment).await?;
                unlocked(conn, &enrolment, &content, item, now).await?;
                let quiz = quiz_at(&content, item)?;
                let taken = store::attempts::of_item(conn, enrolment.id, item).await?;
                if let Some(open) = taken.iter().find(|one| one.state == AttemptState::InProgress) {
                    return Ok(open.clone());
                }
                if let Some(same) = taken.iter().find(|one| one.id.0 == id) {
                    return Ok(same.clone());
                }
                let used = store::attempts::of_person(conn, enrolment.course_id, who.user_id, item).await?;
                if used.len() >= usize::from(quiz.attempts) {
                    return Err(LearningError::NoAttempts);
                }
                let paper = draw(conn, quiz, seed).await?;
                let questions = asked(conn, &paper).await?;
                let max_score: i64 = questions.iter().map(|question| i64::from(question.points) * 100).sum();
                if max_score == 0 {
                    return Err(LearningError::Contradicts("this quiz has no questions yet"));
                }
                let limit = quiz.minutes.map(|minutes| {
                    let seconds = i64::from(minutes) * 60;
                    Duration::seconds(seconds + seconds * i64::from(enrolment.extra_time) / 100)
                });
                let new = Attempt {
                    id: AttemptId(id),
                    enrolment_id: enrolment.id,
                    item_id: item,
                    number: i32::try_from(taken.len() + 1).unwrap_or(i32::MAX),
                    seed,
                    paper: serde_json::to_value(&paper)?,
                    answers: json!({}),
                    state: AttemptState::InProgress,
                    deadline_at: limit.map(|limit| now + limit),
                    score: None,
                    max_score,
                    grade: 0,
                    version: 1,
                    created_at: now,
                    updated_at: now,
                    submitted_at: None,
                };
                store::attempts::insert(conn, &new).await?;
                let by = (Actor::Student, who.user_id);
                let data = told(&new, &enrolment);
                moves::born(conn, &ATTEMPT, new.id.0, Some("attempt.started"), by, now, data).await?;
                if let Some(end) = end(&new, quiz) {
                    store::TIMERS.set(conn, ATTEMPT.name, new.id.0, "run_out", end).await?;
                }
                Ok::<_, LearningError>(new)
            })
            .await?;
        self.inner.jobs.notify_one();
        self.attempt_view(&mut conn, who, &attempt).await
    }

    /// An attempt, for the learner and the instructor.
    ///
    /// # Errors
    /// [`LearningError::No`].
    pub async fn attempt(&self, who: &Principal, id: AttemptId) -> Result<AttemptView, LearningError> {
        let mut conn = self.conn().await?;
        let attempt = store::attempts::load(&mut conn, id).await?.ok_or(LearningError::No("attempt"))?;
        self.attempt_view(&mut conn, who, &attempt).await
    }

    /// Keeps answers, if the attempt has the version that the caller saw: of two tabs, the one that
    /// looked last.
    ///
    /// # Errors
    /// [`LearningError::Stale`], [`LearningError::TooLate`], [`LearningError::NotNow`],
    /// [`LearningError::Invalid`].
    pub async fn save_answers(
        &self,
        who: &Principal,
        id: AttemptId,
        form: &AnswersForm,
        version: Option<i64>,
    ) -> Result<AttemptView, LearningError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let attempt = (*conn)
            .transaction(async |conn| {
                let (attempt, ..) = self.open(conn, who, id, version, now).await?;
                keep(conn, &attempt, &form.answers, now).await
            })
            .await?;
        self.attempt_view(&mut conn, who, &attempt).await
    }

    /// Hands an attempt in, with these answers if there are any.
    ///
    /// # Errors
    /// As [`Learning::save_answers`].
    pub async fn submit(
        &self,
        who: &Principal,
        id: AttemptId,
        form: Option<&AnswersForm>,
        version: Option<i64>,
    ) -> Result<AttemptView, LearningError> {
        let mut conn = self.conn().await?;
        let now = self.now();
        let attempt = (*conn)
            .transaction(async |conn| {
                let (mut attempt, mut enrolment, content) = self.open(conn, who, id, version, now).await?;
                if let Some(form) = form {
                    attempt = keep(conn, &attempt, &form.answers, now).await?;
                }
                let by = By { actors: &[Actor::Student], user: Some(who.user_id) };
                step(conn, &mut attempt, &enrolment, "submit", by, now).await?;
                take_in(conn, &mut attempt, &mut enrolment, &content, now).await?;
                Ok::<_, LearningError>(attempt)
            })
            .await?;
        self.attempt_view(&mut conn, who, &attempt).await
    }

    /// One's own attempt, locked, while answers are taken. Enrolment first: the order of locks.
    async fn open(
        &self,
        conn: &mut AsyncPgConnection,
        who: &Principal,
        id: AttemptId,
        version: Option<i64>,
        now: DateTime<Utc>,
    ) -> Result<(Attempt, Enrolment, Content), LearningError> {
        let none = || LearningError::No("attempt");
        let found = store::attempts::load(conn, id).await?.ok_or_else(none)?;
        let (enrolment, content) =
            taking(conn, who, found.enrolment_id).await.map_err(|error| match error {
                LearningError::No(_) => none(),
                other => other,
            })?;
        let attempt = store::attempts::lock(conn, id).await?.ok_or_else(none)?;
        if attempt.state != AttemptState::InProgress {
            let allowed = ATTEMPT.allowed_transitions(attempt.state, &[Actor::Student]);
            return Err(LearningError::NotNow { machine: "attempt", state: attempt.state.as_str(), allowed });
        }
        if version.is_some_and(|version| version != attempt.version) {
            return Err(LearningError::Stale);
        }
        if end(&attempt, quiz_at(&content, attempt.item_id)?).is_some_and(|end| now > end) {
            return Err(LearningError::TooLate);
        }
        Ok((attempt, enrolment, content))
    }

    pub(super) async fn attempt_view(
        &self,
        conn: &mut AsyncPgConnection,
        who: &Principal,
        attempt: &Attempt,
    ) -> Result<AttemptView, LearningError> {
        let enrolment =
            seen(conn, who, attempt.enrolment_id).await.map_err(|_| LearningError::No("attempt"))?;
        let own = enrolment.student_id == who.user_id;
        let content = content_of(conn, &enrolment).await?;
        let paper: Vec<Place> = serde_json::from_value(attempt.paper.clone())?;
        let questions = asked(conn, &paper).await?;
        let mut view = card(attempt, self.now());
        let places = paper.iter().zip(&questions).enumerate();
        view.paper = Some(places.map(|(n, (place, question))| paper::ask(n, place, question)).collect());
        view.answers = Some(serde_json::from_value(attempt.answers.clone())?);
        if attempt.grade == 0 {
            return Ok(view);
        }
        let grades = store::attempts::grades(conn, attempt.id).await?;
        let Some(grade) = grades.last() else { return Ok(view) };
        let marks: Vec<Mark> = serde_json::from_value(grade.marks.clone())?;
        let (course, student) = (enrolment.course_id, enrolment.student_id);
        let taken = store::attempts::of_person(conn, course, student, attempt.item_id).await?;
        // A version that has the quiz no more does not say when to show what was right: marks only.
        let quiz = quiz_at(&content, attempt.item_id).ok();
        let released = quiz.is_some_and(|quiz| match quiz.feedback {
            Release::Graded => true,
            Release::Never => false,
            Release::LastAttempt => {
                taken.len() >= usize::from(quiz.attempts) && taken.iter().all(Taken::is_over)
            }
        });
        // Of another attempt that is open, this one's solutions would be the answers.
        let busy = taken.iter().any(Taken::is_open);
        let show = !own || (released && !busy);
        let marked = marks.into_iter().zip(questions).enumerate();
        view.marks = Some(
            marked
                .map(|(place, (mark, question))| MarkedView {
                    place,
                    mark,
                    solution: show.then_some(question),
                })
                .collect(),
        );
        Ok(view)
    }

    /// What a timer does with an attempt whose time is over.
    pub(super) async fn run_out(&self, timer: Uuid, id: AttemptId) -> Result<(), LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let Some(found) = store::attempts::load(conn, id).await? else { return Ok(()) };
                let enrolment = store::enrolments::lock(conn, found.enrolment_id).await?;
                let mut enrolment = enrolment.ok_or(LearningError::No("enrolment"))?;
                let mut attempt =
                    store::attempts::lock(conn, id).await?.ok_or(LearningError::No("attempt"))?;
                if !store::TIMERS.consume(conn, timer).await? || attempt.state != AttemptState::InProgress {
                    return Ok::<_, LearningError>(());
                }
                let content = content_of(conn, &enrolment).await?;
                // A version that has the quiz no more has nothing to mark by.
                let policy =
                    quiz_at(&content, attempt.item_id).map_or(OverduePolicy::Abandon, |quiz| quiz.overdue);
                step(conn, &mut attempt, &enrolment, "run_out", By::TIMER, now).await?;
                // Who withdrew in the meantime hands nothing in.
                if policy == OverduePolicy::Abandon || enrolment.state == EnrolmentState::Withdrawn {
                    return step(conn, &mut attempt, &enrolment, "abandon", By::SYSTEM, now).await;
                }
                step(conn, &mut attempt, &enrolment, "take_in", By::SYSTEM, now).await?;
                take_in(conn, &mut attempt, &mut enrolment, &content, now).await
            })
            .await
    }
}

/// Draws what a quiz asks from its banks as they are now.
async fn draw(conn: &mut AsyncPgConnection, quiz: &QuizSpec, seed: i64) -> Result<Vec<Place>, LearningError> {
    let mut pools: Vec<Pool> = Vec::new();
    for draw in &quiz.draws {
        let mut pool = Vec::new();
        for row in store::banks::questions(conn, draw.bank).await?.into_iter().filter(|row| !row.retired) {
            pool.push((row.id, row.revision, serde_json::from_value(row.body)?));
        }
        pools.push((pool, draw.count.map(usize::from)));
    }
    Ok(paper::draw(seed, &pools, quiz.shuffle))
}

/// The last moment at which answers are taken: deadline and grace.
pub(super) fn end(attempt: &Attempt, quiz: &QuizSpec) -> Option<DateTime<Utc>> {
    attempt.deadline_at.map(|deadline| deadline + Duration::seconds(i64::from(quiz.grace_seconds)))
}

async fn keep(
    conn: &mut AsyncPgConnection,
    attempt: &Attempt,
    answers: &Answers,
    now: DateTime<Utc>,
) -> Result<Attempt, LearningError> {
    let paper: Vec<Place> = serde_json::from_value(attempt.paper.clone())?;
    let questions = asked(conn, &paper).await?;
    let mut wrong = Vec::new();
    for (place, answer) in answers {
        let said = match (paper.get(*place), questions.get(*place)) {
            (Some(at), Some(question)) => marking::flaw(answer, at, question),
            _ => Some("is no place of this paper"),
        };
        wrong.extend(said.map(|said| FieldError::new(format!("/answers/{place}"), said)));
    }
    if !wrong.is_empty() {
        return Err(LearningError::Invalid(wrong));
    }
    let kept = serde_json::to_value(answers)?;
    let saved = store::attempts::save_answers(conn, attempt.id, attempt.version, &kept, now).await?;
    saved.ok_or(LearningError::Stale)
}

/// What events tell of an attempt.
pub(super) fn told(attempt: &Attempt, enrolment: &Enrolment) -> serde_json::Value {
    json!({
        "attempt_id": attempt.id, "enrolment_id": enrolment.id, "course_id": enrolment.course_id,
        "item_id": attempt.item_id, "student_id": enrolment.student_id, "user_id": enrolment.student_id,
        "number": attempt.number, "score": attempt.score, "max_score": attempt.max_score,
        "grade_version": attempt.grade,
    })
}

/// Takes a step of an attempt.
pub(super) async fn step(
    conn: &mut AsyncPgConnection,
    attempt: &mut Attempt,
    enrolment: &Enrolment,
    name: &str,
    by: By<'_>,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    let at = At::attempt(attempt, attempt.deadline_at);
    let data = told(attempt, enrolment);
    let moved = moves::advance(conn, &ATTEMPT, at, name, by, now, data).await?;
    (attempt.state, attempt.version) = (moved.state, moved.version);
    Ok(())
}

/// Marks what was handed in; what a person must look at waits.
async fn take_in(
    conn: &mut AsyncPgConnection,
    attempt: &mut Attempt,
    enrolment: &mut Enrolment,
    content: &Content,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    store::attempts::set_submitted(conn, attempt.id, now).await?;
    attempt.submitted_at = Some(now);
    let paper: Vec<Place> = serde_json::from_value(attempt.paper.clone())?;
    let questions = asked(conn, &paper).await?;
    let answers: Answers = serde_json::from_value(attempt.answers.clone())?;
    let penalty = quiz_at(content, attempt.item_id)?.penalty;
    let marks: Vec<Mark> = paper
        .iter()
        .zip(&questions)
        .enumerate()
        .map(|(n, (place, question))| Mark {
            score: marking::mark(answers.get(&n), place, question, penalty),
            max: i64::from(question.points) * 100,
            revision: place.revision,
        })
        .collect();
    let Some(score) = marking::total(&marks) else {
        note_submitted(conn, enrolment, content, attempt.item_id, now).await?;
        return step(conn, attempt, enrolment, "hold_back", By::SYSTEM, now).await;
    };
    record(conn, attempt, &marks, score, "marked", None, now).await?;
    step(conn, attempt, enrolment, "grade", By::SYSTEM, now).await?;
    note_score(conn, attempt, enrolment, content, now).await
}

/// Adds a grade to an attempt's history.
pub(super) async fn record(
    conn: &mut AsyncPgConnection,
    attempt: &mut Attempt,
    marks: &[Mark],
    score: i64,
    reason: &str,
    graded_by: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    attempt.grade += 1;
    attempt.score = Some(score);
    attempt.max_score = marks.iter().map(|mark| mark.max).sum::<i64>().max(1);
    let marks = serde_json::to_value(marks)?;
    let grade = NewGrade {
        attempt: attempt.id,
        number: attempt.grade,
        score,
        max_score: attempt.max_score,
        marks: &marks,
        reason,
        graded_by,
        at: now,
    };
    Ok(store::attempts::add_grade(conn, &grade).await?)
}

async fn note_submitted(
    conn: &mut AsyncPgConnection,
    enrolment: &mut Enrolment,
    content: &Content,
    item: ItemId,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    let found = store::enrolments::progress_of(conn, enrolment.id, item).await?;
    let mut progress =
        found.unwrap_or_else(|| crate::contexts::learning::ProgressView::blank(enrolment, item));
    progress.submitted = true;
    reached(conn, enrolment, content, progress, now).await
}

/// Brings an item's score up to its graded attempts.
pub(super) async fn note_score(
    conn: &mut AsyncPgConnection,
    attempt: &Attempt,
    enrolment: &mut Enrolment,
    content: &Content,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    let item = attempt.item_id;
    // An item that the learner's version has no more counts for nothing.
    let Ok(quiz) = quiz_at(content, item) else { return Ok(()) };
    let taken = store::attempts::of_item(conn, enrolment.id, item).await?;
    let scores: Vec<i64> = taken
        .iter()
        .filter_map(|one| one.score.map(|score| (score * WHOLE / one.max_score.max(1)).clamp(0, WHOLE)))
        .collect();
    let found = store::enrolments::progress_of(conn, enrolment.id, item).await?;
    let mut progress =
        found.unwrap_or_else(|| crate::contexts::learning::ProgressView::blank(enrolment, item));
    progress.submitted = true;
    progress.score = quiz.counts.of(&scores).and_then(|score| i32::try_from(score).ok());
    reached(conn, enrolment, content, progress, now).await
}
