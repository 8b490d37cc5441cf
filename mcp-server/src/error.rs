//! What goes wrong while a server is built or run: for whoever operates it, not for clients.

use std::borrow::Cow;
use std::fmt;

/// The result of building or running a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not be built or run. The message says what to change; `source()` has the cause.
#[derive(Debug)]
pub struct Error {
    message: Cow<'static, str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with a sentence that says what to change.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

impl From<kv_core::Error> for Error {
    fn from(error: kv_core::Error) -> Self {
        Self::new("the store failed").because(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new("reading or writing failed").because(error)
    }
}
