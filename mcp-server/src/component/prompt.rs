//! Prompts: messages that a person picks, filled with arguments.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::about::{About, about_methods};
use super::completion::completion_methods;
use super::private::Nowhere;
use super::{Completers, IntoPromptResult, TextArguments};
use crate::Context;
use crate::middleware::BoxFuture;
use crate::protocol::{Failure, Icon, Json, PromptResult, WireForm};

/// One argument of a prompt. Its value is always text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PromptArgument {
    /// Its name.
    pub name: String,
    /// What to put in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the prompt cannot be had without it.
    pub required: bool,
}

impl PromptArgument {
    /// An argument that must be given.
    pub fn required(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, required: true }
    }

    /// An argument that may be left out.
    pub fn optional(name: impl Into<String>) -> Self {
        Self { name: name.into(), description: None, required: false }
    }

    /// Says what to put in.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

type Handler = Arc<dyn Fn(Context, TextArguments) -> BoxFuture<Result<PromptResult, Failure>> + Send + Sync>;

/// Messages that a person picks. `#[prompt]` makes one of a Rust function; [`Prompt::new`] makes one by hand.
#[derive(Clone)]
pub struct Prompt {
    about: About,
    arguments: Vec<PromptArgument>,
    completers: Completers,
    handler: Handler,
}

impl Prompt {
    /// A prompt with these arguments. `handler` gets them as text: all that are required, and none that is unknown.
    pub fn new<F, Fut, R>(
        name: impl Into<String>,
        arguments: impl IntoIterator<Item = PromptArgument>,
        handler: F,
    ) -> Self
    where
        F: Fn(Context, TextArguments) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoPromptResult,
    {
        Self {
            about: About::new(name),
            arguments: arguments.into_iter().collect(),
            completers: Completers::default(),
            handler: Arc::new(move |context, arguments| {
                let answer = handler(context, arguments);
                Box::pin(async move { answer.await.into_prompt_result() })
            }),
        }
    }

    /// The name that clients get it by.
    pub fn name(&self) -> &str {
        &self.about.name
    }

    about_methods!();
    completion_methods!("an argument");

    /// The names of its arguments.
    pub(crate) fn argument_names(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().map(|argument| argument.name.as_str())
    }

    /// Checks the arguments, an object of strings, and runs the handler.
    ///
    /// A result without a description gets the one of the definition.
    pub(crate) fn get(&self, context: Context, arguments: &Json) -> BoxFuture<Result<PromptResult, Failure>> {
        let arguments = match TextArguments::of_prompt(arguments, &self.arguments) {
            Ok(arguments) => arguments,
            Err(failure) => return Box::pin(std::future::ready(Err(failure))),
        };
        let description = self.about.description.clone();
        let answer = (self.handler)(context, arguments);
        Box::pin(async move {
            let mut result = answer.await?;
            result.description = result.description.or(description);
            Ok(result)
        })
    }

    /// The prompt as `prompts/list` shows it; it is the same in every form.
    pub(crate) fn definition(&self, _: WireForm) -> Json {
        let definition = Definition {
            name: &self.about.name,
            title: self.about.title.as_deref(),
            description: self.about.description.as_deref(),
            arguments: &self.arguments,
            icons: &self.about.icons,
            meta: self.about.definition_meta(),
        };
        Json::of(&definition).unwrap_or(Json::EMPTY)
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt")
            .field("about", &self.about)
            .field("arguments", &self.arguments)
            .finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Definition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "<[PromptArgument]>::is_empty")]
    arguments: &'a [PromptArgument],
    #[serde(skip_serializing_if = "<[Icon]>::is_empty")]
    icons: &'a [Icon],
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<Value>,
}

/// What can be given to the server as a prompt: a [`Prompt`], or the name of a function with `#[prompt]`. The kind only
/// tells the compiler which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a prompt",
    label = "expected a function with `#[prompt]`, or a `Prompt`",
    note = "write `#[prompt]` above the function and pass its name, or make one with `Prompt::new(name, arguments, handler)`"
)]
pub trait IntoPrompt<Kind> {
    /// The prompt.
    fn into_prompt(self) -> Prompt;
}

impl IntoPrompt<Prompt> for Prompt {
    fn into_prompt(self) -> Prompt {
        self
    }
}

/// What `#[prompt]` makes of a function.
#[diagnostic::do_not_recommend]
impl<F: FnOnce() -> Prompt> IntoPrompt<fn() -> Prompt> for F {
    fn into_prompt(self) -> Prompt {
        self()
    }
}

#[diagnostic::do_not_recommend]
impl<F: Nowhere> IntoPrompt<Infallible> for F {
    fn into_prompt(self) -> Prompt {
        self.never()
    }
}
