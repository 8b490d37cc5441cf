//! An MCP server framework whose cache, sessions and state live in a Larder store.
//!
//! ```
//! use mcp_server::{Context, Server, State, StateError, prompt, resource, tool};
//!
//! /// Greets somebody.
//! #[tool(read_only)]
//! async fn greet(
//!     /// whom
//!     name: String,
//!     greeting: State<String>,
//! ) -> String {
//!     format!("{}, {name}!", *greeting)
//! }
//!
//! /// Counts the calls of this session.
//! #[tool]
//! async fn count(ctx: Context) -> Result<u64, StateError> {
//!     let count = ctx.state().get::<u64>("count").await?.unwrap_or_default() + 1;
//!     ctx.state().set("count", &count).await?;
//!     Ok(count)
//! }
//!
//! /// The greeting in a language.
//! #[resource("greeting://{language}")]
//! async fn greeting(language: String) -> Option<&'static str> {
//!     (language == "en").then_some("Hello")
//! }
//!
//! /// Asks for a warm welcome.
//! #[prompt]
//! fn welcome(name: String) -> String {
//!     format!("Write a warm welcome for {name}.")
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::new("greeter")
//!     .state("Hello".to_owned())
//!     .tool(greet)
//!     .tool(count)
//!     .resource(greeting)
//!     .prompt(welcome);
//!
//! // server.run().await serves stdio, server.serve_http("127.0.0.1:8000").await HTTP; a test asks in memory.
//! let client = server.test_client()?;
//! let answer = client.call_tool("greet", serde_json::json!({ "name": "Ada" })).await?;
//! assert_eq!(answer["content"][0]["text"], "Hello, Ada!");
//! let answer = client.read_resource("greeting://en").await?;
//! assert_eq!(answer["contents"][0]["text"], "Hello");
//! # Ok(())
//! # }
//! ```
//!
//! - [`Server`] is built part by part; [`Service`] is a built one, for several transports at once.
//! - [`macro@tool`], [`macro@resource`] and [`macro@prompt`] make components of functions; [`Tool`], [`Resource`],
//!   [`ResourceTemplate`] and [`Prompt`] make them by hand.
//! - `#[arg(complete = ..)]` completes arguments of prompts and templates while they are typed; [`CompletionContext`] is
//!   what its function knows.
//! - [`Context`] is what a handler knows of its request; [`State`] is a value that the server was given;
//!   [`Context::state`] keeps values for a session or a user.
//! - [`Context::open_session`] opens a [`Session`] that a model comes back to by its [`SessionId`], on every revision;
//!   [`UserSession`] is what is kept for a user.
//! - [`Catalog`] adds and removes components while the server runs, of the kinds that are [`Dynamic`].
//! - [`Middleware`] stands around every request: [`Logging`], [`ResponseCache`], or your own.
//! - [`Asked`] is an argument that the person is asked for before the function runs; a handler asks by
//!   [`Context::elicit`] too. [`derive@Form`] makes a form for the person of a struct, and [`derive@Choice`] its choices of an enum; [`Sampling`] asks the
//!   client's model.
//! - [`Authenticate`] finds out who asks, a [`Principal`].
//! - [`TestClient`] tests a server through the same bytes as any other client.
//!
//! Handlers, limits and their defaults, caching and rights are told at length in `docs/server.md`.

mod answer;
mod asking;
mod authenticate;
mod catalog;
mod component;
mod context;
mod dispatch;
mod dynamic;
mod error;
mod events;
mod exchange;
mod flights;
mod hub;
mod middleware;
mod places;
mod principal;
pub mod protocol;
mod rate;
mod registry;
mod replica;
mod request;
mod running;
mod server;
mod service;
mod session;
mod state;
mod transport;

pub use answer::{Answer, Rendered, Reply};
pub use asking::{
    Answerable, AskError, Asked, Asking, Capability, Choice, ChoiceOption, Elicitation, Elicited, Form,
    ModelPreferences, Opened, Page, Pages, Root, Sampled, Sampling, SamplingContent, SamplingMessage,
    SamplingTool, ToolChoice, ToolUse,
};
pub use authenticate::{Authenticate, Denied, StaticTokens, Verified};
pub use catalog::Catalog;
#[doc(hidden)]
pub use component::private as __private;
pub use component::{
    CachePolicy, CompletionContext, Inject, IntoCompletion, IntoPrompt, IntoPromptResult, IntoReadResult,
    IntoResource, IntoTool, IntoToolResult, InvalidTemplate, Parameters, Prompt, PromptArgument, Reading,
    Requirement, Resource, ResourceComponent, ResourceTemplate, State, Structured, TextArguments, Tool,
    ToolAnnotations, schema_for,
};
pub use context::Context;
pub use dynamic::Dynamic;
pub use error::{Error, Result};
pub use mcp_macros::{Choice, Form, prompt, resource, tool};
pub use middleware::{
    CacheStatistics, Cached, Components, Logging, Middleware, Next, Refusal, ResponseCache, StatisticsReader,
};
pub use principal::Principal;
pub use request::{Operation, PartialArgument, Reference, Request, Resumed};
pub use server::Server;
pub use service::Service;
pub use session::{Session, SessionId, UserSession};
pub use state::{StateError, StateMap};
pub use transport::{MAX_MESSAGE, TestClient, TestError};
