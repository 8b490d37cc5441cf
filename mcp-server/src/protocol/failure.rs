//! Error answers: a code, a message, perhaps data.

use std::borrow::Cow;
use std::fmt;

use super::Json;

/// The codes that are sent, and what each means.
pub mod code {
    /// Not JSON.
    pub const PARSE_ERROR: i32 = -32_700;
    /// JSON, but not a request that may stand here.
    pub const INVALID_REQUEST: i32 = -32_600;
    /// The method is unknown, or its capability is not declared.
    pub const METHOD_NOT_FOUND: i32 = -32_601;
    /// The parameters do not fit: unknown tool or prompt, missing argument, unknown resource on 2026-07-28.
    pub const INVALID_PARAMS: i32 = -32_602;
    /// Something here failed; the log has the cause.
    pub const INTERNAL_ERROR: i32 = -32_603;
    /// Resource not found, up to 2025-11-25.
    pub const RESOURCE_NOT_FOUND: i32 = -32_002;
    /// A header and the body say different things (2026-07-28).
    pub const HEADER_MISMATCH: i32 = -32_020;
    /// The request needs a capability that the client did not declare (2026-07-28).
    pub const MISSING_CAPABILITY: i32 = -32_021;
    /// The version is not served (2026-07-28).
    pub const UNSUPPORTED_VERSION: i32 = -32_022;
}

/// An error as the client sees it. It never holds a backend's text or a secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// One of [`code`], or a code of the application's own outside -32768 to -32000.
    pub code: i32,
    /// One sentence for whoever reads the client's log.
    pub message: Cow<'static, str>,
    /// What a program may act on.
    pub data: Option<Json>,
}

impl Failure {
    /// A failure of `code`.
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// `Invalid params`: what the caller must change.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// `Internal error`, in these two words: the cause belongs in the log.
    pub const fn internal() -> Self {
        Self { code: code::INTERNAL_ERROR, message: Cow::Borrowed("internal error"), data: None }
    }

    /// The method is not served here.
    pub fn method_not_found(method: &str) -> Self {
        Self::new(code::METHOD_NOT_FOUND, format!("method not found: {}", excerpt(method)))
    }

    /// Adds data for programs.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Json>) -> Self {
        self.data = Some(data.into());
        self
    }
}

/// The beginning of what a client sent, fit to be repeated in a message: 100 characters at most, escaped.
pub(crate) fn excerpt(text: &str) -> String {
    let end = text.char_indices().nth(100).map_or(text.len(), |(end, _)| end);
    let (begin, rest) = text.split_at(end);
    format!("{}{}", begin.escape_debug(), if rest.is_empty() { "" } else { ".." })
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Failure({}: {})", self.code, self.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::{Failure, excerpt};

    #[test]
    fn what_a_client_sent_is_repeated_escaped_and_cut() {
        assert_eq!(excerpt("a\nb"), "a\\nb");
        assert_eq!(excerpt(&"ü".repeat(100)), "ü".repeat(100));
        assert_eq!(excerpt(&"ü".repeat(101)), format!("{}..", "ü".repeat(100)));
        assert!(Failure::method_not_found(&"x".repeat(1 << 20)).message.len() < 200);
    }
}
