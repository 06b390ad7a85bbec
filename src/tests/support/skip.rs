//! Skips that nobody can overlook.
//!
//! A test that cannot run here says so by name: a line in `target/test-skips.txt`, which
//! `make test` prints at its end as `SKIPPED name: reason`. In CI (`CI=true`) a missing tool is a
//! failure instead; only store servers, which a machine may lack for good, may be missing there.

use std::{
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A tool that `scripts/setup-tests` installs.
    Tool,
    /// A database or broker beside the embedded one.
    StoreServer,
}

/// Leaves the test, recording why. `skip!("name", "reason")`, or `skip!(store "name", "reason")`
/// where a store server is missing.
macro_rules! skip {
    (store $name:expr, $reason:expr) => {{
        $crate::tests::support::skip::record(
            $crate::tests::support::skip::Missing::StoreServer,
            &$name,
            &$reason.to_string(),
        );
        return;
    }};
    ($name:expr, $reason:expr) => {{
        $crate::tests::support::skip::record(
            $crate::tests::support::skip::Missing::Tool,
            &$name,
            &$reason.to_string(),
        );
        return;
    }};
}
pub(crate) use skip;

/// The build directory that holds this test binary: `target/`.
///
/// # Panics
/// When the test executable is not where cargo puts it.
pub fn target_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("the test executable has a path");
    // target/<profile>/deps/gigsy-<hash>
    exe.ancestors().nth(3).expect("the test executable lies in target/<profile>/deps").to_owned()
}

/// Notes a skip; [`skip!`] calls it.
///
/// # Panics
/// In CI when a tool is missing.
pub fn record(missing: Missing, name: &str, reason: &str) {
    let ci = std::env::var("CI").is_ok_and(|v| v == "true" || v == "1");
    assert!(
        !(ci && missing == Missing::Tool),
        "{name} cannot run, and in CI that is a failure: {reason} (scripts/setup-tests installs what is needed)"
    );
    append(&target_dir().join("test-skips.txt"), name, reason);
    eprintln!("SKIPPED {name}: {reason}");
}

fn append(path: &Path, name: &str, reason: &str) {
    let line = format!("{name}: {}\n", reason.replace('\n', " "));
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap_or_else(|e| panic!("cannot record a skip in {}: {e}", path.display()));
    // One write: lines of tests that run side by side stay whole.
    file.write_all(line.as_bytes()).expect("a skip is recorded");
}

#[test]
fn a_skip_is_one_line_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("skips.txt");
    append(&path, "first", "no such\ntool");
    append(&path, "second", "gone");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "first: no such tool\nsecond: gone\n");
}
