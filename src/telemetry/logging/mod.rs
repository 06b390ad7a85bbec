//! slog set-up: JSON lines in Pino's shape, or readable lines in a terminal.

mod logtail;

use std::{io::IsTerminal, sync::OnceLock};

use slog::{Drain, Duplicate, FnValue, Level, Logger, PushFnValue, Record, o};

use super::{correlation, metrics::Metrics, shipping::Shipper, tracing};
use crate::{
    config::{LogConfig, LogFormat, TracingConfig},
    tls::TlsError,
};
use logtail::Logtail;

static ROOT: OnceLock<Logger> = OnceLock::new();

/// Writes out what is queued when it is dropped. Keep it in `main`.
pub struct Flush {
    // In this order: what the queue still holds goes to the shipper before that ends.
    _queue: slog_async::AsyncGuard,
    _shipper: Option<Shipper>,
    _spans: Option<Shipper>,
}

/// Sets the process's logger up. A second call changes nothing.
///
/// Where a Logtail token is set, every line also goes there, and where a collector is named, spans go to
/// it; the second answer tells why that is not possible.
pub fn init(config: &LogConfig, traces: &TracingConfig) -> (Flush, Result<(), TlsError>) {
    let level = config.level.slog();
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Terminal => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let (shipper, logtail, usable) =
        match config.logtail_token.as_deref().map(|token| logtail::start(config, token)) {
            None => (None, None, Ok(())),
            Some(Ok((shipper, drain))) => (Some(shipper), Some(drain), Ok(())),
            Some(Err(error)) => (None, None, Err(error)),
        };
    // Every arm ends in the same asynchronous drain: logging never blocks a request, and a full
    // queue is counted in the metrics instead of stalling a worker.
    let (drain, queue) = if json {
        with_logtail(json_drain(std::io::stderr()), logtail, level)
    } else {
        let decorator = slog_term::TermDecorator::new().stderr().build();
        with_logtail(slog_term::FullFormat::new(decorator).build().ignore_res(), logtail, level)
    };
    let _ = ROOT.set(Logger::root(drain.fuse(), o!()));
    let (spans, usable) = match tracing::start(traces) {
        Ok(spans) => (spans, usable),
        Err(error) => (None, usable.and(Err(error))),
    };
    (Flush { _queue: queue, _shipper: shipper, _spans: spans }, usable)
}

/// The logger's own counters.
pub fn register(metrics: &Metrics) {
    logtail::register(metrics);
}

fn with_logtail<D>(drain: D, logtail: Option<Logtail>, level: Level) -> (Queue, slog_async::AsyncGuard)
where
    D: Drain<Err = slog::Never, Ok = ()> + Send + 'static,
{
    match logtail {
        None => build_async(drain.filter_level(level).fuse()),
        Some(logtail) => {
            let both = Duplicate(drain, json_drain(logtail)).map(slog::Fuse);
            build_async(both.filter_level(level).ignore_res())
        }
    }
}

fn build_async<D>(drain: D) -> (Queue, slog_async::AsyncGuard)
where
    D: Drain<Err = slog::Never, Ok = ()> + Send + 'static,
{
    let (core, guard) = slog_async::AsyncCore::custom(drain).chan_size(8192).build_with_guard();
    (Queue(core), guard)
}

/// Hands lines to the thread that writes them. What it has no room for is counted.
struct Queue(slog_async::AsyncCore);

impl Drain for Queue {
    type Ok = ();
    type Err = slog::Never;

    fn log(&self, record: &Record<'_>, values: &slog::OwnedKVList) -> Result<(), slog::Never> {
        if self.0.log(record, values).is_err() {
            logtail::unwritten();
        }
        Ok(())
    }
}

/// Pino's shape: numeric `level`, `time` in milliseconds, `msg`.
fn json_drain<W: std::io::Write + Send + 'static>(out: W) -> impl Drain<Err = slog::Never, Ok = ()> + Send {
    slog_json::Json::new(out)
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
