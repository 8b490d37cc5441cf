//! Error answers: a code, a message, perhaps data.

use std::borrow::Cow;
use std::fmt;

use super::excerpt::{REPEATED_URI, beginning, excerpt};
use super::{Json, Revision};

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
    /// The person must open a page before the request can be served (2025-11-25).
    pub const URL_ELICITATION_REQUIRED: i32 = -32_042;
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

    /// The client lacks `required`, capabilities as it would declare them: -32021 on 2026-07-28.
    pub(crate) fn missing_capability(
        required: &serde_json::Map<String, serde_json::Value>,
        revision: Revision,
    ) -> Self {
        let code = if revision.is_stateless() { code::MISSING_CAPABILITY } else { code::INVALID_REQUEST };
        let names = required.keys().cloned().collect::<Vec<_>>().join(", ");
        let failure = Self::new(code, format!("this needs a client with the capability {names}"));
        failure.with_data(serde_json::json!({ "requiredCapabilities": required }))
    }

    /// There is nothing under this URI, by the code that this has up to 2025-11-25.
    pub(crate) fn resource_not_found(uri: &str) -> Self {
        let data = serde_json::json!({ "uri": beginning(uri, REPEATED_URI) });
        let message = format!("resource not found: {}", excerpt(uri));
        Self::new(code::RESOURCE_NOT_FOUND, message).with_data(data)
    }

    /// Adds data for programs.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Json>) -> Self {
        self.data = Some(data.into());
        self
    }
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
    use serde_json::{Value, json};

    use super::Failure;

    #[test]
    fn a_long_name_or_uri_is_repeated_by_its_beginning() {
        assert!(Failure::method_not_found(&"x".repeat(1 << 20)).message.len() < 200);
        let failure = Failure::resource_not_found(&"x".repeat(1 << 20));
        let data: Value = failure.data.unwrap().to().unwrap();
        assert_eq!((failure.message.len() < 200, &data["uri"]), (true, &json!("x".repeat(512))));
    }

    #[test]
    fn a_uri_of_use_is_repeated_as_it_is() {
        let data: Value = Failure::resource_not_found("a://b/ü").data.unwrap().to().unwrap();
        assert_eq!(data, json!({ "uri": "a://b/ü" }));
    }
}
