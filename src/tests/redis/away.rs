//! Redis stopped, frozen, slow, refusing, back: what the client and the server do meanwhile.

use std::{process::Command, time::Duration};

use serde_json::json;

use crate::{
    ports::{
        Store,
        limits::{Ask, Limits, Rate, RedisLimits},
        locks::{Locks, RedisLocks},
    },
    redis::{Redis, RedisSettings},
    telemetry::metrics::Metrics,
    tests::support::{
        api::Api,
        app::TestApp,
        redis::{RedisServer, client, free_port, installed, redis_or_skip},
        server::binary,
        skip::skip,
        wait::{eventually, within},
    },
};

const LIMIT: Duration = Duration::from_secs(30);

async fn take(limits: &RedisLimits) -> bool {
    let rate = Rate::per_minute("test", 1_000_000);
    limits.take(&[Ask { rate: &rate, key: "k", cost: 1 }]).await.is_ok()
}

async fn up(redis: &Redis) {
    eventually("Redis is used again", LIMIT, || async { redis.is_up().then_some(()) }).await;
}

#[tokio::test]
async fn it_goes_on_by_itself_after_stops_freezes_pauses_and_flushes() {
    let mut server = redis_or_skip!("a Redis that comes and goes");
    let redis = client(&server.url(), "t", Duration::from_millis(200)).await;
    let limits = RedisLimits::new(redis.clone());
    assert!(take(&limits).await);

    server.down();
    eventually("it is given up", LIMIT, || async { (!take(&limits).await && !redis.is_up()).then_some(()) })
        .await;
    assert!(!redis.status().await.reachable);
    server.up().await;
    up(&redis).await;
    assert!(take(&limits).await, "the script was not sent again");

    server.freeze();
    eventually("it is given up", LIMIT, || async { (!take(&limits).await && !redis.is_up()).then_some(()) })
        .await;
    // Open: nobody waits for the timeout any more.
    let quick = tokio::time::timeout(Duration::from_secs(10), async {
        for _ in 0..1_000 {
            assert!(!take(&limits).await);
        }
    });
    assert!(quick.await.is_ok(), "a frozen Redis costs every caller the timeout");
    server.thaw();
    up(&redis).await;

    server.command::<()>(&["CLIENT", "PAUSE", "1500"]).await;
    eventually("a slow one is given up too", LIMIT, || async { (!take(&limits).await).then_some(()) }).await;
    eventually("and used again", LIMIT, || async { take(&limits).await.then_some(()) }).await;

    server.command::<()>(&["FLUSHALL"]).await;
    server.command::<()>(&["SCRIPT", "FLUSH"]).await;
    assert!(take(&limits).await);
    assert_eq!(server.command::<i64>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await, 2);
    eventually("cut connections are made anew", LIMIT, || async { take(&limits).await.then_some(()) }).await;
}

#[tokio::test]
async fn a_lease_is_lost_when_redis_is_away_for_longer_than_it() {
    let server = redis_or_skip!("a lease in a partition");
    let redis = client(&server.url(), "t", Duration::from_millis(100)).await;
    let locks = Locks::new(std::sync::Arc::new(RedisLocks::new(redis.clone())));
    let lease = locks.try_lock("job", Duration::from_secs(2)).await.unwrap().unwrap();
    server.freeze();
    let work = lease.guard(std::future::pending::<()>());
    assert!(within("the work is stopped", LIMIT, work).await.is_err());
    assert!(!lease.is_held());
    server.thaw();
    up(&redis).await;
    let next = eventually("another has it", LIMIT, || async {
        locks.try_lock("job", Duration::from_secs(5)).await.ok().flatten()
    })
    .await;
    assert!(next.token() > lease.token());
}

#[tokio::test]
async fn a_short_absence_loses_no_lease() {
    let server = redis_or_skip!("a lease over a short absence");
    let redis = client(&server.url(), "t", Duration::from_millis(100)).await;
    let locks = Locks::new(std::sync::Arc::new(RedisLocks::new(redis.clone())));
    let lease = locks.try_lock("job", Duration::from_secs(12)).await.unwrap().unwrap();
    server.freeze();
    tokio::time::sleep(Duration::from_secs(5)).await;
    server.thaw();
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(lease.is_held(), "it was not extended after the absence");
    assert!(lease.release().await);
}

#[actix_web::test]
async fn the_server_serves_without_redis_and_refuses_sign_ins_until_it_is_back() {
    let mut server = redis_or_skip!("a server whose Redis comes and goes");
    let url = server.url();
    let app = TestApp::start(&[("REDIS_URL", &url), ("GIGSY_REDIS_TIMEOUT_MS", "500")]).await;
    let api = Api::new(app.base(), None);
    let form = json!({"email": "lina@example.org", "password": "correct-horse-42", "display_name": "Lina", "role": "student"});
    let user = api.post("/api/v1/auth/register", &form).await.expect(201);
    let sign_in = json!({"email": "lina@example.org", "password": "correct-horse-42"});
    let opened = api.post("/api/v1/auth/sessions", &sign_in).await.expect(201);
    let signed_in = Api::new(app.base(), Some(opened["token"].as_str().unwrap()));
    let person = format!("/api/v1/people/{}", user["user"]["id"].as_str().unwrap());
    let everything = async || {
        for path in ["/api/v1/me", "/api/v1/gigs", &person] {
            signed_in.get(path).await.expect(200);
        }
        // Boards answer from memory, as fresh as ever.
        let board = signed_in.get("/api/v1/leaderboards/global?top=10").await.expect(200);
        assert_eq!(board["stale"], false, "{board}");
    };
    everything().await;

    for round in 0..2 {
        if round == 0 {
            server.down()
        } else {
            server.freeze()
        }
        everything().await;
        let refused = eventually("sign-ins are refused", LIMIT, || async {
            let answer = api.post("/api/v1/auth/sessions", &sign_in).await;
            (answer.status == 503).then_some(answer)
        })
        .await;
        refused.expect_problem(503);
        everything().await;
        let ready = eventually("it says so", LIMIT, || async {
            let ready = api.get("/readyz").await;
            (ready.json["status"] == "degraded").then_some(ready)
        })
        .await;
        assert_eq!(ready.status, 200, "{}", ready.text);
        assert!(ready.text.contains("docs/redis.md"), "{}", ready.text);
        let metrics = api.get("/metrics").await.text;
        assert!(metrics.contains("gigsy_redis_up 0"), "{metrics}");
        assert!(metrics.contains("gigsy_limits_total{limit=\"sign-in\",outcome=\"away\"}"), "{metrics}");
        if round == 0 {
            server.up().await
        } else {
            server.thaw()
        }
        eventually("sign-ins work again", LIMIT, || async {
            (api.post("/api/v1/auth/sessions", &sign_in).await.status == 201).then_some(())
        })
        .await;
        eventually("it is ready", LIMIT, || async {
            (api.get("/readyz").await.json["status"] == "ready").then_some(())
        })
        .await;
        everything().await;
    }
    let metrics = api.get("/metrics").await.text;
    for line in ["gigsy_redis_up 1", "gigsy_leaderboard_answers_total{from=\"memory\"}"] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
    // The copy was written before, could not be meanwhile, and is whole again.
    eventually("the board's copy is there", LIMIT, || async {
        let total = server.command::<Option<String>>(&["HGET", "gigsy:w:global@all", "total"]).await;
        (total.as_deref() == Some("1")).then_some(())
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn a_server_starts_without_its_redis() {
    let url = format!("redis://127.0.0.1:{}/", free_port());
    let app = TestApp::start(&[("REDIS_URL", &url)]).await;
    let api = Api::new(app.base(), None);
    eventually("it serves, degraded", LIMIT, || async {
        let ready = api.get("/readyz").await;
        (ready.status == 200 && ready.json["status"] == "degraded").then_some(())
    })
    .await;
    assert_eq!(api.get("/api/v1/gigs").await.status, 401);
    app.stop().await;
}

#[tokio::test]
async fn passwords_are_used_and_never_told() {
    let Some(bin) = installed() else { skip!(store "a Redis with a password", "no redis-server") };
    let server = RedisServer::start(&bin, &["--requirepass", "s3cret-right"]).await;
    let with = |password: &str| server.url().replace("redis://", &format!("redis://:{password}@"));
    let redis = client(&with("s3cret-right"), "t", Duration::from_secs(1)).await;
    assert!(take(&RedisLimits::new(redis)).await);
    for url in [with("s3cret-wrong"), server.url()] {
        let settings =
            RedisSettings { url: url.parse().unwrap(), prefix: "t".into(), timeout: Duration::from_secs(1) };
        let redis = Redis::start(settings, &Metrics::new()).unwrap();
        let status = eventually("it is told why", LIMIT, || async {
            let status = redis.status().await;
            let mend = status.mend.clone().unwrap_or_default();
            (mend.contains("WRONGPASS") || mend.contains("NOAUTH") || mend.contains("uthentication"))
                .then_some(status)
        })
        .await;
        let said = format!("{status:?}");
        assert!(!status.reachable && !said.contains("s3cret"), "{said}");
    }
}

fn check(env: &[(&str, &str)]) -> (bool, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    command.arg("check").env("GIGSY_DATA_DIR", dir.path()).current_dir(dir.path());
    for (name, value) in env {
        command.env(name, value);
    }
    let out = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    (out.status.success(), said)
}

fn line(said: &str) -> String {
    said.lines().skip_while(|line| !line.starts_with("redis ")).take(2).collect::<Vec<_>>().join("\n")
}

/// `gigsy check` tells the version, the policy and what to mend; also over TLS.
#[tokio::test]
async fn check_tells_what_redis_is_and_what_to_mend() {
    let Some(bin) = installed() else { skip!(store "gigsy check on Redis", "no redis-server") };
    let server = RedisServer::start(
        &bin,
        &["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru", "--requirepass", "s3cret"],
    )
    .await;
    let url = server.url().replace("redis://", "redis://:s3cret@");
    let (_, said) = check(&[("REDIS_URL", &url)]);
    let redis = line(&said);
    for word in ["ok", "server", "7.", "ms", "allkeys-lru", "mend:", "volatile-ttl"] {
        assert!(redis.contains(word), "no {word} in {redis}");
    }
    assert!(!said.contains("s3cret"), "{said}");

    let gone = format!("redis://:s3cret@127.0.0.1:{}/", free_port());
    let (well, said) = check(&[("REDIS_URL", &gone)]);
    assert!(!well && line(&said).contains("FAILED") && line(&said).contains("mend:"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
    let (_, said) = check(&[]);
    assert!(line(&said).contains("embedded"), "{said}");
}

#[tokio::test]
async fn rediss_verifies_who_answers() {
    let Some(bin) = installed() else { skip!(store "Redis over TLS", "no redis-server") };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &file("key"), "-out", &file("cert")])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        skip!("Redis over TLS", "no openssl command");
    }
    let tls = free_port().to_string();
    let args = ["--tls-port", &tls, "--tls-cert-file", &file("cert"), "--tls-key-file", &file("key")];
    let _server = RedisServer::start(&bin, &[&args[..], &["--tls-auth-clients", "no"]].concat()).await;
    let url = format!("rediss://localhost:{tls}/");
    let (_, said) = check(&[("REDIS_URL", &url), ("SSL_CERT_FILE", &file("cert"))]);
    assert!(line(&said).contains("ok") && line(&said).contains("7."), "{said}");
    let (well, said) = check(&[("REDIS_URL", &url)]);
    assert!(!well && line(&said).contains("FAILED"), "an unknown certificate was taken: {said}");
}
