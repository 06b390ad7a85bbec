//! What is shown of live quizzes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contexts::learning::model::{
        CourseId,
        live::{LiveQuizId, LiveState},
        paper::Asked,
    },
    principal::UserId,
};

/// How a live quiz stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiveView {
    /// Its id.
    pub id: LiveQuizId,
    /// The course.
    pub course_id: CourseId,
    /// Who runs it.
    pub host_id: UserId,
    /// What it is called.
    pub title: String,
    /// Where it is.
    pub state: LiveState,
    /// The question that is or was open last, from 1; 0 before the first.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Time for each.
    pub seconds: i32,
    /// The open question; nothing in it tells the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Asked>,
    /// When its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<DateTime<Utc>>,
    /// The server's time.
    pub now: DateTime<Utc>,
    /// How many answered it.
    pub answered: usize,
    /// How many have answered anything.
    pub learners: usize,
    /// The scoreboard's first 20 places.
    pub items: Vec<LivePlace>,
    /// One's own place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<LiveOwn>,
    /// Grows with every step.
    pub version: i64,
}

/// A place on a scoreboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LivePlace {
    /// From 1; no two are the same.
    pub rank: usize,
    /// Who.
    pub user_id: UserId,
    /// Up to 1,000 a question.
    pub points: i64,
}

/// One's own place on a scoreboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveOwn {
    /// From 1.
    pub rank: usize,
    /// Up to 1,000 a question.
    pub points: i64,
    /// Whether one has answered the question that is or was open last.
    pub answered: bool,
}
