//! Texts as vectors whose cosine tells how near their meanings are.
//!
//! Two ways stand behind one handle: the model that is compiled in, which needs nothing and runs in
//! microseconds, and any endpoint that speaks OpenAI's embeddings call, by `EMBEDDINGS_URL`. Vectors of
//! different models cannot be compared: whoever keeps vectors keeps [`Model::name`] with them.

mod builtin;

use std::{sync::Arc, time::Duration};

use crate::error::{ErrorKind, Fault};

use builtin::Builtin;

/// What makes vectors. Cheap to clone.
#[derive(Clone)]
pub struct Embedder {
    model: Arc<Model>,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Builtin(Arc<Builtin>),
}

/// Which model it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Name and version: where it changes, kept vectors must be made anew.
    pub name: String,
    /// Numbers in a vector.
    pub dimension: usize,
}

/// Why there are no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// The endpoint did not answer, or asked us to come back.
    #[error("the embedding service does not answer at the moment")]
    Unavailable {
        /// When to come back, if it said.
        retry_after: Option<Duration>,
        /// What happened; for the log.
        reason: String,
    },
    /// The endpoint refused the call, or answered something of another shape: a mistake of the
    /// configuration or of the endpoint.
    #[error("the embedding service refused the call")]
    Rejected {
        /// What it said; for the log.
        reason: String,
    },
    /// The vectors are not of the dimension that the configuration states.
    #[error("the embedding service answers vectors of another dimension")]
    Dimension {
        /// What was expected.
        expected: usize,
        /// What came.
        found: usize,
    },
}

impl EmbedError {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl Fault for EmbedError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Rejected { .. } | Self::Dimension { .. } => ErrorKind::Internal,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.or(Some(Duration::from_secs(1))),
            _ => None,
        }
    }
}

impl Embedder {
    /// The model that is compiled in.
    pub fn builtin() -> Self {
        let builtin = Builtin::new();
        let model = Model { name: builtin.name().to_owned(), dimension: builtin.dimension() };
        Self { model: Arc::new(model), way: Way::Builtin(Arc::new(builtin)) }
    }

    /// Which model it is.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A vector of unit length for each text, in order. A text without a word has a fixed vector that
    /// means nothing.
    ///
    /// # Errors
    /// [`EmbedError`]; never of the model that is compiled in.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        match &self.way {
            Way::Builtin(model) => Ok(texts.iter().map(|text| model.embed(text)).collect()),
        }
    }
}
