//! Certbot's container and nginx's reload, with an authority that refuses and then issues: nginx has a
//! certificate to start with, and takes up the real one without a restart.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::tests::support::{
    certificate::Certificate, https::Https, nginx::Nginx, sdk::root, skip::skip, wait::eventually,
};

const LIMIT: Duration = Duration::from_secs(30);

/// A shipped script with other paths, and programs of ours before the machine's.
struct Script {
    child: Child,
    _dir: TempDir,
}

impl Script {
    fn start(name: &str, paths: &[(&str, &Path)], programs: &[(&str, String)], env: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut text = fs::read_to_string(root().join("nginx").join(name)).expect("shipped");
        for (from, to) in paths {
            assert!(text.contains(from), "{name} has no {from}");
            text = text.replace(from, to.to_str().expect("a plain path"));
        }
        // What it starts beside itself is to end with it.
        fs::write(dir.path().join(name), format!("{text}\nwait\n")).expect("written");
        let waits = ("sleep", "exec /bin/sleep 0.2".to_owned());
        for (program, body) in programs.iter().chain([&waits]) {
            let path = dir.path().join(program);
            fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permitted");
        }
        let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap_or_default());
        let child = Command::new("setsid")
            .args(["sh", "-eu"])
            .arg(dir.path().join(name))
            .env("PATH", path)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Self { child, _dir: dir }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // The group that setsid made: the script's own loops with it.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

#[actix_web::test]
async fn the_first_certificate_is_made_and_the_real_one_taken_up_without_a_restart() {
    if let Some(why) = Nginx::missing() {
        skip!("certificates and their renewal", why);
    }
    let work = tempfile::tempdir().expect("a temporary directory");
    let (tls, authority, state) =
        (work.path().join("tls"), work.path().join("issued"), work.path().join("state"));
    for dir in [&tls, &authority, &state] {
        fs::create_dir(dir).expect("a directory");
    }
    // `certbot` as the script calls it: refuses until there is something to issue.
    let live = state.join("live/localhost");
    let certbot = format!(
        "case \" $* \" in *' --webroot '*' -d localhost '*) ;; *) exit 64 ;; esac\n\
         [ -s {issued}/cert.pem ] || exit 1\n\
         mkdir -p {live} && cp {issued}/cert.pem {live}/fullchain.pem && cp {issued}/key.pem {live}/privkey.pem",
        issued = authority.display(),
        live = live.display()
    );
    let env = [("GIGSY_DOMAIN", "localhost"), ("CERTBOT_SERVER", "https://authority.test/directory")];
    let certbot = |tls: &Path| {
        let paths: [(&str, &Path); 2] = [("/etc/gigsy-tls", tls), ("/etc/letsencrypt", &state)];
        Script::start("certbot.sh", &paths, &[("certbot", certbot.clone())], &env)
    };

    // nginx must have one to start with, and only its owner may read the key.
    let script = certbot(&tls);
    eventually("a certificate of our own making", LIMIT, || async {
        tls.join("fullchain.pem").is_file().then_some(())
    })
    .await;
    let mode = fs::metadata(tls.join("privkey.pem")).expect("a key").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    drop(script);

    // Port 1: nobody ever listens there.
    let mut nginx = Nginx::start(&[([127, 0, 0, 1], 1).into()], "").await;
    let first = Https::new(nginx.https, &nginx.certificate.cert, [127, 0, 0, 1]);
    // Nobody is behind it; what counts is that TLS is spoken.
    assert_eq!(first.get("/").await.status, 503);
    let served = nginx.tls_dir();
    let program = nginx.command_line();
    let reload = Script::start(
        "50-reload-with-new-certificate.sh",
        &[("/etc/gigsy-tls", &served)],
        &[("nginx", format!("exec {program} \"$@\""))],
        &[],
    );
    let script = certbot(&served);
    // The authority says no for a while: what is there stays.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(first.get("/").await.status, 503);
    let real = Certificate::make(&authority);
    let renewed = Https::new(nginx.https, &real.cert, [127, 0, 0, 1]);
    eventually("the new certificate is served", LIMIT, || async {
        renewed.send("GET", "/", &[], None).await.is_ok().then_some(())
    })
    .await;
    // For a moment after a reload nginx's old workers still accept beside the new ones.
    let anew = Https::new(nginx.https, &nginx.certificate.cert, [127, 0, 0, 1]);
    eventually("the old certificate is gone", LIMIT, || async {
        anew.send("GET", "/", &[], None).await.is_err().then_some(())
    })
    .await;
    assert!(nginx.runs(), "it was told to reload, not started again");
    drop((script, reload));
}
