//! Calls to Qdrant: bounded in time, tried again where that can help, and what their failures mean.

use std::time::Duration;

use qdrant_client::{Qdrant as Client, QdrantError};
use tonic::Code;

use super::super::{Answer, VectorError};
use crate::{config::QdrantConfig, ports::driver::Driver};

/// How often a call is made at most.
const TRIES: u32 = 3;
/// The pause before the second try; it doubles.
const PAUSE: Duration = Duration::from_millis(100);
/// No pause is longer, whatever the server asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The way to the server.
pub(super) struct Calls {
    client: Client,
    driver: Driver,
    patience: Duration,
}

impl Calls {
    /// `None` when no URL is set.
    pub fn connect(config: &QdrantConfig) -> Answer<Option<Self>> {
        let Some(url) = &config.url else { return Ok(None) };
        let patience = Duration::from_millis(config.timeout_ms);
        let mut builder = Client::from_url(url.as_str().trim_end_matches('/'))
            .timeout(patience)
            .connect_timeout(patience.min(Duration::from_secs(2)))
            // It would print what it finds; `ready` and `gigsy check` look at the version themselves.
            .skip_compatibility_check();
        if let Some(key) = &config.api_key {
            builder = builder.api_key(key.clone());
        }
        let client = builder.build().map_err(|error| VectorError::Invalid(format!("QDRANT_URL: {error}")))?;
        let driver = Driver::start("qdrant-io").map_err(|error| VectorError::Failed(error.to_string()))?;
        Ok(Some(Self { client, driver, patience }))
    }

    /// Makes a call, up to three times: whatever it does may be done twice. All tries together take no longer
    /// than the deadline.
    pub async fn run<T, F>(&self, call: impl Fn(Client) -> F + Send + Sync + 'static) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QdrantError>> + Send + 'static,
    {
        let (client, patience) = (self.client.clone(), self.patience);
        let all = async move {
            let mut pause = PAUSE;
            for again in (0..TRIES).rev() {
                let error = match call(client.clone()).await {
                    Ok(done) => return Ok(done),
                    Err(error) => error,
                };
                if again == 0 || !may_help(&error) {
                    return Err(meaning(&error));
                }
                tokio::time::sleep(asked_for(&error).unwrap_or(pause).min(LONGEST_PAUSE)).await;
                pause *= 2;
            }
            Err(VectorError::Unavailable("no try was left".into()))
        };
        // Boxed: requests are large.
        let bounded = Box::pin(async move { tokio::time::timeout(patience, all).await });
        match self.driver.run(bounded).await {
            Some(Ok(done)) => done,
            Some(Err(_)) => Err(VectorError::Unavailable("no answer in time".into())),
            None => Err(VectorError::Unavailable("the call was broken off".into())),
        }
    }

    /// The server's version.
    pub async fn version(&self) -> Answer<String> {
        Ok(self.run(|client| async move { client.health_check().await }).await?.version)
    }
}

fn code(error: &QdrantError) -> Option<Code> {
    match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            Some(status.code())
        }
        _ => None,
    }
}

fn asked_for(error: &QdrantError) -> Option<Duration> {
    match error {
        QdrantError::ResourceExhaustedError { retry_after_seconds, .. } => {
            Some(Duration::from_secs(*retry_after_seconds))
        }
        _ => None,
    }
}

/// Whether it may go well a moment later. The client says `Internal` where it cannot connect; a server whose
/// own fault it is says so too.
fn may_help(error: &QdrantError) -> bool {
    matches!(
        code(error),
        Some(
            Code::Unavailable
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::Internal
                | Code::Unknown
                | Code::Cancelled
        )
    )
}

fn meaning(error: &QdrantError) -> VectorError {
    let said = match error {
        QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. } => {
            format!("{:?}: {}", status.code(), status.message())
        }
        other => other.to_string(),
    };
    match code(error) {
        Some(Code::NotFound) => VectorError::Missing(said),
        Some(Code::DeadlineExceeded) => VectorError::Unavailable(said),
        _ if may_help(error) => VectorError::Unavailable(said),
        _ => VectorError::Failed(said),
    }
}
