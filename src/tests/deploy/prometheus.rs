//! Debian's Prometheus with the shipped configuration scrapes a live node: the target is up, every rule is
//! evaluated, every dashboard's expression is understood, every metric that is named exists.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::tests::support::{
    api::Api,
    database::TestDatabase,
    nginx::free_port,
    sdk::{has_program, root},
    server::Server,
    skip::skip,
    wait::eventually,
};

const LIMIT: Duration = Duration::from_secs(60);

struct Prometheus {
    child: Child,
    base: String,
    _dir: TempDir,
}

impl Prometheus {
    /// The shipped configuration; only whom it asks, and how often, is another.
    async fn start(node: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let shipped = root().join("ops/prometheus");
        let text = fs::read_to_string(shipped.join("prometheus.yml")).expect("shipped");
        let (from, to) = ("    dns_sd_configs:\n", "  - job_name: prometheus\n");
        let (start, end) = (text.find(from).expect("nodes by name"), text.find(to).expect("itself"));
        let node = node.trim_start_matches("http://");
        let text =
            format!("{}    static_configs: [{{targets: [\"{node}\"]}}]\n{}", &text[..start], &text[end..]);
        assert_eq!(text.matches("interval: 15s").count(), 2, "{text}");
        fs::write(dir.path().join("prometheus.yml"), text.replace("interval: 15s", "interval: 1s"))
            .expect("written");
        fs::copy(shipped.join("alerts.yml"), dir.path().join("alerts.yml")).expect("copied");
        let at = free_port();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", dir.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address={at}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log")).expect("a file"))
            .spawn()
            .expect("prometheus runs");
        Self { child, base: format!("http://{at}"), _dir: dir }
    }

    async fn ask(&self, path: &str) -> Option<Value> {
        let answer = Api::new(&self.base, None).try_call("GET", path, None).await.ok()?;
        (answer.status == 200).then(|| answer.json["data"].clone())
    }

    async fn query(&self, expression: &str) -> Value {
        let mut url = Url::parse(&format!("{}/api/v1/query", self.base)).expect("a URL");
        url.query_pairs_mut().append_pair("query", expression);
        let answer = Api::new(&self.base, None).get(&url.as_str()[self.base.len()..]).await;
        assert_eq!(answer.json["status"], "success", "{expression}: {}", answer.text);
        answer.json["data"]["result"].clone()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a check of the project's root.
fn check(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).current_dir(root()).output().expect("it runs")
}

#[track_caller]
fn passes(done: &Output) {
    let said = [&done.stdout[..], &done.stderr[..]].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[actix_web::test]
async fn prometheus_scrapes_a_fresh_node_and_knows_every_metric_that_is_named() {
    if !has_program("prometheus") || !has_program("promtool") {
        skip!("Prometheus with the shipped configuration", "no prometheus (scripts/setup-tests)");
    }
    passes(&check("promtool", &["check", "config", "ops/prometheus/prometheus.yml"]));
    passes(&check("promtool", &["test", "rules", "ops/prometheus/alerts.test.yml"]));

    let database = TestDatabase::new();
    let url = database.url().to_string();
    let server = Server::start(&[("DATABASE_URL", &url)]).await;
    // The very first scrape of a server that nobody has used yet.
    let first = server.scratch().join("metrics");
    fs::write(&first, server.api().get("/metrics").await.text).expect("written");
    passes(&check("scripts/check-metrics", &[first.to_str().expect("a plain path")]));
    let mut linted = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(fs::File::open(&first).expect("it is there"))
        .output()
        .expect("it runs");
    // It has opinions on names, too; what matters is whether it can read the page.
    linted.stderr.retain(|byte| *byte != b'\r');
    assert!(!String::from_utf8_lossy(&linted.stderr).contains("error while linting"), "{linted:?}");
    // The check bites: without one of the metrics it fails and names it.
    let text =
        fs::read_to_string(&first).expect("it is there").replace("gigsy_outbox_rows ", "gigsy_outbox_lines ");
    fs::write(&first, text).expect("written");
    let bitten = check("scripts/check-metrics", &[first.to_str().expect("a plain path")]);
    assert!(
        !bitten.status.success() && String::from_utf8_lossy(&bitten.stderr).contains("gigsy_outbox_rows")
    );

    let prometheus = Prometheus::start(server.base()).await;
    eventually("the node is up", LIMIT, || async {
        prometheus.ask("/api/v1/targets").await?;
        let up = prometheus.query("up{job=\"gigsy\"}").await;
        (up[0]["value"][1] == "1").then_some(())
    })
    .await;
    let targets = prometheus.ask("/api/v1/targets").await.expect("targets");
    let target =
        targets["activeTargets"].as_array().expect("targets").iter().find(|t| t["labels"]["job"] == "gigsy");
    assert_eq!(target.expect("gigsy is a target")["lastError"], "", "{targets}");

    // Before the first scrape nobody was up; then a healthy node raises no alert.
    let rules = eventually("every rule is evaluated, and none holds", LIMIT, || async {
        let data = prometheus.ask("/api/v1/rules").await?;
        let rules = data["groups"][0]["rules"].as_array()?.clone();
        let calm = |rule: &Value| rule["health"] == "ok" && rule["state"] == "inactive";
        rules.iter().all(calm).then_some(rules)
    })
    .await;
    assert!(rules.len() >= 13, "{} rules", rules.len());
    let mut expressions = 0;
    for entry in fs::read_dir(root().join("ops/grafana/dashboards")).expect("dashboards").flatten() {
        for expression in expressions_of(&entry.path()) {
            prometheus.query(&expression).await;
            expressions += 1;
        }
    }
    assert!(expressions > 30, "{expressions} expressions");
    // Labels are bounded: a page of a node that serves nobody stays small.
    let series = prometheus.query("count({job=\"gigsy\"})").await;
    let count: u32 = series[0]["value"][1].as_str().and_then(|n| n.parse().ok()).expect("a number");
    eprintln!("a fresh node has {count} series");
    assert!(count < 1_500, "{count} series");
}

fn expressions_of(dashboard: &Path) -> Vec<String> {
    let board: Value = serde_json::from_str(&fs::read_to_string(dashboard).expect("readable")).expect("JSON");
    let panels = board["panels"].as_array().expect("panels").iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().cloned().unwrap_or_default());
    targets.map(|target| target["expr"].as_str().expect("an expression").to_owned()).collect()
}
