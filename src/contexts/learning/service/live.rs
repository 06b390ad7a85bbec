//! Live quizzes: who may do what; the rest is the quiz's actor's.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use serde_json::json;
use uuid::Uuid;

use super::taught;
use crate::{
    actors::{Arbiters, AskError, Domain, DomainConfig, Registry},
    contexts::learning::{
        Learning, LearningError, Live, LiveAnswerForm, LiveForm, LiveView,
        actors::{LiveQuiz, LiveRefusal, LiveSeed, Look, Said, Say, Take},
        forms::Check,
        model::{
            CourseId,
            live::{LiveQuestion, LiveQuizId, LiveState, LiveStep},
            paper,
            quiz::{Kind, Question},
        },
        store::{self, live::LiveRow},
    },
    principal::Principal,
};

/// How long an actor may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions of a live quiz at most.
const MOST: usize = 100;

/// Live quizzes. Cheap to clone.
#[derive(Clone)]
pub struct LiveQuizzes {
    learning: Learning,
    domain: Domain<LiveQuiz>,
    live: Live,
}

impl Learning {
    /// Live quizzes, under a supervisor.
    pub fn start_live(
        &self,
        live: Live,
        config: DomainConfig,
        registry: &Registry,
        placement: &Arbiters,
    ) -> LiveQuizzes {
        let (database, clock) = (self.inner.database.clone(), self.inner.clock.clone());
        let seed = LiveSeed { database, clock, live: live.clone() };
        LiveQuizzes { learning: self.clone(), domain: Domain::start(seed, config, registry, placement), live }
    }
}

impl From<LiveRefusal> for LearningError {
    fn from(refusal: LiveRefusal) -> Self {
        match refusal {
            LiveRefusal::NotNow(state) => {
                Self::NotNow { machine: "live quiz", state: state.as_str(), allowed: allowed(state) }
            }
            LiveRefusal::TooLate => Self::TooLate,
            LiveRefusal::NotOpen => Self::Contradicts("that question is not open yet"),
            LiveRefusal::Flaw(said) => Self::field("/answer", said),
            LiveRefusal::Stale => Self::Contradicts("somebody took a step at the same time"),
            LiveRefusal::Unavailable => {
                Self::Actor(AskError::Unavailable { retry_after: Duration::from_secs(1) })
            }
        }
    }
}

fn allowed(state: LiveState) -> Vec<&'static str> {
    match state {
        LiveState::Open => vec!["next", "close", "end"],
        LiveState::Waiting | LiveState::Closed => vec!["next", "end"],
        LiveState::Ended => Vec::new(),
    }
}

impl LiveQuizzes {
    /// The supervisor.
    pub fn domain(&self) -> &Domain<LiveQuiz> {
        &self.domain
    }

    /// Makes a live quiz of a bank's questions. A course has one at a time.
    ///
    /// # Errors
    /// [`LearningError::No`], [`LearningError::NotYours`], [`LearningError::Invalid`],
    /// [`LearningError::Contradicts`].
    pub async fn make(
        &self,
        who: &Principal,
        course: CourseId,
        id: Uuid,
        form: &LiveForm,
    ) -> Result<LiveView, LearningError> {
        let mut check = Check::default();
        let title = check.text("/title", &form.title, 1..=120);
        check.done()?;
        if !(5..=600).contains(&form.seconds) {
            return Err(LearningError::field("/seconds", "must be from 5 to 600"));
        }
        let mut conn = self.learning.conn().await?;
        let course = taught(&mut conn, who, course).await?;
        if course.published == 0 {
            return Err(LearningError::Contradicts("nobody is in a course that is not published"));
        }
        let paper = self.paper(&mut conn, who, id, form).await?;
        let row = LiveRow {
            id: LiveQuizId(id),
            course_id: course.id,
            host_id: who.user_id,
            title,
            paper: serde_json::to_value(paper)?,
            seconds: form.seconds,
            state: LiveState::Waiting.as_str().to_owned(),
            number: 0,
            opened_at: None,
            closes_at: None,
            version: 1,
            created_at: self.learning.now(),
        };
        // Under the same key it is the same quiz.
        let made = store::live::insert(&mut conn, &row).await?;
        if !made && store::live::load(&mut conn, row.id).await?.is_none_or(|own| own.course_id != course.id) {
            return Err(LearningError::Contradicts("the course has a live quiz that is not over"));
        }
        drop(conn);
        if made {
            let news = json!({ "type": "live.begun", "quiz_id": row.id, "title": row.title });
            self.live.course(row.course_id, &news);
        }
        self.ask(row.id, who).await
    }

    async fn paper(
        &self,
        conn: &mut AsyncPgConnection,
        who: &Principal,
        id: Uuid,
        form: &LiveForm,
    ) -> Result<Vec<LiveQuestion>, LearningError> {
        let missing = || LearningError::field("/bank_id", "is no bank of yours");
        let bank = self.learning.bank_of(conn, who, form.bank_id).await;
        bank.map_err(|error| if matches!(error, LearningError::No(_)) { missing() } else { error })?;
        let mut questions = Vec::new();
        for row in store::banks::questions(conn, form.bank_id).await?.into_iter().filter(|row| !row.retired) {
            let question: Question = serde_json::from_value(row.body)?;
            // Nobody grades by hand while everybody waits.
            if !matches!(question.kind, Kind::Essay {}) {
                questions.push((row.id, row.revision, question));
            }
        }
        if !(1..=MOST).contains(&questions.len()) {
            let said = "must hold 1 to 100 questions that are marked at once";
            return Err(LearningError::field("/bank_id", said));
        }
        let seed = id.as_u64_pair();
        let seed = i64::from_ne_bytes((seed.0 ^ seed.1).to_ne_bytes());
        let places = paper::draw(seed, &[(questions.clone(), None)], form.shuffle);
        let with = |place: paper::Place| {
            let found = questions.iter().find(|(id, ..)| *id == place.question)?;
            Some(LiveQuestion { question: found.2.clone(), place })
        };
        Ok(places.into_iter().filter_map(with).collect())
    }

    /// The one of a course that is not over.
    ///
    /// # Errors
    /// [`LearningError::No`], [`LearningError::NotYours`].
    pub async fn running(&self, who: &Principal, course: CourseId) -> Result<LiveView, LearningError> {
        self.learning.in_course(who, course).await?;
        let found = store::live::running(&mut *self.learning.conn().await?, course).await?;
        self.ask(found.ok_or(LearningError::No("live quiz"))?.id, who).await
    }

    /// How a quiz stands: also for whoever comes late.
    ///
    /// # Errors
    /// [`LearningError::No`], [`LearningError::NotYours`].
    pub async fn get(&self, who: &Principal, id: LiveQuizId) -> Result<LiveView, LearningError> {
        self.seen(who, id).await?;
        self.ask(id, who).await
    }

    /// Opens the next question, closes it, or ends the quiz. Its host's.
    ///
    /// # Errors
    /// [`LearningError::NoTransition`], [`LearningError::NotYours`], [`LearningError::NotNow`].
    pub async fn step(&self, who: &Principal, id: LiveQuizId, step: &str) -> Result<LiveView, LearningError> {
        let row = self.seen(who, id).await?;
        let step = LiveStep::parse(step).ok_or(LearningError::NoTransition("live quiz"))?;
        if row.host_id != who.user_id {
            return Err(LearningError::NotYours("only its host may do this"));
        }
        Ok(self.domain.ask(&id, Take(step), PATIENCE).await.map_err(gone)??)
    }

    /// Answers the open question. The first answer counts; it is kept when this returns.
    ///
    /// # Errors
    /// [`LearningError::TooLate`], [`LearningError::Invalid`], [`LearningError::Contradicts`];
    /// [`LearningError::Actor`] when it is not certain that it is kept: the same again is harmless.
    pub async fn answer(
        &self,
        who: &Principal,
        id: LiveQuizId,
        form: LiveAnswerForm,
    ) -> Result<Said, LearningError> {
        let at = self.learning.now();
        let row = self.seen(who, id).await?;
        if row.host_id == who.user_id {
            return Err(LearningError::NotYours("its host does not take part"));
        }
        let say = Say { student: who.user_id, number: form.number, answer: form.answer, at };
        let said = self.domain.ask(&id, say, PATIENCE).await;
        let outcome = match &said {
            Ok(Ok(said)) if said.duplicate => "duplicate",
            Ok(Ok(_)) => "kept",
            Ok(Err(LiveRefusal::Unavailable)) | Err(_) => "unavailable",
            Ok(Err(_)) => "refused",
        };
        self.learning.inner.metrics.live_answers.with_label_values(&[outcome]).inc();
        Ok(said.map_err(gone)??)
    }

    async fn seen(&self, who: &Principal, id: LiveQuizId) -> Result<LiveRow, LearningError> {
        let row = store::live::load(&mut *self.learning.conn().await?, id).await?;
        let row = row.ok_or(LearningError::No("live quiz"))?;
        self.learning.in_course(who, row.course_id).await?;
        Ok(row)
    }

    async fn ask(&self, id: LiveQuizId, who: &Principal) -> Result<LiveView, LearningError> {
        self.domain.ask(&id, Look(who.user_id), PATIENCE).await.map_err(gone)
    }
}

fn gone(error: AskError) -> LearningError {
    match error {
        AskError::NotFound => LearningError::No("live quiz"),
        error => LearningError::Actor(error),
    }
}
