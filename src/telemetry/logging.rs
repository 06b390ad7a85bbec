//! slog set-up: JSON lines in Pino's shape, or readable lines in a terminal.

use std::{io::IsTerminal, sync::OnceLock};

use slog::{Drain, FnValue, Level, Logger, PushFnValue, Record, o};

use super::correlation;
use crate::config::{LogConfig, LogFormat};

static ROOT: OnceLock<Logger> = OnceLock::new();

/// Sets the process's logger up. The guard flushes what is queued when it is dropped; keep it in
/// `main`. A second call changes nothing.
pub fn init(config: &LogConfig) -> slog_async::AsyncGuard {
    let level = config.level.slog();
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Terminal => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    // Both arms end in the same asynchronous drain: logging never blocks a request, and a full
    // queue is reported as a count of dropped lines instead of stalling a worker.
    let (drain, guard) = if json {
        build_async(json_drain().filter_level(level).fuse())
    } else {
        let decorator = slog_term::TermDecorator::new().stderr().build();
        build_async(slog_term::FullFormat::new(decorator).build().filter_level(level).fuse())
    };
    let _ = ROOT.set(Logger::root(drain.fuse(), o!()));
    guard
}

fn build_async<D>(drain: D) -> (slog_async::Async, slog_async::AsyncGuard)
where
    D: Drain<Err = slog::Never, Ok = ()> + Send + 'static,
{
    slog_async::Async::new(drain)
        .chan_size(8192)
        .overflow_strategy(slog_async::OverflowStrategy::DropAndReport)
        .build_with_guard()
}

/// Pino's shape: numeric `level`, `time` in milliseconds, `msg`.
fn json_drain() -> impl Drain<Err = slog::Never, Ok = ()> + Send {
    slog_json::Json::new(std::io::stderr())
        .add_key_value(o!(
            "pid" => std::process::id(),
            "level" => FnValue(|record: &Record<'_>| pino_level(record.level())),
            "time" => PushFnValue(|_: &Record<'_>, ser| ser.emit(chrono::Utc::now().timestamp_millis())),
            "msg" => PushFnValue(|record: &Record<'_>, ser| ser.emit(record.msg())),
        ))
        .build()
        .ignore_res()
}

const fn pino_level(level: Level) -> u8 {
    match level {
        Level::Critical => 60,
        Level::Error => 50,
        Level::Warning => 40,
        Level::Info => 30,
        Level::Debug => 20,
        Level::Trace => 10,
    }
}

/// The logger for the work in hand: it carries the current correlation id. Silent until
/// [`init`] ran.
pub fn log() -> Logger {
    let Some(root) = ROOT.get() else {
        return Logger::root(slog::Discard, o!());
    };
    match correlation::current() {
        Some(id) => root.new(o!("correlation_id" => id.as_str().to_owned())),
        None => root.clone(),
    }
}
