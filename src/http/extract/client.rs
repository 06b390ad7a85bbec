//! The address of whoever is asking.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    net::{IpAddr, Ipv4Addr},
};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

use crate::config::{Config, Network};

/// The client's address: the peer, or, where the peer is a trusted proxy, the right-most address
/// of `X-Forwarded-For` that is not one itself. What stands further left is anybody's claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr(pub IpAddr);

impl ClientAddr {
    /// The address behind a request.
    pub fn of(req: &HttpRequest) -> Self {
        let peer = req.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |a| a.ip());
        let trusted: &[Network] =
            req.app_data::<web::Data<Config>>().map_or(&[], |c| c.server.trusted_proxies.as_slice());
        let forwarded = req
            .headers()
            .get_all("x-forwarded-for")
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(str::trim)
            .collect::<Vec<_>>();
        Self(resolve(peer, &forwarded, trusted))
    }
}

fn resolve(peer: IpAddr, forwarded: &[&str], trusted: &[Network]) -> IpAddr {
    let mut address = peer;
    for hop in forwarded.iter().rev() {
        if !trusted.iter().any(|network| network.contains(address)) {
            break;
        }
        match hop.parse() {
            Ok(next) => address = next,
            Err(_) => break,
        }
    }
    address
}

impl FromRequest for ClientAddr {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(req)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_peer_is_believed() {
        let ip = |s: &str| s.parse::<IpAddr>().unwrap();
        let (proxy, client, liar) = (ip("10.0.0.1"), ip("203.0.113.9"), ip("198.51.100.1"));
        let proxies: [Network; 1] = ["10.0.0.0/24".parse().unwrap()];
        let hops = ["198.51.100.1", "203.0.113.9"];
        assert_eq!(resolve(proxy, &hops, &proxies), client);
        assert_eq!(resolve(client, &["198.51.100.1"], &proxies), client);
        assert_eq!(resolve(proxy, &["198.51.100.1", "10.0.0.1"], &proxies), liar);
        assert_eq!(resolve(proxy, &["junk"], &proxies), proxy);
    }
}
