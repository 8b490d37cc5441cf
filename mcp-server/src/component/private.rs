//! What the expansions of `#[tool]`, `#[resource]` and `#[prompt]` call. Not for use by hand, and changed at will.

use std::marker::PhantomData;

use serde::Serialize;

pub use super::arguments::{Argument, Slots, fill, given, read};
pub use super::convert::{Ending, Returned, levels};
pub use super::schema::{Default as ArgumentDefault, InputSchema};
use crate::protocol::Failure;

/// serde's trait for the maps that arguments are read from.
pub use serde::de::MapAccess;

/// Runs `work` on a thread where it may block.
///
/// # Errors
/// The runtime ends, or the work panics: `internal error`.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a handler did not come to its end");
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

/// What an argument of a prompt or a resource template can be: its text is read into it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from text",
    label = "the client sends text here",
    note = "take `String`, a number, `bool`, or a type that derives `serde::Deserialize`"
)]
pub trait TextArgument: serde::de::DeserializeOwned + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: serde::de::DeserializeOwned + Send + 'static> TextArgument for T {}

/// Whether an argument of type `T` may be left out.
pub fn is_optional<T: TextArgument>(_: PhantomData<T>) -> bool {
    super::arguments::is_optional::<T>()
}
