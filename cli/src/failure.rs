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
