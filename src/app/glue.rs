//! Where one part's trait meets another part's type.

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;

use crate::{
    actors::RebuildError,
    contexts::{
        chat::Outlet,
        identity::{
            Identity,
            actors::session::{SessionSource, SessionState},
        },
        ledger::{LedgerError, PaymentSink},
    },
    error::{ErrorKind, Fault},
    ports::payments::Notice,
    principal::{SessionId, UserId},
    realtime::{Channel, ClientInfo, Hub, Personal, Publication},
};

/// Chat's news: what is personal goes beside the person's log, and who types, to all nodes; what is in
/// a room's log goes to this node's members, and other nodes are told to look into the log.
pub(super) struct News {
    pub hub: Hub,
    pub personal: Personal,
}

impl Outlet for News {
    fn publish(&self, channel: &Channel, publication: &Publication) {
        if channel.namespace() == Personal::NAMESPACE {
            self.personal.publish(channel, publication.data.clone());
        } else if publication.offset == 0 {
            self.hub.broadcast(channel, publication);
        } else {
            self.hub.publish(channel, publication);
        }
    }

    fn unsubscribe(&self, user: UserId, channel: &Channel) {
        Outlet::unsubscribe(&self.hub, user, channel);
    }

    fn reset(&self, channel: &Channel) {
        Outlet::reset(&self.hub, channel);
    }

    fn presence(&self, channel: &Channel) -> Vec<ClientInfo> {
        self.hub.presence(channel)
    }

    fn veil(&self, user: UserId) {
        self.hub.veil_changed(user);
    }

    fn grown(&self, channel: &Channel) {
        self.hub.grown(channel);
    }

    fn follows(&self, channel: &Channel) -> bool {
        self.hub.follows(channel)
    }
}

/// Where a session's actor reads its session.
pub(super) struct Sessions(pub Identity);

impl SessionSource for Sessions {
    fn rebuild(&self, id: SessionId) -> BoxFuture<'static, Result<SessionState, RebuildError>> {
        let identity = self.0.clone();
        Box::pin(async move {
            match identity.session_by_id(id).await {
                Ok((session, account)) => Ok(SessionState {
                    principal: account.principal(session.id),
                    device: session.device,
                    expires_at: session.expires_at,
                }),
                Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(RebuildError::NotFound),
                Err(error) => Err(RebuildError::Unavailable(error.to_string())),
            }
        })
    }
}

/// Several who act on payments, in turn: each leaves alone what is not theirs.
pub(super) struct Sinks(pub Vec<Arc<dyn PaymentSink>>);

impl PaymentSink for Sinks {
    fn apply<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            for sink in &self.0 {
                sink.apply(conn, notice).await?;
            }
            Ok(())
        })
    }
}
