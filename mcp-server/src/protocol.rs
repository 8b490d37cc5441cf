//! The types of the wire: what stands in a message, in every revision that is served.

mod canonical;
mod completion;
mod content;
mod decode;
mod era;
mod excerpt;
mod failure;
mod headers;
mod id;
mod json;
mod level;
mod param_headers;
mod pieces;
mod render;
mod results;
mod revision;

pub(crate) use canonical::canonical;
pub use completion::Completion;
pub use content::{Annotations, Content, Icon, ResourceContents, Role};
pub(crate) use decode::{Incoming, Malformed, Message, decode};
pub(crate) use era::{revision_of, status, unsupported};
pub(crate) use excerpt::{abridged, beginning, excerpt};
pub use failure::{Failure, code};
pub(crate) use headers::StandardHeaders;
pub use id::{InvalidId, ProgressToken, RequestId};
pub use json::Json;
pub(crate) use json::present;
pub use level::Level;
pub(crate) use param_headers::ParamHeaders;
pub(crate) use pieces::Pieces;
pub(crate) use render::{Renderer, in_form, line, notification, rendered, server_request};
pub use results::{
    CacheScope, Hints, Implementation, InputRequired, ListKind, ListPage, PromptMessage, PromptResult,
    ReadResult, ToolResult,
};
pub use revision::{Revision, WireForm};
