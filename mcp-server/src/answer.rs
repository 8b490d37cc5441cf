//! One answer, typed or already bytes.

use bytes::Bytes;

use crate::protocol::{
    Completion, Failure, Hints, InputRequired, Json, ListPage, PromptResult, ReadResult, ToolResult, WireForm,
};

/// How a request ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Answer {
    /// With a result.
    Done(Reply),
    /// With an error.
    Failed(Failure),
    /// With questions (2026-07-28).
    Asked(InputRequired),
}

/// A result.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Reply {
    /// Of `tools/call`.
    Tool(ToolResult),
    /// Of `resources/read`.
    Resource(ReadResult),
    /// Of `prompts/get`.
    Prompt(PromptResult),
    /// Of a list.
    List(ListPage),
    /// Of `completion/complete`.
    Completion(Completion),
    /// Of any other request: an object. What every result carries is added when it is rendered.
    Object(Json),
    /// Bytes that are a result object of `form` already, but for what is added to every result: `resultType`, who
    /// answers, the hints. `_meta` stands first in it, if there is one.
    Rendered {
        /// The form that the bytes have: the form of the request, or it is a fault here.
        form: WireForm,
        /// The object.
        bytes: Bytes,
        /// How long it may be used again, on results that carry hints.
        hints: Option<Hints>,
    },
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<ToolResult> for Answer {
    fn from(result: ToolResult) -> Self {
        Self::Done(Reply::Tool(result))
    }
}
