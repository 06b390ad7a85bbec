//! `gigsy backup` and `gigsy restore` for the embedded stores.

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, output::say};
use crate::{
    config::Config,
    postgres::embedded::{self, BackupReport, Progress},
};

pub(super) fn backup(config: &Config, file: &Path) -> Result<(), Failure> {
    let bar = bar();
    let report = embedded::backup(config, file, |progress| show(&bar, progress));
    bar.finish_and_clear();
    tell("wrote", file, report?);
    if config.mongodb.url.is_some() {
        say(
            "the chat log and the activity stream are in MongoDB, not in this file: mongodump (docs/chat-log.md)",
        );
    }
    Ok(())
}

pub(super) fn restore(config: &Config, file: &Path) -> Result<(), Failure> {
    let bar = bar();
    let report = embedded::restore(config, file, |progress| show(&bar, progress));
    bar.finish_and_clear();
    tell("restored", file, report?);
    say("next: gigsy rebuild chat --new-epoch, because clients hold positions of the later state");
    Ok(())
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("tables {bar:40} {pos}/{len}") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total as u64);
    bar.set_position(progress.done as u64);
}

fn tell(what: &str, file: &Path, report: BackupReport) {
    let BackupReport { bytes, tables, took } = report;
    let seconds = took.as_secs_f64();
    say(&format!("{what} {}: {tables} tables, {bytes} bytes, {seconds:.1} s", file.display()));
}
