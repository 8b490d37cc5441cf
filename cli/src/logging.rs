//! Logs on stderr: stdout belongs to the protocol and to values.

use std::io::{IsTerminal as _, stderr};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::{self, MakeWriter};

use crate::settings::{Level, LogSettings};

/// So many lines wait for a stderr that nobody reads; what is said beside them is lost.
const LINES: usize = 8_192;

/// Logs from now on, each line before whoever writes it goes on. A second call changes nothing.
pub(crate) fn start(settings: &LogSettings) {
    install(settings, stderr);
}

/// As [`start`], for a server: a client that does not read our stderr must not stop it. What is still to be written is
/// written when the answer is dropped, for a second at most.
#[must_use = "dropped, it ends the log"]
pub(crate) fn start_apart(settings: &LogSettings) -> WorkerGuard {
    let (lines, guard) = NonBlockingBuilder::default().buffered_lines_limit(LINES).finish(stderr());
    install(settings, lines);
    guard
}

fn install(settings: &LogSettings, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let builder = fmt::fmt()
        .with_max_level(filter(settings.log_level))
        .with_writer(writer)
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
