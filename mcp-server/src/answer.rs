//! One answer, typed or already bytes.

mod rendered;

pub use self::rendered::Rendered;
use crate::protocol::{
    Completion, Failure, InputRequired, Json, ListPage, PromptResult, ReadResult, ToolResult,
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
    /// Of any request, as bytes already: a page of a list, what a cache kept.
    Rendered(Rendered),
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Rendered> for Answer {
    fn from(result: Rendered) -> Self {
        Self::Done(Reply::Rendered(result))
    }
}

impl From<ToolResult> for Answer {
    fn from(result: ToolResult) -> Self {
        Self::Done(Reply::Tool(result))
    }
}
