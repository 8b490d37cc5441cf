//! An MCP server framework whose cache, sessions and state live in a Larder store.

mod answer;
mod authenticate;
mod component;
mod context;
mod dispatch;
mod error;
mod exchange;
mod middleware;
mod principal;
pub mod protocol;
mod registry;
mod request;
mod running;
mod server;
mod session;
mod state;
mod transport;

pub use answer::{Answer, Reply};
pub use authenticate::{Authenticate, Denied, StaticTokens, Verified};
#[doc(hidden)]
pub use component::private as __private;
pub use component::{
    CachePolicy, Inject, IntoPrompt, IntoPromptResult, IntoReadResult, IntoResource, IntoTool,
    IntoToolResult, InvalidTemplate, Parameters, Prompt, PromptArgument, Reading, Requirement, Resource,
    ResourceComponent, ResourceTemplate, State, Structured, TextArguments, Tool, ToolAnnotations, schema_for,
};
pub use context::Context;
pub use error::{Error, Result};
pub use mcp_macros::{prompt, resource, tool};
pub use middleware::{
    CacheStatistics, Cached, Logging, Middleware, Next, Refusal, ResponseCache, StatisticsReader,
};
pub use principal::Principal;
pub use request::{Operation, Request};
pub use server::{Server, Service};
pub use session::SessionId;
pub use state::{StateError, StateMap};
pub use transport::{TestClient, TestError};
