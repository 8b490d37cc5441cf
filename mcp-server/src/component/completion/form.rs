//! What may stand behind `#[arg(complete = ..)]`.

use super::{Completer, CompletionContext, IntoCompletion};
use crate::component::private::{blocking, place};

/// What may stand behind `#[arg(complete = ..)]`: a list of text, or a function. The kind only tells the compiler
/// which of them it is.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot complete an argument",
    label = "neither a list of text nor a function from the value so far to values",
    note = "write `async fn name(value: String) -> Vec<String>`, with `context: CompletionContext` second if it needs one",
    note = "or `fn name(value: &str) -> Vec<String>`, with `context: &CompletionContext` second, which runs on a thread where it may block",
    note = "or a list: `complete = [\"python\", \"rust\"]`"
)]
pub trait Completes<Kind> {
    /// What completes the argument.
    fn completer(self) -> Completer;
}

/// What completes the argument, of whichever kind it is.
pub fn completer<Kind>(completes: impl Completes<Kind>) -> Completer {
    completes.completer()
}

/// The kinds, which are nothing but names.
pub mod kind {
    /// A list.
    #[derive(Debug)]
    pub enum List {}
    /// `async fn(value)`.
    #[derive(Debug)]
    pub enum OfValue {}
    /// `async fn(value, context)`.
    #[derive(Debug)]
    pub enum OfBoth {}
    /// `fn(value)`.
    #[derive(Debug)]
    pub enum OnThread {}
    /// `fn(value, context)`.
    #[derive(Debug)]
    pub enum OnThreadOfBoth {}
}

#[diagnostic::do_not_recommend]
impl<V: Into<String>, const N: usize> Completes<kind::List> for [V; N] {
    fn completer(self) -> Completer {
        Completer::one_of(self)
    }
}

#[diagnostic::do_not_recommend]
impl<V: Into<String>> Completes<kind::List> for Vec<V> {
    fn completer(self) -> Completer {
        Completer::one_of(self)
    }
}

#[diagnostic::do_not_recommend]
impl Completes<kind::List> for &[&str] {
    fn completer(self) -> Completer {
        Completer::one_of(self.iter().copied())
    }
}

#[diagnostic::do_not_recommend]
impl<F, Fut, R> Completes<kind::OfValue> for F
where
    F: Fn(String) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoCompletion,
{
    fn completer(self) -> Completer {
        Completer::new(move |value, _| self(value))
    }
}

#[diagnostic::do_not_recommend]
impl<F, Fut, R> Completes<kind::OfBoth> for F
where
    F: Fn(String, CompletionContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = R> + Send + 'static,
    R: IntoCompletion,
{
    fn completer(self) -> Completer {
        Completer::new(self)
    }
}

#[diagnostic::do_not_recommend]
impl<F, R> Completes<kind::OnThread> for F
where
    F: Fn(&str) -> R + Clone + Send + Sync + 'static,
    R: IntoCompletion,
{
    fn completer(self) -> Completer {
        on_thread(move |value, _| self(value))
    }
}

#[diagnostic::do_not_recommend]
impl<F, R> Completes<kind::OnThreadOfBoth> for F
where
    F: Fn(&str, &CompletionContext) -> R + Clone + Send + Sync + 'static,
    R: IntoCompletion,
{
    fn completer(self) -> Completer {
        on_thread(self)
    }
}

/// Runs `values` where it may block, in a place among those that do.
fn on_thread<F, R>(values: F) -> Completer
where
    F: Fn(&str, &CompletionContext) -> R + Clone + Send + Sync + 'static,
    R: IntoCompletion,
{
    Completer::new(move |value: String, context: CompletionContext| {
        let values = values.clone();
        async move {
            let place = place(&context)?;
            blocking(place, move || values(&value, &context).into_completion()).await
        }
    })
}
