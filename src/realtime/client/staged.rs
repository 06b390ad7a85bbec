//! `publish` and `rpc`: commands in two stages.

use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;

use super::{Client, Outcome, STAGE_DEADLINE, Work, parse_channel};
use crate::realtime::{
    lanes::ConnHandle,
    protocol::{
        command::{PublishRequest, RpcRequest},
        errors::RtError,
        json::Json,
        reply::Reply,
    },
    rpc::{Staged, refused},
};

impl Client {
    pub(super) fn publish(
        &self,
        id: u32,
        request: PublishRequest,
        permit: OwnedSemaphorePermit,
    ) -> Work<Outcome> {
        let staged = self.stage_publish(request).unwrap_or_else(refused);
        let handle = self.cx.handle.clone();
        two_stages(id, staged, handle, permit, |handle, id, ()| handle.reply(id, &Reply::Publish))
    }

    pub(super) fn rpc(&self, id: u32, request: RpcRequest, permit: OwnedSemaphorePermit) -> Work<Outcome> {
        let staged = match self.cx.core.rpc(&request.method) {
            // An account that is erased may look on, and say nothing.
            Some(_) if self.cx.who.is_leaving() => refused(RtError::PERMISSION_DENIED),
            Some(rpc) => {
                let data = request.data.unwrap_or_else(null);
                rpc.call(self.cx.who.clone(), self.cx.info.clone(), data)
            }
            None => refused(RtError::METHOD_NOT_FOUND),
        };
        let handle = self.cx.handle.clone();
        two_stages(id, staged, handle, permit, |handle, id, answer: Box<RawValue>| {
            match answer.get().contains('\n').then(|| Json::from_raw(&answer)) {
                None => handle.reply(id, &Reply::Rpc(answer.get().as_bytes())),
                Some(Some(json)) => handle.reply(id, &Reply::Rpc(json.as_bytes())),
                Some(None) => handle.refuse(id, &RtError::INTERNAL),
            }
        })
    }

    fn stage_publish(&self, request: PublishRequest) -> Result<Staged<Result<(), RtError>>, RtError> {
        if self.cx.who.is_leaving() {
            return Err(RtError::PERMISSION_DENIED);
        }
        let channel = parse_channel(&request.channel)?;
        let namespace = self.cx.core.namespace(&channel).ok_or(RtError::UNKNOWN_CHANNEL)?;
        if !namespace.options().publish {
            return Err(RtError::NOT_AVAILABLE);
        }
        let data = request.data.ok_or_else(|| RtError::bad_request("data is required"))?;
        // Everybody in the channel gets these bytes: they are made safe here, once.
        let data = Json::from_raw(&data).ok_or_else(|| RtError::bad_request("data nests too deeply"))?;
        let data: Box<RawValue> =
            serde_json::from_slice(data.as_bytes()).map_err(|_| RtError::BAD_REQUEST)?;
        Ok(namespace.publish(self.cx.who.clone(), self.cx.info.clone(), channel, data))
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// Runs a first stage in the lane, and leaves its second to run beside.
fn two_stages<T: Send + 'static>(
    id: u32,
    staged: Staged<Result<T, RtError>>,
    handle: ConnHandle,
    permit: OwnedSemaphorePermit,
    answer: impl FnOnce(&ConnHandle, u32, T) + Send + 'static,
) -> Work<Outcome> {
    Box::pin(async move {
        let Ok(second) = tokio::time::timeout(STAGE_DEADLINE, staged).await else {
            handle.refuse(id, &RtError::INTERNAL);
            return Outcome::NOTHING;
        };
        let beside = async move {
            let result = tokio::time::timeout(STAGE_DEADLINE, second).await;
            match result.unwrap_or(Err(RtError::INTERNAL)) {
                Ok(value) => answer(&handle, id, value),
                Err(error) => handle.refuse(id, &error),
            }
            drop(permit);
        };
        Outcome { beside: Some(Box::pin(beside)), ..Outcome::NOTHING }
    })
}
