//! What a server can ask of its client, and how it reads the answers: forms and pages for the person, samples of a
//! model, roots.
//!
//! Here stand the questions themselves, for every revision, and which capability each needs. How they travel is not
//! known here.

#![cfg_attr(not(test), expect(dead_code, reason = "what sends questions is the next step"))]

mod elicited;
pub(crate) mod form;
mod needs;
mod question;
mod roots;
mod sampling;
mod url;

pub use elicited::Elicited;
pub use form::{Choice, ChoiceOption, Form};
#[expect(unused_imports, reason = "as above")]
pub(crate) use question::Question;
pub use roots::Root;
pub use sampling::{
    ModelPreferences, Sampled, Sampling, SamplingContent, SamplingMessage, SamplingTool, ToolChoice, ToolUse,
};

use crate::protocol::Json;

/// What a question is answered with.
pub(crate) trait Answers: Sized {
    /// Reads the client's result.
    ///
    /// # Errors
    /// What is wrong with it, by field and rule; never the value.
    fn read(result: &Json) -> Result<Self, String>;
}
