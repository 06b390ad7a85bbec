//! `notifications.ack`, the rpc.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Notifications,
    model::{NotificationId, Which},
    views::ReadForm,
};
use crate::{
    principal::Principal,
    realtime::{ClientInfo, Rpc, RtError, Staged, second},
};

/// The rpcs, for the real-time layer.
pub fn rpcs(notifications: &Notifications) -> Vec<Arc<dyn Rpc>> {
    vec![Arc::new(Ack(notifications.clone()))]
}

struct Ack(Notifications);

/// `{ids}`, `{up_to}` or `{all: true}`.
#[derive(Deserialize)]
struct Call {
    ids: Option<Vec<NotificationId>>,
    up_to: Option<i64>,
    all: Option<bool>,
}

impl Rpc for Ack {
    fn method(&self) -> &'static str {
        "notifications.ack"
    }

    fn call(
        &self,
        who: Arc<Principal>,
        _client: ClientInfo,
        data: Box<RawValue>,
    ) -> Staged<Result<Box<RawValue>, RtError>> {
        let this = self.0.clone();
        let work = async move {
            let call: Call =
                serde_json::from_str(data.get()).map_err(|error| RtError::bad_request(error.to_string()))?;
            let form = ReadForm { ids: call.ids, up_to: call.up_to, all: call.all };
            let unread = this.read(who.user_id, &Which::of(form)?).await?;
            to_raw_value(&unread).map_err(|_| RtError::INTERNAL)
        };
        Box::pin(async move { second(work) })
    }
}
