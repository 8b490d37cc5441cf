//! Completers: what finishes the value of an argument while it is typed.

mod fixed;
mod form;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

pub(super) use self::fixed::by_type;
pub use self::form::{Completes, completer, kind};
use super::TextArguments;
use super::convert::{BoxError, Ending};
use crate::Context;
use crate::middleware::BoxFuture;
use crate::protocol::{Completion, Failure};

/// What a completer knows beside the value so far: what was chosen for other arguments, and its [`Context`].
#[derive(Clone, Debug)]
pub struct CompletionContext {
    context: Context,
    chosen: TextArguments,
}

impl CompletionContext {
    pub(crate) const fn new(context: Context, chosen: TextArguments) -> Self {
        Self { context, chosen }
    }

    /// The values that were chosen for other arguments of the same prompt or template. Clients before 2025-06-18 tell
    /// none; where the client refers to a URI, the values in it are among them.
    pub const fn arguments(&self) -> &TextArguments {
        &self.chosen
    }

    /// The value that was chosen for another argument, if it was told.
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.chosen.get(name)
    }
}

impl Deref for CompletionContext {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.context
    }
}

/// What a completer may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be completions",
    label = "not values",
    note = "return `Vec<String>`, `Vec<&str>`, an array of text, `Completion`, or a `Result` of these"
)]
pub trait IntoCompletion {
    /// The completions, those that fit best first.
    ///
    /// # Errors
    /// The error that the client gets.
    fn into_completion(self) -> Result<Completion, Failure>;
}

impl IntoCompletion for Completion {
    fn into_completion(self) -> Result<Completion, Failure> {
        Ok(self)
    }
}

impl<V: Into<String>> IntoCompletion for Vec<V> {
    fn into_completion(self) -> Result<Completion, Failure> {
        Ok(Completion::new(self))
    }
}

impl<V: Into<String>, const N: usize> IntoCompletion for [V; N] {
    fn into_completion(self) -> Result<Completion, Failure> {
        Ok(Completion::new(self))
    }
}

/// The error's text goes to the client; an error of a store or of this server is only logged.
impl<T: IntoCompletion, E: Into<BoxError>> IntoCompletion for Result<T, E> {
    fn into_completion(self) -> Result<Completion, Failure> {
        match self {
            Ok(values) => values.into_completion(),
            Err(error) => Err(Ending::of_boxed::<E>(&error.into()).into_failure()),
        }
    }
}

type Completed = BoxFuture<Result<Completion, Failure>>;
type Handler = Arc<dyn Fn(String, CompletionContext) -> Completed + Send + Sync>;

/// What completes one argument, whatever it was made of.
#[derive(Clone)]
pub struct Completer(Handler);

impl Completer {
    pub(crate) fn new<F, Fut, R>(handler: F) -> Self
    where
        F: Fn(String, CompletionContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = R> + Send + 'static,
        R: IntoCompletion,
    {
        Self(Arc::new(move |value, context| {
            let values = handler(value, context);
            Box::pin(async move { values.await.into_completion() })
        }))
    }

    /// Those of `values` that fit.
    pub(crate) fn one_of<V: Into<String>>(values: impl IntoIterator<Item = V>) -> Self {
        let values: Arc<[String]> = values.into_iter().map(Into::into).collect();
        Self::new(move |value, _| {
            let values = Arc::clone(&values);
            async move { Completion::matching(&value, values.iter().cloned()) }
        })
    }

    pub(crate) fn complete(&self, value: String, context: CompletionContext) -> Completed {
        (self.0)(value, context)
    }
}

impl fmt::Debug for Completer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completer")
    }
}

/// The completers of one component, each for an argument.
#[derive(Clone, Debug, Default)]
pub(crate) struct Completers(Vec<(String, Completer)>);

impl Completers {
    /// A second one for the same argument replaces the first.
    pub(super) fn set(&mut self, argument: String, completer: Completer) {
        self.0.retain(|(known, _)| *known != argument);
        self.0.push((argument, completer));
    }

    pub(crate) fn get(&self, argument: &str) -> Option<&Completer> {
        self.0.iter().find(|(known, _)| known == argument).map(|(_, completer)| completer)
    }

    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(argument, _)| argument.as_str())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The builder methods of what has arguments that can be completed.
macro_rules! completion_methods {
    ($argument:literal) => {
        #[doc = concat!("Completes ", $argument, " while it is typed.")]
        ///
        /// `handler` gets the value so far and a [`CompletionContext`](crate::CompletionContext), and returns values,
        /// those that fit best first: `Vec<String>`, an array of text, a
        /// [`Completion`](crate::protocol::Completion), or a `Result` of these. At most 100 are sent, and how many
        /// there are. A second handler for the same name replaces the first; the server is not built if nothing of that
        /// name is there.
        #[must_use]
        pub fn complete<F, Fut, R>(self, argument: impl Into<String>, handler: F) -> Self
        where
            F: Fn(String, $crate::CompletionContext) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = R> + Send + 'static,
            R: $crate::IntoCompletion,
        {
            self.completed(argument, Some($crate::component::Completer::new(handler)))
        }

        #[doc = concat!("Completes ", $argument, " from a list, as")]
        /// [`Completion::matching`](crate::protocol::Completion::matching) does.
        #[must_use]
        pub fn complete_from<V: Into<String>>(
            self,
            argument: impl Into<String>,
            values: impl IntoIterator<Item = V>,
        ) -> Self {
            self.completed(argument, Some($crate::component::Completer::one_of(values)))
        }

        /// What the macros call.
        #[doc(hidden)]
        #[must_use]
        pub fn completed(
            mut self,
            argument: impl Into<String>,
            completer: Option<$crate::component::Completer>,
        ) -> Self {
            if let Some(completer) = completer {
                self.completers.set(argument.into(), completer);
            }
            self
        }

        pub(crate) fn completers(&self) -> &$crate::component::Completers {
            &self.completers
        }
    };
}
pub(super) use completion_methods;
