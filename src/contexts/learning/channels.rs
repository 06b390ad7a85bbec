//! `course:<id>`: what is told to everybody in a course. A bounded ring in memory, the same publications
//! on every node: after a restart a client is told `recovered: false` and reads again by REST.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{Learning, LearningError, model::CourseId};
use crate::{
    principal::{Principal, UserId},
    realtime::{
        Channel, ChannelLog, ChannelOptions, Hub, Json, Namespace, Publication, RtError, SharedRing,
        Unsubscribe,
    },
    telemetry::log,
};

const COURSE: &str = "course";
/// Publications kept for those who are away for a moment.
const KEPT: usize = 128;
/// How long they are kept.
const KEPT_FOR: Duration = Duration::from_secs(60 * 60);

/// Where a course's news go. Cheap to clone.
#[derive(Clone)]
pub struct Live {
    ring: SharedRing,
    hub: Hub,
}

impl Live {
    /// News on a hub.
    pub fn new(hub: Hub) -> Self {
        let here = hub.clone();
        hub.follow(COURSE, move |left| {
            // A course by itself comes after a gap: then nobody knows who left.
            if let Some((course, user)) = left.id().split_once('/')
                && let Ok(user) = user.parse::<UserId>()
            {
                here.unsubscribe_user(user, &Channel::of(COURSE, course), &Unsubscribe::SERVER);
            }
        });
        Self { ring: SharedRing::new(hub.clone(), &[COURSE], KEPT, KEPT_FOR, false), hub }
    }

    /// To everybody in a course.
    pub fn course(&self, id: CourseId, news: &Value) {
        let channel = Channel::of(COURSE, id);
        match Json::of(news) {
            Ok(data) => self.ring.publish(&channel, data),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }

    /// To those who look at a course on this node now; nobody gets it later.
    pub fn moment(&self, id: CourseId, news: &Value) {
        match Json::of(news) {
            Ok(data) => self.hub.publish(&Channel::of(COURSE, id), &Publication::ephemeral(data)),
            Err(error) => slog::error!(log(), "cannot encode news"; "error" => %error),
        }
    }

    /// Takes the channel of a course away from somebody who is in it no longer: whether they may look is
    /// asked only when they subscribe. Other nodes hear it by a word; if it is lost, they keep it there
    /// until they connect anew.
    pub fn leaves(&self, user: UserId, course: CourseId) {
        self.hub.unsubscribe_user(user, &Channel::of(COURSE, course), &Unsubscribe::SERVER);
        self.hub.grown(&Channel::of(COURSE, format_args!("{course}/{user}")));
    }

    /// Whether anybody on this node looks at a course.
    pub fn is_watched(&self, id: CourseId) -> bool {
        self.hub.has_members(&Channel::of(COURSE, id))
    }

    /// Forgets courses that nobody has looked at for long; call it now and then.
    pub fn sweep(&self) {
        self.ring.sweep();
    }

    /// What was published.
    #[cfg(test)]
    pub(crate) fn log(&self) -> &crate::realtime::MemoryRing {
        &self.ring
    }
}

/// The namespace, for the real-time layer.
pub fn namespaces(learning: &Learning, live: &Live) -> Vec<Arc<dyn Namespace>> {
    vec![Arc::new(Courses { learning: learning.clone(), live: live.clone() })]
}

struct Courses {
    learning: Learning,
    live: Live,
}

impl Namespace for Courses {
    fn name(&self) -> &'static str {
        COURSE
    }

    fn options(&self) -> ChannelOptions {
        ChannelOptions { recoverable: true, history: true, ..ChannelOptions::default() }
    }

    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>> {
        Box::pin(async move {
            let id = channel.id().parse().map_err(|_| RtError::UNKNOWN_CHANNEL)?;
            match self.learning.in_course(who, id).await {
                Ok(()) => Ok(()),
                Err(LearningError::No(_)) => Err(RtError::UNKNOWN_CHANNEL),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn log(&self) -> Option<&dyn ChannelLog> {
        Some(&*self.live.ring)
    }
}
