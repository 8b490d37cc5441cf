//! What the person is asked for before a handler runs.

use std::fmt;
use std::ops::Deref;

use super::{Elicited, Form};
use crate::Context;
use crate::component::private::Ending;

/// What the person answered before the handler ran: an argument of a function with `#[tool]`, `#[resource]` or `#[prompt]`.
///
/// This is the safest way to ask, since nothing of the function runs before everything is answered. `Asked<T>` holds the form
/// `T`. Where the person declines or closes the question the function does not run: a tool answers an error that the model
/// reads, a resource or prompt fails with -32600. `Asked<Elicited<T>>` hands all three to the function.
///
/// The question has the argument's name as its key, is no part of the tool's schema, and what is asked by several
/// arguments is asked at once. It reads as the doc comment above the argument or `#[arg(ask = "..")]` says, with the values of
/// arguments that are named in braces. A client that cannot be asked is refused before
/// ([`Capability::Elicitation`](crate::Capability)).
///
/// ```
/// use mcp_server::{Asked, Elicited, Form, tool};
///
/// #[derive(Form)]
/// struct Confirm {
///     /// Book it?
///     sure: bool,
/// }
///
/// #[derive(Form)]
/// struct Guests {
///     #[form(min = 1, max = 8)]
///     guests: u8,
/// }
///
/// /// Books a room.
/// #[tool]
/// async fn book(
///     room: String,
///     #[arg(ask = "Book {room}?")] ok: Asked<Confirm>,
///     /// How many come? You may leave it open.
///     guests: Asked<Elicited<Guests>>,
/// ) -> String {
///     let Some(guests) = guests.into_inner().accepted().filter(|_| ok.sure) else {
///         return "nothing was booked".to_owned();
///     };
///     format!("{room} is yours, for {}", guests.guests)
/// }
/// # mcp_server::Server::new("rooms").tool(book).test_client().unwrap();
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Asked<T>(T);

impl<T> Asked<T> {
    /// The answer.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// For tests that call the function itself.
impl<T> From<T> for Asked<T> {
    fn from(answer: T) -> Self {
        Self(answer)
    }
}

impl<T> Deref for Asked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Asked").field(&std::any::type_name::<T>()).finish() // what people enter is theirs
    }
}

/// What [`Asked`] can hold: a form, or [`Elicited`] of one.
pub trait Answerable: Sized + Send + 'static {
    /// What the person fills in.
    type Form: Form;

    /// What the handler gets; `None` where it does not run.
    fn of(answer: Elicited<Self::Form>) -> Option<Self>;
}

impl<F: Form> Answerable for F {
    type Form = F;

    fn of(answer: Elicited<F>) -> Option<F> {
        answer.accepted()
    }
}

impl<F: Form> Answerable for Elicited<F> {
    type Form = F;

    fn of(answer: Self) -> Option<Self> {
        Some(answer)
    }
}

/// An argument that the person is asked for; the macros' own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not asked of the person",
    label = "only `Asked<T>` is, where `T` is a form",
    note = "write `Asked<..>`, or remove `#[arg(ask = ..)]` to make it an argument that the client sends"
)]
pub trait Answered: Sized + Send + 'static {
    /// What the person fills in.
    type Form: Form;

    /// What the handler gets; `None` where it does not run.
    fn of(answer: Elicited<Self::Form>) -> Option<Self>;
}

impl<T: Answerable> Answered for Asked<T> {
    type Form = T::Form;

    fn of(answer: Elicited<T::Form>) -> Option<Self> {
        T::of(answer).map(Self)
    }
}

/// Asks for the argument `name`.
///
/// # Errors
/// The person cannot be asked, or did not agree and the handler does not look at that.
pub async fn asked<A: Answered>(context: &Context, name: &'static str, message: String) -> Result<A, Ending> {
    let answer = context.question(name).elicit::<A::Form>(message).await;
    let answer = answer.map_err(|error| Ending::of_error(&error))?;
    let did = match &answer {
        Elicited::Cancelled => "closed the question without an answer",
        Elicited::Declined | Elicited::Accepted(_) => "declined",
    };
    A::of(answer).ok_or_else(|| Ending::Declined(format!("nothing was done: the person {did} (`{name}`)")))
}

#[cfg(test)]
mod tests {
    use super::{Answerable, Asked};
    use crate::Elicited;

    #[test]
    fn a_form_is_there_only_where_it_was_accepted() {
        assert_eq!(<() as Answerable>::of(Elicited::Accepted(())), Some(()));
        assert_eq!(<() as Answerable>::of(Elicited::Declined), None);
        assert_eq!(<() as Answerable>::of(Elicited::Cancelled), None);
    }

    #[test]
    fn who_asks_for_all_that_can_happen_gets_it() {
        for answer in [Elicited::Accepted(()), Elicited::Declined, Elicited::Cancelled] {
            assert_eq!(<Elicited<()> as Answerable>::of(answer), Some(answer));
        }
    }

    #[test]
    fn what_was_entered_stands_in_no_debug_output() {
        assert!(!format!("{:?}", Asked::from("s3cret".to_owned())).contains("s3cret"));
    }
}
