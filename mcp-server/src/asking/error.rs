//! Why a question has no answer.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::protocol::{Failure, Json, Revision, code};

/// Why a question to the client has no answer.
///
/// A handler that passes it on with `?` ends the request with [`AskError::failure`]: where the client lacks a capability, by
/// the error that tells it which (-32021 on 2026-07-28).
#[derive(Clone, Debug)]
pub struct AskError {
    reason: Reason,
    failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Unsupported,
    Unanswered,
    Refused,
    PageRequired,
    Misused,
    Unkept,
}

impl AskError {
    /// Whether the client cannot be asked this: it did not declare the capability, or its revision has none. A handler may
    /// do without.
    pub fn is_unsupported(&self) -> bool {
        self.reason == Reason::Unsupported
    }

    /// Whether nobody answered in time, or nobody is there any more.
    pub fn is_unanswered(&self) -> bool {
        self.reason == Reason::Unanswered
    }

    /// Whether the client answered with an error, or with something else than an answer.
    pub fn is_refused(&self) -> bool {
        self.reason == Reason::Refused
    }

    /// Whether the request is to be sent again once a page is done (-32042 of 2025-11-25); see
    /// [`Context::require_page`](crate::Context::require_page).
    pub fn is_page_required(&self) -> bool {
        self.reason == Reason::PageRequired
    }

    /// Whether the client was not asked because the store failed, or holds too much for it already: it may be asked later.
    pub fn is_unavailable(&self) -> bool {
        self.reason == Reason::Unkept
    }

    /// How the request ends where the handler passes this on.
    pub const fn failure(&self) -> &Failure {
        &self.failure
    }

    /// The client lacks `required`, as it would declare it.
    pub(super) fn unsupported(required: &Map<String, Value>, revision: Revision) -> Self {
        let failure = Failure::missing_capability(required, revision);
        Self { reason: Reason::Unsupported, failure }
    }

    pub(super) fn timed_out() -> Self {
        Self::internal(Reason::Unanswered, "the client did not answer the server's question in time")
    }

    pub(super) fn gone() -> Self {
        Self::internal(Reason::Unanswered, "nobody is there to be asked any more")
    }

    pub(super) fn unkept() -> Self {
        let message = "the client could not be asked: the store that keeps questions failed, try again later";
        Self::internal(Reason::Unkept, message)
    }

    /// What is asked lies in the store meanwhile, and this caller has left too much there.
    pub(super) const fn left_too_much(failure: Failure) -> Self {
        Self { reason: Reason::Unkept, failure }
    }

    /// The client's error object; only its code is repeated.
    pub(super) fn refused(error: &Json) -> Self {
        #[derive(serde::Deserialize)]
        struct Code {
            code: i64,
        }
        if *error == oversized() {
            return Self::unusable("it is larger than what the store lets one replica hand to another");
        }
        let code = error.to().map_or(0, |Code { code }| code);
        let message = format!("the client refused the server's question with the error {code}");
        Self { reason: Reason::Refused, failure: Failure::new(code::INTERNAL_ERROR, message) }
    }

    /// The client's answer is none; `what` names field and rule, never a value.
    pub(super) fn unusable(what: &str) -> Self {
        let message = format!("the client's answer cannot be used: {what}");
        Self { reason: Reason::Refused, failure: Failure::new(code::INTERNAL_ERROR, message) }
    }

    pub(super) const fn page_required(failure: Failure) -> Self {
        Self { reason: Reason::PageRequired, failure }
    }

    pub(super) fn misused(message: impl Into<Cow<'static, str>>) -> Self {
        Self::internal(Reason::Misused, message)
    }

    fn internal(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, failure: Failure::new(code::INTERNAL_ERROR, message) }
    }
}

/// The error object that stands for an answer too large to reach the process that asked.
pub(crate) fn oversized() -> Json {
    let object =
        r#"{"code":-32603,"message":"the answer is too large to be handed to the replica that asked"}"#;
    Json::trusted(Bytes::from_static(object.as_bytes()))
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for AskError {}
