//! Leaderboards by rpc: the same questions as over REST.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Boards,
    service::{BoardForm, PartForm},
};
use crate::{
    principal::Principal,
    realtime::{ClientInfo, Rpc, RtError, Staged, rpc::RpcAnswer, second},
};

/// The context's remote procedures.
pub fn rpcs(boards: &Boards) -> Vec<Arc<dyn Rpc>> {
    [Method::Top, Method::AroundMe]
        .into_iter()
        .map(|method| Arc::new(BoardRpc { boards: boards.clone(), method }) as Arc<dyn Rpc>)
        .collect()
}

#[derive(Clone, Copy)]
enum Method {
    Top,
    AroundMe,
}

#[derive(Deserialize)]
struct Call {
    #[serde(flatten)]
    form: BoardForm,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    span: Option<usize>,
}

struct BoardRpc {
    boards: Boards,
    method: Method,
}

impl Rpc for BoardRpc {
    fn method(&self) -> &'static str {
        match self.method {
            Method::Top => "leaderboard.top",
            Method::AroundMe => "leaderboard.around_me",
        }
    }

    fn call(&self, who: Arc<Principal>, _client: ClientInfo, data: Box<RawValue>) -> Staged<RpcAnswer> {
        let (boards, method) = (self.boards.clone(), self.method);
        Box::pin(async move {
            // A read: it runs beside the connection's next commands.
            second(async move {
                let call: Call = serde_json::from_str(data.get()).map_err(|_| {
                    RtError::bad_request("data must be {\"board\", \"window\"?, \"limit\"? or \"span\"?}")
                })?;
                let part = match method {
                    Method::Top => PartForm::Top(call.limit.unwrap_or(10)),
                    Method::AroundMe => PartForm::Around(call.span.unwrap_or(5)),
                };
                let part = boards.part(who.user_id, &call.form, part).await?;
                to_raw_value(&part).map_err(|_| RtError::INTERNAL)
            })
        })
    }
}
