//! Why a command did not do what it was asked.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The exit status of a command that did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// It failed.
    Failed = 1,
    /// It was asked wrongly: a flag, a variable or an argument must be changed.
    Usage = 2,
    /// There is no such entry.
    Absent = 3,
}

/// Why a command did not do what it was asked. The message says what to change; `source()` has the cause.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    message: Cow<'static, str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure while doing it.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Failed, message: message.into(), source: None }
    }

    /// A mistake on the command line or in a variable.
    pub fn usage(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Usage, ..Self::new(message) }
    }

    /// The entry that was asked for is not there.
    pub fn absent(message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: Status::Absent, ..Self::new(message) }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The failure and its causes, on one line.
    pub fn on_one_line(&self) -> String {
        on_one_line(self)
    }

    /// What the process should end with.
    pub const fn status(&self) -> Status {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<mcp_server::Error> for Failure {
    fn from(error: mcp_server::Error) -> Self {
        let message = error.to_string();
        Self { source: error.source().map(ToString::to_string).map(Into::into), ..Self::new(message) }
    }
}

/// An error and its causes, on one line. What others said may hold any character, and what one says that has a cause may
/// say it as well.
pub(crate) fn on_one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !line.ends_with(&said) {
            line.push_str(": ");
            line.push_str(&said);
        }
        cause = error.source();
    }
    let shown = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    line.trim_end().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::Failure;

    #[test]
    fn causes_stand_on_one_line_and_nothing_of_them_moves_the_cursor() {
        let cause = io::Error::other("line\u{1b}[2J one\nline two\n");
        let line = Failure::new("no").because(cause).on_one_line();
        assert_eq!(line, "no: line\\u{1b}[2J one\\nline two");
    }

    #[test]
    fn a_cause_that_was_told_already_is_told_once() {
        let inner = Failure::new("broken");
        let outer = Failure::new("it failed: broken").because(inner);
        assert_eq!(outer.on_one_line(), "it failed: broken");
    }
}
