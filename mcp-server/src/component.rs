//! Tools, resources and prompts: what a server offers, and how handlers become them.

mod about;
mod arguments;
mod completion;
mod convert;
pub mod private;
mod prompt;
mod resource;
mod schema;
mod state;
mod template;
mod text;
mod threads;
mod tool;
mod validator;

pub(crate) use about::About;
pub use about::{CachePolicy, Requirement};
pub(crate) use arguments::unknown;
pub(crate) use completion::{Completer, Completers};
pub use completion::{CompletionContext, IntoCompletion};
pub use convert::{IntoPromptResult, IntoReadResult, IntoToolResult, Reading, Structured};
pub use prompt::{IntoPrompt, Prompt, PromptArgument};
pub use resource::{IntoResource, Resource, ResourceComponent, ResourceTemplate};
pub use schema::schema_for;
pub use state::{Inject, State};
pub use template::{InvalidTemplate, Parameters};
pub use text::TextArguments;
pub(crate) use tool::Manner;
pub use tool::{IntoTool, Tool, ToolAnnotations};
