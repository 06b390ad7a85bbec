//! Where news go: `user:<id>`, to whoever a booking concerns.

use serde_json::Value;

use crate::{
    principal::UserId,
    realtime::{Json, Personal},
    telemetry::log,
};

/// The context's news. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    personal: Personal,
}

impl Live {
    /// News on people's channels.
    pub fn new(personal: Personal) -> Self {
        Self { personal }
    }

    /// To one person, on all their devices.
    pub fn person(&self, who: UserId, news: &Value) {
        match Json::of(news) {
            Ok(data) => self.personal.publish(&Personal::channel(who), data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }
}
