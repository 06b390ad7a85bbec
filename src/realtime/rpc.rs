//! Remote procedures, and commands that run in two stages.

use std::{future::Future, sync::Arc};

use futures_util::future::BoxFuture;
use serde_json::value::RawValue;

use super::{channels::ClientInfo, protocol::errors::RtError};
use crate::principal::Principal;

/// The second stage of a command: awaits what the first set going.
pub type Second<T> = BoxFuture<'static, T>;

/// A command in two stages.
///
/// The first runs in the connection's command order: authorise, find the actor, **enqueue**. The
/// second (wait until the write is durable) runs beside the connection's next commands. So one
/// client's pipelined sends keep their order and still share one insert.
pub type Staged<T> = BoxFuture<'static, Second<T>>;

/// What an rpc answers.
pub type RpcAnswer = Result<Box<RawValue>, RtError>;

/// One remote procedure, `chat.send` say.
pub trait Rpc: Send + Sync + 'static {
    /// The name clients call.
    fn method(&self) -> &'static str;

    /// Runs it. `data` is the client's JSON as it came, `null` if it sent none.
    fn call(&self, who: Arc<Principal>, client: ClientInfo, data: Box<RawValue>) -> Staged<RpcAnswer>;
}

/// A staged command whose answer is known already.
#[allow(clippy::async_yields_async, reason = "a first stage yields its second")]
pub fn ready<T: Send + 'static>(answer: T) -> Staged<T> {
    let waiting = second(std::future::ready(answer));
    Box::pin(std::future::ready(waiting))
}

/// A staged command that is refused at once.
pub fn refused<T: Send + 'static>(error: RtError) -> Staged<Result<T, RtError>> {
    ready(Err(error))
}

/// A second stage from a future; inside a first stage: `return second(async move { … })`.
pub fn second<T>(work: impl Future<Output = T> + Send + 'static) -> Second<T> {
    Box::pin(work)
}
