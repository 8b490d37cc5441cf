//! Why a tool did not do what it was asked, as the model reads it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use kv_core::ErrorKind;

/// Why a tool did not do what it was asked. A failure of the store is told only where the model can act on it; the
/// server logs the rest and answers "internal error".
#[derive(Debug)]
pub(super) enum ToolError {
    /// The model reads this.
    Told(Cow<'static, str>),
    /// The store failed.
    Store(kv_core::Error),
    /// The request may not do this.
    Context(mcp_server::StateError),
}

impl ToolError {
    pub(super) fn told(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Told(text.into())
    }

    pub(super) fn unknown(id: &str, namespace: &str) -> Self {
        Self::told(format!("there is no memory with the id `{id}` in the namespace `{namespace}`"))
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Told(text) => f.write_str(text),
            Self::Store(_) => f.write_str("the store failed"),
            Self::Context(error) => error.fmt(f),
        }
    }
}

impl Error for ToolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Told(_) => None,
            Self::Store(error) => Some(error),
            Self::Context(error) => Some(error),
        }
    }
}

impl From<kv_core::Error> for ToolError {
    fn from(error: kv_core::Error) -> Self {
        match error.kind() {
            ErrorKind::Full => Self::told("the memory is full: forget something, or ask for a larger store"),
            ErrorKind::TooLarge => Self::told("the text is larger than this store takes: shorten it"),
            ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Throttled => {
                tracing::warn!(%error, "the store cannot be reached");
                Self::told("the memory cannot be reached at the moment: try again later")
            }
            ErrorKind::Corrupt => {
                tracing::warn!(%error, "a memory cannot be read");
                Self::told("this memory cannot be read: it is damaged, or kept with another key")
            }
            _ => Self::Store(error),
        }
    }
}

impl From<mcp_server::StateError> for ToolError {
    fn from(error: mcp_server::StateError) -> Self {
        Self::Context(error)
    }
}
