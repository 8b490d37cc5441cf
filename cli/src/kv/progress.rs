//! A counter on stderr while something long runs, for people alone.

use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts entries on stderr, if that is a terminal.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

/// Who is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    People,
    /// With `--json`: nothing moves.
    Programs,
}

impl Whom {
    pub(super) const fn of(json: bool) -> Self {
        if json { Self::Programs } else { Self::People }
    }
}

impl Progress {
    /// Counts while something is read.
    pub(super) fn new(verb: &'static str, whom: Whom) -> Self {
        Self::on(whom == Whom::People, verb)
    }

    /// Counts while something is written to stdout, unless that is a terminal too.
    pub(super) fn beside_stdout(verb: &'static str, whom: Whom) -> Self {
        Self::on(whom == Whom::People && !stdout().is_terminal(), verb)
    }

    fn on(shown: bool, verb: &'static str) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        set_style(&bar, "{spinner} {msg} {human_pos} entries ({per_sec}, {elapsed})");
        bar.set_message(verb);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Whether anybody sees it.
    pub(super) fn is_shown(&self) -> bool {
        !self.0.is_hidden()
    }

    /// Shows from now on how much of `total` is done. Others may write meanwhile: it may come to more or less.
    pub(super) fn expect(&self, total: u64) {
        self.0.set_length(total);
        set_style(
            &self.0,
            "[{bar:24}] {msg} {human_pos} of {human_len} entries ({per_sec}, {elapsed}, {eta} left)",
        );
    }

    pub(super) fn add(&self, entries: u64) {
        self.0.inc(entries);
    }

    /// Counts from nothing again.
    pub(super) fn again(&self) {
        self.0.set_position(0);
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
