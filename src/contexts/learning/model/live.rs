//! Live quizzes: the rules. No I/O.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    marking::{self, Answer},
    paper::Place,
    quiz::Question,
};

/// What a right answer at once is worth; half of it at the last moment.
pub const MOST: i64 = 1_000;

/// An answer that was sent in time may be this long on its way.
pub const GRACE: Duration = Duration::seconds(1);

crate::id_type!(
    /// A live quiz.
    LiveQuizId
);

/// Where a live quiz is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LiveState {
    /// Before its first question.
    Waiting,
    /// A question takes answers until its time is over.
    Open,
    /// Between two questions.
    Closed,
    /// Over.
    Ended,
}

impl LiveState {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Ended => "ended",
        }
    }

    /// As it was stored.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::Open, Self::Closed, Self::Ended].into_iter().find(|one| one.as_str() == text)
    }
}

/// What a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiveStep {
    /// Opens the next question; closes the one that is open.
    Next,
    /// Closes the open question before its time.
    Close,
    /// Ends the quiz.
    End,
}

impl LiveStep {
    /// By its name in a path.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "next" => Self::Next,
            "close" => Self::Close,
            "end" => Self::End,
            _ => return None,
        })
    }

    /// Where it leads; `None` if it cannot be taken. `last` says that no question is left.
    pub fn from(self, state: LiveState, last: bool) -> Option<LiveState> {
        match (self, state) {
            (_, LiveState::Ended) => None,
            (Self::Next, _) => (!last).then_some(LiveState::Open),
            (Self::Close, LiveState::Open) => Some(LiveState::Closed),
            (Self::Close, _) => None,
            (Self::End, _) => Some(LiveState::Ended),
        }
    }
}

/// A question as it is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LiveQuestion {
    /// Its shuffle.
    pub place: Place,
    /// What is asked, as it was when the quiz was made.
    pub question: Question,
}

/// What an answer is worth, in points of [`MOST`]: its part of the marks, and half of that again for the time
/// that was left.
pub fn worth(
    asked: &LiveQuestion,
    answer: &Answer,
    opened: DateTime<Utc>,
    seconds: i32,
    at: DateTime<Utc>,
) -> i32 {
    let whole = i64::from(asked.question.points) * 100;
    let marks = marking::mark(Some(answer), &asked.place, &asked.question, 0).unwrap_or(0).clamp(0, whole);
    let all = i64::from(seconds) * 1000;
    let left = (all - (at - opened).num_milliseconds()).clamp(0, all);
    let points = MOST * marks * (all + left) / (whole.max(1) * all.max(1) * 2);
    i32::try_from(points).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contexts::learning::model::{QuestionId, quiz::Kind};

    #[test]
    fn a_right_answer_is_worth_more_the_sooner_it_comes() {
        let question = Question {
            title: String::new(),
            prompt: "Which?".into(),
            points: 3,
            feedback: String::new(),
            kind: Kind::Single { choices: vec!["a".into(), "b".into()], correct: 1 },
        };
        let place = Place { question: QuestionId::new(), revision: 1, order: vec![1, 0] };
        let asked = LiveQuestion { place, question };
        let opened = Utc::now();
        let worth = |answer, ms| {
            worth(&asked, &Answer::Choice(answer), opened, 20, opened + Duration::milliseconds(ms))
        };
        assert_eq!((worth(0, 0), worth(0, 10_000), worth(0, 20_000)), (1000, 750, 500));
        assert_eq!((worth(0, 20_900), worth(0, -50)), (500, 1000), "within bounds whatever a clock says");
        assert_eq!((worth(1, 0), worth(9, 0)), (0, 0));
    }

    #[test]
    fn what_is_over_stays_over_and_everything_ends() {
        use LiveState::{Closed, Ended, Open, Waiting};
        for state in [Waiting, Open, Closed] {
            assert_eq!(LiveStep::End.from(state, true), Some(Ended));
            assert_eq!(LiveStep::Next.from(state, true), None);
            assert_eq!(LiveStep::Next.from(state, false), Some(Open));
        }
        for step in [LiveStep::Next, LiveStep::Close, LiveStep::End] {
            assert_eq!(step.from(Ended, false), None);
        }
        assert_eq!(
            (LiveStep::Close.from(Open, true), LiveStep::Close.from(Waiting, false)),
            (Some(Closed), None)
        );
        for state in [Waiting, Open, Closed, Ended] {
            assert_eq!(LiveState::parse(state.as_str()), Some(state));
        }
    }
}
