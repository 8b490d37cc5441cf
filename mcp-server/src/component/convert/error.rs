//! Errors of handlers: what the client reads of them, and what only the log may hold.

use std::error::Error;
use std::fmt::Display;
use std::sync::Arc;

use crate::AskError;
use crate::protocol::{Failure, ToolResult, code};
use crate::state::StateError;

/// Any error that can be sent between threads; text becomes one too.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How an error of a handler ends its call.
#[derive(Debug)]
pub enum Ending {
    /// The client reads this text.
    Told(String),
    /// The client gets this failure, as the handler wrote it.
    Protocol(Failure),
    /// The person did not agree to something; the client reads this text.
    Declined(String),
    /// The client reads "internal error"; the log has the rest.
    Internal,
}

impl Ending {
    /// The ending of a value that is only text.
    pub fn of_text(error: &impl Display) -> Self {
        Self::Told(error.to_string())
    }

    /// The ending of an error: its own text, never its sources'. An error that is one of a store or of this server,
    /// or has one as a source, is written to the log instead.
    pub fn of_error(error: &(dyn Error + 'static)) -> Self {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return Self::Protocol(failure.clone());
        }
        if let Some(unanswered) = chain(error).find_map(|link| link.downcast_ref::<AskError>()) {
            return Self::Protocol(unanswered.failure().clone());
        }
        if chain(error).take_while(|link| !is_fit_for_clients(*link)).any(is_private) {
            return Self::logged(error);
        }
        Self::Told(error.to_string())
    }

    /// The ending of an error whose type was `E` before it was boxed.
    ///
    /// The report types of `anyhow` and `eyre` hide what they hold once they are boxed, so they are not shown.
    pub(in crate::component) fn of_boxed<E>(error: &BoxError) -> Self {
        let name = std::any::type_name::<E>();
        if name.starts_with("anyhow::") || name.starts_with("eyre::") {
            return Self::logged(&**error);
        }
        Self::of_error(&**error)
    }

    fn logged(error: &(dyn Error + 'static)) -> Self {
        let causes: Vec<_> = chain(error).skip(1).map(ToString::to_string).collect();
        tracing::error!(%error, ?causes, "a handler failed");
        Self::Internal
    }

    /// As a tool's answer: the model reads the text and may try something else.
    ///
    /// # Errors
    /// The failure that the handler returned.
    pub fn into_tool(self) -> Result<ToolResult, Failure> {
        match self {
            Self::Told(text) | Self::Declined(text) => Ok(ToolResult::error(text)),
            Self::Protocol(failure) => Err(failure),
            Self::Internal => Ok(ToolResult::error("internal error")),
        }
    }

    /// As the failure of a resource or prompt.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Told(text) => Failure::new(code::INTERNAL_ERROR, text),
            Self::Declined(text) => Failure::new(code::INVALID_REQUEST, text),
            Self::Protocol(failure) => failure,
            Self::Internal => Failure::internal(),
        }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error of ours whose text is written for clients, whatever its sources are.
fn is_fit_for_clients(error: &(dyn Error + 'static)) -> bool {
    error.is::<StateError>()
}

fn is_private(error: &(dyn Error + 'static)) -> bool {
    is_or_points_to::<kv_core::Error>(error) || is_or_points_to::<crate::Error>(error)
}

/// A pointer to an error passes on its source, but has a type of its own.
fn is_or_points_to<E: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    error.is::<E>() || error.is::<Box<E>>() || error.is::<Arc<E>>()
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::{BoxError, Ending, Error};
    use crate::protocol::{Failure, code};

    #[derive(Debug)]
    struct Wrapped(BoxError);

    impl fmt::Display for Wrapped {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the shelf is empty")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    fn of_a_store() -> kv_core::Error {
        kv_core::Error::new(kv_core::ErrorKind::Unavailable, "redis at 10.0.0.1 is gone")
    }

    #[test]
    fn the_client_reads_the_error_but_not_its_sources() {
        let error = Wrapped("a private cause".into());
        assert!(matches!(Ending::of_error(&error), Ending::Told(text) if text == "the shelf is empty"));
    }

    #[test]
    fn an_error_of_a_store_is_internal_however_deep_it_stands() {
        assert!(matches!(Ending::of_error(&of_a_store()), Ending::Internal));
        assert!(matches!(Ending::of_error(&Box::new(of_a_store())), Ending::Internal));
        let deep = Wrapped(Box::new(Wrapped(Box::new(of_a_store()))));
        assert!(matches!(Ending::of_error(&deep), Ending::Internal));
        assert!(matches!(Ending::of_error(&crate::Error::new("no port")), Ending::Internal));
    }

    #[test]
    fn a_failure_goes_to_the_client_as_it_is() {
        let failure = Failure::new(7, "out of stock");
        assert!(matches!(Ending::of_error(&failure), Ending::Protocol(same) if same == failure));
    }

    #[test]
    fn a_resource_tells_the_text_under_the_code_of_an_internal_error() {
        let failure = Ending::of_text(&"no paper").into_failure();
        assert_eq!((failure.code, &*failure.message), (code::INTERNAL_ERROR, "no paper"));
    }
}
