//! Where one part's trait meets another part's type.

use futures_util::future::BoxFuture;

use crate::{
    contexts::{
        chat::Outlet,
        identity::{Identity, IdentityError, SessionNotices},
    },
    principal::{SessionId, UserId},
    realtime::{
        Admission, Authenticator, Channel, ClientInfo, Disconnect, Hub, Personal, Publication, RtError,
    },
};
