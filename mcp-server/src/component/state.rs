//! What handlers get beside their arguments: the context, and values shared by all calls.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Requirement;
use crate::Context;
use crate::protocol::Failure;

/// A value that the server was given by `.state(value)`, the same one in every call. It does not appear in the schema.
///
/// A server whose handlers take a `State<T>` that nobody gave is not built; the error names `T` and the component.
pub struct State<T>(Arc<T>);

impl<T> State<T> {
    /// The value itself, to be kept beyond the call.
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T> From<Arc<T>> for State<T> {
    fn from(value: Arc<T>) -> Self {
        Self(value)
    }
}

impl<T> Deref for State<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for State<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for State<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("State").field(&std::any::type_name::<T>()).finish() // the value may hold secrets
    }
}

/// What a handler can take beside its arguments: [`Context`], [`State`], or an own type with `#[arg(inject)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given to a handler",
    label = "only `Context`, `State<T>` and types that implement `Inject` can",
    note = "remove `#[arg(inject)]` to make it an argument that the client sends"
)]
pub trait Inject: Sized + Send + 'static {
    /// What the server must have been given for it.
    fn requirement() -> Option<Requirement> {
        None
    }

    /// The value for this call.
    ///
    /// # Errors
    /// What the client gets instead of an answer.
    fn inject(context: &Context) -> Result<Self, Failure>;
}

impl Inject for Context {
    fn inject(context: &Context) -> Result<Self, Failure> {
        Ok(context.clone())
    }
}

impl<T: Send + Sync + 'static> Inject for State<T> {
    fn requirement() -> Option<Requirement> {
        Some(Requirement::of::<T>())
    }

    fn inject(context: &Context) -> Result<Self, Failure> {
        context.state_of::<T>().map(Self).ok_or_else(|| {
            tracing::error!(
                r#type = std::any::type_name::<T>(),
                "a handler needs a state that the server was not given"
            );
            Failure::internal()
        })
    }
}
