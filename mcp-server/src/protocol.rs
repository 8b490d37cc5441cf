//! The types of the wire: what stands in a message, in every revision that is served.

mod content;
mod failure;
mod id;
mod json;
mod level;
mod results;
mod revision;

pub use content::{Annotations, Content, Icon, ResourceContents, Role};
pub use failure::{Failure, code};
pub use id::{InvalidId, ProgressToken, RequestId};
pub use json::Json;
pub use level::Level;
pub use results::{
    CacheScope, Completion, Hints, Implementation, InputRequired, ListKind, ListPage, PromptMessage, PromptResult,
    ReadResult, ToolResult,
};
pub use revision::{Revision, WireForm};
