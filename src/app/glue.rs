//! Where one part's trait meets another part's type.

use actix_web::cookie::Cookie;
use futures_util::future::BoxFuture;

use crate::{
    actors::{Domain, RebuildError},
    contexts::{
        chat::Outlet,
        identity::{
            Identity, IdentityError, SessionNotices,
            actors::session::{Revoke, SessionSource, SessionState, UserSession},
        },
    },
    error::{ErrorKind, Fault},
    http::extract::COOKIE,
    principal::{SessionId, UserId},
    realtime::{
        Admission, Authenticator, Channel, ClientInfo, Disconnect, Hub, Personal, Publication, RtError,
    },
};

/// Chat's news: what is personal is kept for a while, everything else goes straight to the hub
/// (a room's log keeps it).
pub(super) struct News {
    pub hub: Hub,
    pub personal: Personal,
}

impl Outlet for News {
    fn publish(&self, channel: &Channel, publication: &Publication) {
        if channel.namespace() == Personal::NAMESPACE {
            self.personal.publish(channel, publication.data.clone());
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
}

/// Lets connections in by what identity knows.
pub(super) struct Credentials(pub Identity);

impl Authenticator for Credentials {
    fn by_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            match self.0.by_realtime_token(token).await {
                Ok(grant) => {
                    Ok(Admission { principal: grant.principal, expires_at: Some(grant.expires_at) })
                }
                Err(IdentityError::TokenExpired) => Err(RtError::TOKEN_EXPIRED),
                Err(error) if error.kind() == ErrorKind::Unauthenticated => Err(RtError::INVALID_TOKEN),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn by_cookie<'a>(&'a self, cookie: &'a str) -> BoxFuture<'a, Result<Admission, RtError>> {
        Box::pin(async move {
            let session = cookie
                .split(';')
                .filter_map(|pair| Cookie::parse(pair.trim()).ok())
                .find(|cookie| cookie.name() == COOKIE);
            let Some(session) = session else { return Err(RtError::UNAUTHORIZED) };
            match self.0.by_session_token(session.value()).await {
                Ok(principal) => Ok(Admission { principal, expires_at: None }),
                Err(error) => Err(error.into()),
            }
        })
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

/// Ends the connections of sessions that ended.
pub(super) struct Notices {
    pub sessions: Domain<UserSession>,
    pub hub: Hub,
}

impl SessionNotices for Notices {
    fn revoked(&self, ids: &[SessionId]) {
        for id in ids {
            let told = self.sessions.live(id).is_some_and(|mailbox| mailbox.tell(Revoke).is_ok());
            if !told {
                // No live actor, or one that is too busy: its sockets are reached past it.
                self.hub.disconnect_session(*id, &Disconnect::REVOKED);
            }
        }
    }
}
