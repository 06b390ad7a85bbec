//! Which web origins may call: the public URL's own and those of `server.allowed_origins`.

use url::Url;

use crate::config::Config;

/// The allow-list, compared by scheme, host and port (RFC 6454).
#[derive(Clone, Debug)]
pub struct Origins {
    allowed: Vec<url::Origin>,
    /// On a machine's own loopback every loopback name of our port is the same server.
    loopback_port: Option<u16>,
}

impl Origins {
    /// The list that the configuration gives.
    pub fn new(config: &Config) -> Self {
        let own = Url::parse(&config.public_url()).ok();
        let allowed = own.iter().chain(&config.server.allowed_origins).map(Url::origin).collect();
        let loopback_port =
            (config.is_loopback() && config.server.public_url.is_none()).then(|| config.server.listen.port());
        Self { allowed, loopback_port }
    }

    /// Whether an `Origin` header's value is on the list. `null` never is.
    pub fn allow(&self, origin: &str) -> bool {
        let Ok(url) = Url::parse(origin) else { return false };
        if self.allowed.contains(&url.origin()) {
            return true;
        }
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        local
            && url.scheme() == "http"
            && self.loopback_port.is_some()
            && self.loopback_port == url.port_or_known_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(vars: &[(&str, &str)]) -> Origins {
        let vars = vars.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Origins::new(&crate::config::layer("x".into(), "", vars).unwrap())
    }

    #[test]
    fn own_and_listed_origins_pass_and_no_other() {
        let on = origins(&[
            ("GIGSY_PUBLIC_URL", "https://api.example.org/"),
            ("GIGSY_ALLOWED_ORIGINS", "https://app.example.org"),
        ]);
        assert!(on.allow("https://api.example.org"));
        assert!(on.allow("https://app.example.org"));
        for other in [
            "http://app.example.org",
            "https://app.example.org.evil.test",
            "null",
            "",
            "https://app.example.org:444",
            "http://127.0.0.1:8080",
        ] {
            assert!(!on.allow(other), "{other}");
        }
    }

    #[test]
    fn loopback_names_of_our_own_port_are_ours() {
        let on = origins(&[("GIGSY_LISTEN", "127.0.0.1:9000")]);
        assert!(on.allow("http://localhost:9000"));
        assert!(on.allow("http://127.0.0.1:9000"));
        assert!(!on.allow("http://localhost:9001"));
    }
}
