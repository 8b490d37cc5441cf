//! What handlers may return, and what becomes of it.

mod error;
pub mod probe;
mod prompt;
mod resource;
mod tool;

pub use error::{BoxError, Ending};
pub use prompt::IntoPromptResult;
pub use resource::{IntoReadResult, Reading};
pub use tool::{IntoToolResult, Structured};
