//! What the expansions of `#[tool]`, `#[resource]` and `#[prompt]` call. Not for use by hand, and changed at will.

use serde::Serialize;

use super::arguments::is_optional;
pub use super::arguments::{Argument, Slots, bad_arguments, fill, given, read};
pub use super::completion::{Completer, Completes, completer, kind};
pub use super::convert::probe::{Returned, levels};
pub use super::convert::{BoxError, Ending, probe};
pub use super::schema::{Default as ArgumentDefault, InputSchema};
use super::threads::on_a_thread;
use super::{IntoReadResult, Parameters, PromptArgument, Reading, ResourceTemplate, TextArguments, Tool};
use crate::Context;
pub use crate::asking::form::private as form;
pub use crate::asking::{Answered, asked};
use crate::places;
use crate::protocol::Failure;

/// Waits for two answers at once, for the first error of either.
pub use futures_util::future::try_join;

/// serde's trait for the maps that arguments are read from.
pub use serde::de::MapAccess;

/// What no type is: a second way to be a component, which leads nowhere.
///
/// A function is a component if it takes nothing and returns one, as the attributes make it. Were that the only way, the
/// compiler would tell of a function without its attribute that it takes too many arguments. Where there are two, it
/// tells what `IntoTool`, `IntoResource` and `IntoPrompt` have to say.
pub trait Nowhere {
    /// Is never called.
    fn never(self) -> !;
}

/// A tool whose schemas were made of the types that its arguments are read into and its result is written from.
pub fn typed(tool: Tool) -> Tool {
    tool.enforced_by_reading()
}

/// A place among the handlers that stand on a thread. Work there goes on when nobody waits for it any more, so it holds
/// its place itself, and calls that are cancelled again and again pile up no further than calls that are not.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is held, not looked at")] places::Place);

/// A place for one handler.
///
/// # Errors
/// All are taken, or as many as one user may have.
pub fn place(context: &Context) -> Result<Place, Failure> {
    context.blocking_place().map(Place).map_err(places::NoPlace::failure)
}

/// Runs `work` on a thread where it may block, within the runtime of the caller. The end of that runtime, and of the
/// process, does not wait for it: its own threads they would wait for.
///
/// # Errors
/// The work panics, or there is no thread for it: `internal error`.
pub async fn blocking<T: Send + 'static>(
    place: Place,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let placed = move || {
        let result = work();
        drop(place);
        result
    };
    on_a_thread(placed).await.unwrap_or_else(|| {
        tracing::error!("a handler did not come to its end"); // a panic was told by the process's panic hook
        Err(Failure::internal())
    })
}

/// The default of an argument as JSON, where its type can be written as such (autoref, as in `levels`).
#[derive(Debug)]
pub struct Shown<'a, T>(pub &'a T);

/// The case of a type that can be written as JSON.
pub trait ShowDefault {
    /// The default.
    fn shown(&self) -> ArgumentDefault;
}

impl<T: Serialize> ShowDefault for &Shown<'_, T> {
    fn shown(&self) -> ArgumentDefault {
        ArgumentDefault(serde_json::to_value(self.0).ok())
    }
}

/// The case of every other type.
pub trait HideDefault {
    /// Nothing.
    fn shown(&self) -> ArgumentDefault;
}

impl<T> HideDefault for Shown<'_, T> {
    fn shown(&self) -> ArgumentDefault {
        ArgumentDefault(None)
    }
}

/// What a default that is written as text can become.
#[diagnostic::on_unimplemented(
    message = "the default of a `{Self}` is not text",
    label = "write a value of type `{Self}`, without quotes"
)]
pub trait DefaultText {
    /// The default.
    fn from_text(text: &'static str) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: From<&'static str>> DefaultText for T {
    fn from_text(text: &'static str) -> Self {
        Self::from(text)
    }
}

/// The default of an argument that is written as text.
pub fn text_default<T: DefaultText>(text: &'static str) -> T {
    T::from_text(text)
}

/// What an argument of a prompt or a resource template can be: its text is read into it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from text",
    label = "the client sends text here",
    note = "take `String`, a number, `bool`, or a type that derives `serde::Deserialize`"
)]
pub trait TextArgument: serde::de::DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: serde::de::DeserializeOwned + Send + 'static> TextArgument for T {}

/// An argument of a prompt; it may be left out if it has a default or its type takes what is absent.
pub fn prompt_argument<T: TextArgument>(
    name: &'static str,
    description: Option<&'static str>,
    has_default: bool,
) -> PromptArgument {
    let optional = has_default || is_optional::<T>();
    let argument = if optional { PromptArgument::optional(name) } else { PromptArgument::required(name) };
    match description {
        Some(text) => argument.description(text),
        None => argument,
    }
}

/// What completes an argument whose type has few values; `None` if it has many.
pub fn by_type<T: TextArgument>() -> Option<Completer> {
    super::completion::by_type::<T>()
}

/// The value of an argument that is text on the wire.
///
/// # Errors
/// It is missing, or cannot be read.
pub fn text<T: TextArgument>(arguments: &TextArguments, name: &str) -> Result<T, Failure> {
    arguments.parse(name)
}

/// The value of an argument that is text on the wire and has a default.
///
/// # Errors
/// It cannot be read.
pub fn text_if_given<T: TextArgument>(arguments: &TextArguments, name: &str) -> Result<Option<T>, Failure> {
    arguments.parse_if_given(name)
}

/// A template that the macro has checked.
///
/// # Panics
/// The macro accepted what [`ResourceTemplate::new`] refuses: a fault of the macro.
pub fn template<F, Fut, R>(uri: &str, handler: F) -> ResourceTemplate
where
    F: Fn(Context, Reading, Parameters) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoReadResult,
{
    ResourceTemplate::new(uri, handler).unwrap_or_else(|error| panic!("{error}"))
}
