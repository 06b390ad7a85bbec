//! nginx with the shipped configuration before one node: TLS, redirects, whose address counts, limits,
//! and what is not for everybody.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use serde_json::json;

use crate::tests::support::{
    database::TestDatabase,
    https::{Https, Reply, trusting},
    nginx::{Nginx, free_port},
    server::{PASSWORD, Server, text},
    skip::skip,
    wait::eventually,
};

/// Who may see `/ops` in these tests.
const OPERATOR: [u8; 4] = [127, 0, 0, 5];

struct Front {
    server: Server,
    nginx: Nginx,
    _database: TestDatabase,
}

impl Front {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let at = free_port();
        let nginx = Nginx::start(&[at], "allow 127.0.0.5;").await;
        let database = TestDatabase::new();
        let (url, listen) = (database.url().to_string(), at.to_string());
        let public = format!("https://localhost:{}", nginx.https.port());
        let mut env = vec![
            ("DATABASE_URL", url.as_str()),
            ("GIGSY_LISTEN", listen.as_str()),
            ("GIGSY_PUBLIC_URL", public.as_str()),
            // Where nginx comes from, and nobody else.
            ("GIGSY_TRUSTED_PROXIES", "127.0.0.1/32"),
        ];
        env.extend_from_slice(settings);
        Self { server: Server::start(&env).await, nginx, _database: database }
    }

    fn from(&self, address: [u8; 4]) -> Https {
        Https::new(self.nginx.https, &self.nginx.certificate.cert, address)
    }

    /// Speaks TLS of these versions under that name, and says what came of it.
    async fn handshake(
        &self,
        name: &'static str,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Result<(), String> {
        let config = Arc::new(trusting(&self.nginx.certificate.cert, versions));
        let name = ServerName::try_from(name).expect("a name");
        let mut session = rustls::ClientConnection::new(config, name).map_err(|e| e.to_string())?;
        let at = self.nginx.https;
        tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(at).map_err(|e| e.to_string())?;
            while session.is_handshaking() {
                session.complete_io(&mut stream).map_err(|e| e.to_string())?;
            }
            Ok(())
        })
        .await
        .expect("no panic")
    }
}

const HSTS: &str = "max-age=63072000; includeSubDomains";

#[actix_web::test]
async fn nginx_speaks_modern_tls_and_keeps_what_is_not_for_everybody() {
    if let Some(why) = Nginx::missing() {
        skip!("nginx with the shipped configuration", why);
    }
    let front = Front::start(&[]).await;
    let (anyone, operator) = (front.from([127, 0, 0, 1]), front.from(OPERATOR));

    let page = anyone.get("/").await;
    assert_eq!((page.status, page.header("strict-transport-security")), (200, HSTS));
    assert!(page.header("content-security-policy").contains("default-src"), "gigsy's own headers pass");
    front.handshake("localhost", rustls::DEFAULT_VERSIONS).await.expect("TLS 1.3");
    front.handshake("localhost", &[&rustls::version::TLS12]).await.expect_err("TLS 1.2 is over");
    front.handshake("elsewhere.test", rustls::DEFAULT_VERSIONS).await.expect_err("no certificate for others");

    // Without TLS there is only the way to it, and the authority's challenges.
    let plain = |path: &str| format!("http://{}{path}", front.nginx.http);
    let moved = anyone.get(&plain("/gigs?q=1%202")).await;
    assert_eq!((moved.status, moved.header("location")), (308, "https://localhost/gigs?q=1%202"));
    std::fs::write(front.nginx.challenges().join("token-1"), "token-1.key").expect("written");
    let challenge = anyone.get(&plain("/.well-known/acme-challenge/token-1")).await;
    assert_eq!((challenge.status, challenge.text.as_str()), (200, "token-1.key"));

    let squeezed = anyone.send("GET", "/api/openapi.json", &[("accept-encoding", "gzip")], None).await;
    let squeezed = squeezed.expect("answered");
    assert_eq!((squeezed.status, squeezed.header("content-encoding")), (200, "gzip"));

    for path in ["/ops", "/ops/", "/api/v1/ops/actors", "/api/v1/ops", "/%6fps", "//ops", "/x/../ops"] {
        let reply = anyone.get(path).await;
        reply.expect_problem(403);
        assert_eq!(reply.header("strict-transport-security"), HSTS, "{path}");
        let pretended = anyone.send("GET", path, &[("x-forwarded-for", "127.0.0.5")], None).await;
        pretended.expect("answered").expect_problem(403);
    }
    assert_eq!(operator.get("/ops").await.status, 200);
    // The address alone opens nothing: the role is asked for.
    operator.get("/api/v1/ops/actors").await.expect_problem(401);
    for path in ["/metrics", "//metrics", "/%6detrics", "/x/../metrics", "/metrics/", "/metric%2573"] {
        for client in [&anyone, &operator] {
            let reply = client.get(path).await;
            assert_eq!(reply.status, 404, "{path}");
            assert!(!reply.text.contains("gigsy_"), "{path}: {}", reply.text);
        }
    }
    assert!(front.server.api().get("/metrics").await.text.contains("gigsy_"), "inside it is there");

    // What nginx logs of a request: no query, no address that somebody claimed.
    anyone.get("/healthz?token=hush").await;
    let log = front.nginx.access_log();
    assert!(!log.contains("hush"), "{log}");
    let last: serde_json::Value =
        log.lines().last().and_then(|l| serde_json::from_str(l).ok()).expect("JSON");
    assert_eq!((last["path"].as_str(), last["client"].as_str()), (Some("/healthz"), Some("127.0.0.1")));
    assert!(last["correlation_id"].as_str().is_some_and(|id| id.len() >= 8), "{last}");
}

/// Signs somebody in and answers the address that their session was used from.
async fn seen_as(client: &Https, email: &str, headers: &[(&str, &str)]) -> String {
    let form = json!({"email": email, "password": PASSWORD, "device": "test"});
    let session = client.send("POST", "/api/v1/auth/sessions", headers, Some(&form)).await.expect("answered");
    let session = session.expect(201);
    let theirs = client.as_session(&text(&session, "/token"));
    let list =
        theirs.send("GET", "/api/v1/auth/sessions", headers, None).await.expect("answered").expect(200);
    let current = list["items"].as_array().expect("sessions").iter().find(|s| s["current"] == true);
    current.and_then(|s| s["address"].as_str()).unwrap_or_else(|| panic!("{list}")).to_owned()
}

#[actix_web::test]
async fn the_clients_address_is_right_and_nobody_can_claim_another() {
    if let Some(why) = Nginx::missing() {
        skip!("the client's address behind nginx", why);
    }
    let front = Front::start(&[("GIGSY_LIMIT_CALLS", "100")]).await;
    let form = json!({"email": "ada@example.test", "password": PASSWORD, "display_name": "Ada"});
    front.from([127, 0, 0, 1]).post("/api/v1/auth/register", &form).await.expect(201);
    let claims: &[(&str, &str)] = &[
        ("x-forwarded-for", "198.51.100.1"),
        ("x-forwarded-for", "198.51.100.2, 127.0.0.1"),
        ("x-real-ip", "198.51.100.3"),
        ("forwarded", "for=198.51.100.4"),
    ];
    for last in [7, 8] {
        let client = front.from([127, 0, 0, last]);
        assert_eq!(seen_as(&client, "ada@example.test", &[]).await, format!("127.0.0.{last}"));
        assert_eq!(seen_as(&client, "ada@example.test", claims).await, format!("127.0.0.{last}"));
    }
    // Each address has an allowance of its own, which no claim renews.
    let mut left = Vec::new();
    for n in 0..20 {
        let claim = format!("203.0.113.{n}");
        let client = front.from([127, 0, 0, 9]);
        let reply =
            client.send("GET", "/api/v1/gigs", &[("x-forwarded-for", &claim)], None).await.expect("answered");
        let value = reply.header("ratelimit").to_owned();
        let rest = value.split("r=").nth(1).and_then(|v| v.split(';').next()?.parse::<i64>().ok());
        left.push(rest.unwrap_or_else(|| panic!("{} {:?}", reply.status, reply.headers)));
    }
    assert!(left[0] - left[19] >= 15, "the allowance goes down whatever is claimed: {left:?}");

    // Who reaches a node past nginx is no proxy that it trusts.
    let node: SocketAddr = front.server.base().trim_start_matches("http://").parse().expect("an address");
    let direct = Https::new(node, &front.nginx.certificate.cert, [127, 0, 0, 11]).plain();
    assert_eq!(seen_as(&direct, "ada@example.test", claims).await, "127.0.0.11");
}

#[actix_web::test]
async fn limits_answer_as_problems_and_a_missing_server_too() {
    if let Some(why) = Nginx::missing() {
        skip!("limits of nginx", why);
    }
    let mut front =
        Front::start(&[("GIGSY_LIMIT_CALLS", "1000000"), ("GIGSY_LIMIT_SIGN_IN", "1000000")]).await;
    let of_nginx = "too many requests from this address; slow down";

    // 200 at once are a burst; many more are too many. Another address is not touched by it.
    let greedy = front.from([127, 0, 0, 12]);
    let mut replies = Vec::new();
    while replies.iter().all(|reply: &Reply| reply.status == 200) {
        assert!(replies.len() < 10_000, "nothing is refused");
        replies.extend(join_all((0..100).map(|_| greedy.get("/healthz"))).await);
    }
    assert!(replies.len() >= 300, "the burst is smaller than it should be: {}", replies.len());
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.expect_problem(429);
        assert_eq!(reply.json()["detail"], of_nginx, "{}", reply.text);
        assert_eq!((reply.header("retry-after"), reply.header("strict-transport-security")), ("1", HSTS));
    }
    assert_eq!(front.from([127, 0, 0, 13]).get("/healthz").await.status, 200);

    // Sooner where passwords are guessed.
    let guesser = front.from([127, 0, 0, 14]);
    let (mut guesses, mut limited, form) = (0, Vec::new(), json!({}));
    while limited.is_empty() {
        assert!(guesses < 1_000, "no guess is stopped");
        let replies = join_all((0..50).map(|_| guesser.post("/api/v1/auth/sessions", &form))).await;
        guesses += replies.len();
        limited.extend(replies.into_iter().filter(|reply| reply.json()["detail"] == of_nginx));
    }
    limited.iter().for_each(|reply| reply.expect_problem(429));

    let anyone = front.from([127, 0, 0, 15]);
    let large = json!({"email": "x".repeat(1_200_000)});
    anyone.post("/api/v1/auth/register", &large).await.expect_problem(413);

    front.server.terminate();
    assert!(front.server.exit(Duration::from_secs(20)).await.success());
    let away = anyone.get("/api/v1/gigs").await;
    away.expect_problem(503);
    assert_eq!((away.header("retry-after"), away.header("strict-transport-security")), ("2", HSTS));
    front.server.restart().await;
    // nginx asks again two seconds after it was refused.
    eventually("it is back", Duration::from_secs(10), || async {
        (anyone.get("/healthz").await.status == 200).then_some(())
    })
    .await;
}
