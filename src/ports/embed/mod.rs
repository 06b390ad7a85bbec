//! Texts as vectors whose cosine tells how near their meanings are.
//!
//! Two ways stand behind one handle: the model that is compiled in, which needs nothing and runs in
//! microseconds, and any endpoint that speaks OpenAI's embeddings call, by `EMBEDDINGS_URL`. Vectors of
//! different models cannot be compared: whoever keeps vectors keeps [`Model::name`] with them.

mod builtin;
mod endpoint;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use builtin::Builtin;
use endpoint::Endpoint;
pub use endpoint::EndpointSettings;

use super::{Mode, StoreStatus};
use crate::error::{ErrorKind, Fault};

/// What is embedded to see whether the endpoint does.
const PROBE: &str = "a gig for a student";

/// What makes vectors. Cheap to clone.
#[derive(Clone)]
pub struct Embedder {
    model: Arc<Model>,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Builtin(Builtin),
    Endpoint(Arc<Endpoint>),
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

    /// What happened, for the log. Holds no secret.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unavailable { reason, .. } | Self::Rejected { reason } => reason,
            Self::Dimension { .. } => "another dimension",
        }
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
        Self { model: Arc::new(model), way: Way::Builtin(builtin) }
    }

    /// An endpoint; it is not asked yet.
    ///
    /// # Errors
    /// [`EmbedError::Rejected`] where outgoing TLS cannot be set up.
    pub fn endpoint(settings: EndpointSettings) -> Result<Self, EmbedError> {
        let name = format!("{}-{}", settings.model, settings.dimension);
        let model = Model { name, dimension: settings.dimension };
        Ok(Self { model: Arc::new(model), way: Way::Endpoint(Arc::new(Endpoint::new(settings)?)) })
    }

    /// Which model it is.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// A vector of unit length for each text, in order. A text without a word has the null vector, which
    /// is near nothing and which vector stores refuse: callers leave it out.
    ///
    /// # Errors
    /// [`EmbedError`]; never of the model that is compiled in.
    pub async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        match &self.way {
            Way::Builtin(model) => Ok(texts.iter().map(|text| model.embed(text)).collect()),
            Way::Endpoint(endpoint) => endpoint.embed(texts).await,
        }
    }

    /// Whether vectors come, and of the stated dimension.
    ///
    /// # Errors
    /// [`EmbedError`]; a transient one says nothing about the configuration.
    pub async fn check(&self) -> Result<(), EmbedError> {
        self.embed(&[PROBE.to_owned()]).await.map(|_| ())
    }

    /// For `gigsy check`: asks for one vector.
    pub async fn status(&self) -> StoreStatus {
        let begun = Instant::now();
        let outcome = self.check().await;
        let (mode, place) = match &self.way {
            Way::Builtin(_) => (Mode::Embedded, String::new()),
            Way::Endpoint(endpoint) => (Mode::Server, format!(" at {}", endpoint.host())),
        };
        let server = mode == Mode::Server;
        match outcome {
            Ok(()) => StoreStatus {
                name: STORE,
                mode,
                reachable: true,
                latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
                version: Some(self.model.name.clone()),
                detail: Some(format!("{} numbers a vector{place}", self.model.dimension)),
                mend: None,
            },
            Err(error) => Self::failed(server, &error),
        }
    }

    /// The same where there is none to ask.
    pub fn failed(server: bool, error: &EmbedError) -> StoreStatus {
        let mend = match error {
            EmbedError::Unavailable { reason, .. } => {
                format!("{error} ({reason}): search goes by words meanwhile")
            }
            EmbedError::Rejected { reason } => {
                format!("{error} ({reason}): look at EMBEDDINGS_URL, EMBEDDINGS_MODEL and EMBEDDINGS_KEY")
            }
            EmbedError::Dimension { expected, found } => {
                format!("EMBEDDINGS_DIMENSION says {expected}, the model's vectors have {found}")
            }
        };
        StoreStatus {
            name: STORE,
            mode: if server { Mode::Server } else { Mode::Embedded },
            reachable: false,
            latency_ms: None,
            version: None,
            detail: None,
            mend: Some(mend),
        }
    }
}

/// As it is called in `gigsy check`.
const STORE: &str = "embeddings";

/// Makes a vector one long, unless it is null.
fn normalise(vector: &mut [f32]) {
    // By its largest number first: squares of small ones would vanish, of large ones overflow.
    let largest = vector.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    if largest > 0.0 && largest.is_finite() {
        vector.iter_mut().for_each(|x| *x /= largest);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
    } else {
        vector.fill(0.0);
    }
}
