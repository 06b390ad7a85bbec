//! The push services that messages go to.
//!
//! An endpoint is whatever a client says it is, and we send to it from inside: so it has to be a push
//! service that the operator knows.

use url::{Host, Url};

/// Names of hosts; `*.example.org` stands for every name below it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(std::sync::Arc<[String]>);

impl Hosts {
    /// Those of a list.
    pub fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| name.trim().to_ascii_lowercase()).collect())
    }

    /// Whether an endpoint is one of a push service: by HTTPS, or, on a loopback address that is named,
    /// by HTTP.
    pub fn take(&self, endpoint: &Url) -> bool {
        let Some(host) = endpoint.host() else { return false };
        let plain = endpoint.username().is_empty() && endpoint.password().is_none();
        let loopback = match &host {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(name) => *name == "localhost",
        };
        let scheme = endpoint.scheme() == "https" || (loopback && endpoint.scheme() == "http");
        let name = host.to_string();
        let known = self.0.iter().any(|known| match known.strip_prefix("*.") {
            Some(above) => {
                let below = name.strip_suffix(above).and_then(|below| below.strip_suffix('.'));
                below.is_some_and(|below| !below.is_empty())
            }
            None => *known == name,
        });
        plain && scheme && known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_push_services_that_are_named_are_sent_to() {
        let names = ["updates.push.example", "*.notify.example", "127.0.0.1"].map(str::to_owned);
        let hosts = Hosts::new(&names);
        for (endpoint, is) in [
            ("https://updates.push.example/wpush/v2/abc", true),
            ("https://updates.push.example:8443/x", true),
            ("https://db5.notify.example/w/?token=x", true),
            ("http://127.0.0.1:9999/x", true),
            ("http://updates.push.example/x", false),
            ("https://notify.example/x", false),
            ("https://evilnotify.example/x", false),
            ("https://updates.push.example.evil.org/x", false),
            ("https://user@updates.push.example/x", false),
            ("https://127.0.0.2/x", false),
            ("http://169.254.169.254/latest/meta-data", false),
            ("file:///etc/passwd", false),
            ("https://[::1]/x", false),
        ] {
            assert_eq!(hosts.take(&endpoint.parse().unwrap()), is, "{endpoint}");
        }
    }
}
