//! The README's figures, written from `docs/bench/*.json`: nobody types them.
//!
//! `scripts/figures` writes them; a test of the suite holds README and JSON together. This file stands in
//! both programs.

use std::path::Path;

use serde_json::Value;

/// Between these two lines of the README stand the figures.
const BEGIN: &str = "<!-- figures: written by scripts/figures from docs/bench/*.json -->";
const END: &str = "<!-- end of figures -->";

/// A line of the README's table: file, shape, metric, and what it says. A shape that is not there is left
/// out; a trailing `*` stands for a number of clients.
const LINES: &[(&str, &str, &str, &str)] = &[
    ("fanout", "fanout-1000-200b", "frames_per_cpu_s", "room of 1,000, 200 B: deliveries per CPU-second"),
    ("fanout", "fanout-1000-2000b", "frames_per_cpu_s", "room of 1,000, 2 KB: deliveries per CPU-second"),
    ("growth", "fanout-9500-200b", "frames_per_cpu_s", "room of 9,500, 200 B: deliveries per CPU-second"),
    (
        "fanout",
        "fanout-1000-200b-overload",
        "frames_per_cpu_s",
        "the same room under overload: deliveries per CPU-second",
    ),
    ("fanout", "fanout-100-rooms-10-200b", "frames_per_cpu_s", "100 rooms of 10: deliveries per CPU-second"),
    (
        "fanout",
        "fanout-1000-200b-at-50-percent",
        "p99_ms",
        "room of 1,000 at half of saturation: p99 to the last member, ms",
    ),
    (
        "fanout",
        "persisted-*-rooms-10-200b",
        "cpu_us_per_op",
        "rooms of 10, every message stored: server CPU per message, µs",
    ),
    ("storm", "connect-storm-*", "cpu_us_per_op", "connect storm with sign-in: CPU per connection, µs"),
    (
        "storm",
        "kill-and-recover-*-clients-50-missed",
        "lost",
        "server killed, each client missed 50: lost, in all",
    ),
    ("idle", "idle-*", "kb_per_conn", "idle connection: resident KiB"),
    ("rest", "list-20-gigs", "requests_per_cpu_s", "list 20 gigs: requests per CPU-second"),
    ("rest", "read-a-gig", "requests_per_cpu_s", "read a gig: requests per CPU-second"),
    ("rest", "apply-to-a-gig", "requests_per_cpu_s", "apply to a gig: requests per CPU-second"),
];

const SYSTEMS: &[&str] = &["floor", "gigsy", "bun", "centrifuge", "nats", "nestjs", "socket.io", "ws"];

/// The README with its figures as the JSON under `repository` has them.
///
/// # Errors
/// A file that cannot be read, and a README without the two lines.
pub fn rendered(repository: &Path) -> Result<String, String> {
    let readme = read(&repository.join("README.md"))?;
    let (before, rest) = readme.split_once(BEGIN).ok_or("the README has no place for figures")?;
    let (_, after) = rest.split_once(END).ok_or("the README's figures do not end")?;
    Ok(format!("{before}{BEGIN}\n{}{END}{after}", table(repository)?))
}

/// Writes them.
///
/// # Errors
/// See [`rendered`].
#[allow(dead_code, reason = "the suite only compares")]
pub fn write(repository: &Path) -> Result<(), String> {
    let text = rendered(repository)?;
    let path = repository.join("README.md");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn table(repository: &Path) -> Result<String, String> {
    let mut out =
        format!("\n| what | {} |\n| --- |{}\n", SYSTEMS.join(" | "), " ---: |".repeat(SYSTEMS.len()));
    let mut sources: Vec<String> = Vec::new();
    for (file, shape, metric, says) in LINES {
        let path = repository.join(format!("docs/bench/{file}.json"));
        if !path.is_file() {
            continue;
        }
        let report: Value =
            serde_json::from_str(&read(&path)?).map_err(|error| format!("{}: {error}", path.display()))?;
        let rows: Vec<&Value> = report["rows"].as_array().into_iter().flatten().collect();
        let matching = |row: &&&Value| {
            row["metric"] == *metric && fits(shape, row["shape"].as_str().unwrap_or_default())
        };
        // Of several sizes the largest, which comes last.
        let Some(size) = rows.iter().rfind(matching).map(|row| row["shape"].clone()) else {
            continue;
        };
        let cell = |system: &&str| {
            let row = rows
                .iter()
                .find(|row| row["shape"] == size && row["metric"] == *metric && row["system"] == **system);
            row.and_then(|row| row["median"].as_f64()).map(figure).unwrap_or_default()
        };
        let cells: Vec<String> = SYSTEMS.iter().map(cell).collect();
        let clients = clients(shape, size.as_str().unwrap_or_default());
        out += &format!("| {says}{clients} | {} |\n", cells.join(" | "));
        let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
        let source = format!(
            "[{file}](docs/bench/{file}.json): {}, {}, commit {}, {} rounds, `{}`",
            text("date").get(..10).unwrap_or_default(),
            text("machine"),
            text("commit"),
            report["rounds"],
            text("command")
        );
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    out.push('\n');
    for source in sources {
        out += &format!("- {source}\n");
    }
    Ok(out)
}

/// Whether a shape is meant by a pattern with at most one `*`, which stands for digits.
fn fits(pattern: &str, shape: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == shape,
        Some((before, after)) => shape
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after))
            .is_some_and(|size| !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit())),
    }
}

fn clients(pattern: &str, shape: &str) -> String {
    let Some((before, after)) = pattern.split_once('*') else { return String::new() };
    let size = shape.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).unwrap_or_default();
    let of = if before == "persisted-" { "rooms" } else { "clients" };
    format!(" ({} {of})", size.parse::<f64>().map(figure).unwrap_or_default())
}

/// A figure with three digits that count, and thousands kept apart.
fn figure(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.abs() < 100.0 && value.fract() != 0.0 {
        let digits = (2 - value.abs().log10().floor() as i32).clamp(0, 3) as usize;
        return format!("{value:.digits$}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
