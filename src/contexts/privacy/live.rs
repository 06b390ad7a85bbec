//! News of archives and erasures, on `user:<id>`.

use serde_json::Value;

use super::Privacy;
use crate::{
    principal::UserId,
    realtime::{Json, Personal},
    telemetry::log,
};

impl Privacy {
    /// Tells a person, on every device that is connected now.
    pub(super) fn show(&self, person: UserId, news: &Value) {
        match Json::of(news) {
            Ok(data) => self.parts().personal.publish(&Personal::channel(person), data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }
}
