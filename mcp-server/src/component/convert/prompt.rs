//! What a prompt may return.

use std::borrow::Cow;

use super::error::{BoxError, Ending};
use crate::protocol::{Content, Failure, PromptMessage, PromptResult, Role};

/// What a prompt may return. Text and content are messages of the user.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a prompt",
    label = "not messages",
    note = "return text, `PromptMessage`, `Vec<PromptMessage>`, `PromptResult`, or a `Result` of these"
)]
pub trait IntoPromptResult {
    /// The result.
    ///
    /// # Errors
    /// The error that the client gets.
    fn into_prompt_result(self) -> Result<PromptResult, Failure>;
}

impl IntoPromptResult for PromptResult {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(self)
    }
}

impl IntoPromptResult for PromptMessage {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new([self]))
    }
}

impl IntoPromptResult for Content {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new([PromptMessage::new(Role::User, self)]))
    }
}

impl IntoPromptResult for Vec<PromptMessage> {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new(self))
    }
}

impl<const N: usize> IntoPromptResult for [PromptMessage; N] {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new(self))
    }
}

impl IntoPromptResult for String {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new([PromptMessage::user(self)]))
    }
}

impl IntoPromptResult for &'static str {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new([PromptMessage::user(self)]))
    }
}

impl IntoPromptResult for Cow<'static, str> {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new([PromptMessage::user(self)]))
    }
}

impl IntoPromptResult for Vec<String> {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        Ok(PromptResult::new(self.into_iter().map(PromptMessage::user)))
    }
}

/// The error's text goes to the client; an error of a store or of this server is only logged.
impl<T: IntoPromptResult, E: Into<BoxError>> IntoPromptResult for Result<T, E> {
    fn into_prompt_result(self) -> Result<PromptResult, Failure> {
        match self {
            Ok(value) => value.into_prompt_result(),
            Err(error) => Err(Ending::of_boxed::<E>(&error.into()).into_failure()),
        }
    }
}
