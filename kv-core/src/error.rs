//! One error for the whole family: a kind to act on, an outcome, and the cause as source.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::{Key, Version};

/// The result of every store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `Create` met a live entry.
    AlreadyExists,
    /// `Update` or a conditional `take` met another version, or none; a cursor's ground has moved.
    Conflict,
    /// Stored bytes cannot be trusted: damaged, sealed by another key, or not ours.
    Corrupt,
    /// The credentials are wrong or lack a right.
    Denied,
    /// No room: the limit of the store, its disk or its memory is reached. The old value stays, unless the outcome is
    /// `Unknown`.
    Full,
    /// The request itself is wrong; it will never succeed.
    Invalid,
    /// The value is larger than the store takes. Nothing was sent.
    TooLarge,
    /// The server asks to slow down.
    Throttled,
    /// No answer in time.
    Timeout,
    /// The store cannot be reached or is not ready.
    Unavailable,
    /// The store was closed.
    Closed,
    /// This store cannot do that; `capabilities()` says so beforehand.
    Unsupported,
    /// None of the above: a fault in the driver, the server or in Larder.
    Unexpected,
}

impl ErrorKind {
    /// The kind in words, as it stands at the start of a printed error.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyExists => "already exists",
            Self::Conflict => "conflict",
            Self::Corrupt => "corrupt",
            Self::Denied => "denied",
            Self::Full => "full",
            Self::Invalid => "invalid",
            Self::TooLarge => "too large",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Closed => "closed",
            Self::Unsupported => "unsupported",
            Self::Unexpected => "unexpected",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled | Self::Timeout | Self::Unavailable)
    }

    const fn outcome(self) -> Outcome {
        match self {
            Self::Timeout | Self::Unavailable | Self::Unexpected => Outcome::Unknown,
            _ => Outcome::NotDone,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a failed request may have been executed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was not executed, and will not be.
    NotDone,
    /// It may have been executed, or may still be.
    Unknown,
}

/// A failed operation: kind, operation, key (cut to 80 characters), outcome, message, source.
///
/// It never holds a value or a secret. The message does not repeat the source: walk `source()` for the cause.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    message: Cow<'static, str>,
    operation: Option<&'static str>,
    key: Option<Box<str>>,
    version: Option<Version>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is lower case, without full stop, and names neither values nor secrets.
    ///
    /// The outcome starts as `Unknown` for `Timeout`, `Unavailable` and `Unexpected`, else as `NotDone`.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            outcome: kind.outcome(),
            message: message.into(),
            operation: None,
            key: None,
            version: None,
            source: None,
        }))
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// Adds the operation, unless one is named already: the innermost layer knows best.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Adds the key, cut to 80 characters, unless one is named already.
    #[must_use]
    pub fn at(mut self, key: Key<'_>) -> Self {
        self.0.key.get_or_insert_with(|| shortened(key));
        self
    }

    /// Adds the version of the entry that cannot be read, where it is known all the same.
    #[must_use]
    pub fn of(mut self, version: Version) -> Self {
        self.0.version = Some(version);
        self
    }

    /// Replaces the key: a wrapper that renames collections shows the caller's own names.
    #[must_use]
    pub fn renamed(mut self, key: Key<'_>) -> Self {
        self.0.key = Some(shortened(key));
        self
    }

    /// States whether the request may have been executed.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the request may have been executed all the same.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether the same request may succeed later. Whether repeating it is safe depends on `outcome()`.
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }

    /// The message alone, without kind, operation and key.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The operation that failed, such as `put`.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// `collection/id`, cut to 80 characters, where one key was concerned.
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// The version of an entry that is there and cannot be read: by it that very entry can be removed, and no other. `None`
    /// where it is not known.
    pub fn version(&self) -> Option<Version> {
        self.0.version
    }
}

impl Error {
    /// Takes `head` off the key that it shows: what a wrapper had put before the caller's own names.
    pub(crate) fn without(mut self, head: &str) -> Self {
        let head: String = head.chars().flat_map(char::escape_debug).collect();
        self.0.key = self.0.key.take().and_then(|key| match key.strip_prefix(&*head) {
            Some(own) => Some(own.into()),
            None => Some(key).filter(|key| !head.starts_with(&**key)), // cut within the head
        });
        self
    }

    /// Whether this is the key that the error shows.
    pub(crate) fn is_at(&self, key: Key<'_>) -> bool {
        self.key().is_some_and(|shown| shown == &*shortened(key))
    }
}

fn shortened(key: Key<'_>) -> Box<str> {
    let full = key.collection.chars().chain(std::iter::once('/')).chain(key.id.chars());
    full.flat_map(char::escape_debug).take(80).collect::<String>().into_boxed_str()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.0.operation {
            write!(f, "{operation} ")?;
        }
        if let Some(key) = &self.0.key {
            write!(f, "{key}: ")?;
        } else if self.0.operation.is_some() {
            f.write_str("failed: ")?;
        }
        write!(f, "{}: {}", self.0.kind, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, outcome, message, operation, key, version: _, source } = &*self.0;
        f.debug_struct("Error")
            .field("kind", kind)
            .field("outcome", outcome)
            .field("message", message)
            .field("operation", operation)
            .field("key", key)
            .field("source", source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::{Error, ErrorKind, Outcome};
    use crate::Key;

    #[test]
    fn the_cause_is_the_source_and_not_part_of_the_text() {
        let error = Error::new(ErrorKind::Unavailable, "the database did not answer")
            .because(std::io::Error::other("connection refused"))
            .during("get")
            .at(Key::new("tokens", "a"));
        assert_eq!(error.to_string(), "get tokens/a: unavailable: the database did not answer");
        assert_eq!(error.source().unwrap().to_string(), "connection refused");
        assert_eq!(error.outcome(), Outcome::Unknown);
    }

    #[test]
    fn a_long_or_hostile_key_is_cut_and_escaped() {
        let id = "\n".repeat(500);
        let error = Error::new(ErrorKind::Invalid, "no").at(Key::new("c", &id));
        let key = error.key().unwrap();
        assert_eq!(key.chars().count(), 80);
        assert!(key.starts_with("c/\\n"));
    }

    #[test]
    fn what_a_wrapper_put_before_a_name_can_be_taken_off() {
        let at = |collection| Error::new(ErrorKind::Corrupt, "no").at(Key::new(collection, "a"));
        assert_eq!(at("t\n1/c").without("t\n1/").key(), Some("c/a"));
        assert_eq!(at("other").without("t\n1/").key(), Some("other/a"));
        let long = "x".repeat(100) + "/";
        assert_eq!(at(&(long.clone() + "c")).without(&long).key(), None, "nothing of the head is left");
    }

    #[test]
    fn the_innermost_operation_stays() {
        let error = Error::new(ErrorKind::Full, "no room").during("put").during("put_many");
        assert_eq!(error.operation(), Some("put"));
        assert_eq!(error.outcome(), Outcome::NotDone);
    }
}
