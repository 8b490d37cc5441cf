//! Logs on stderr: stdout belongs to the protocol and to values.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

use crate::settings::{Level, LogSettings};

/// Logs from now on. A second call changes nothing.
pub(crate) fn start(settings: &LogSettings) {
    let builder = fmt()
        .with_max_level(filter(settings.log_level))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    // An error says that somebody else in this process logs already.
    let _ = if settings.json_logs {
        tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
    } else {
        tracing::subscriber::set_global_default(builder.finish())
    };
}

const fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Off => LevelFilter::OFF,
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
