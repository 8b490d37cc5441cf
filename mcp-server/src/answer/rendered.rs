//! A result that is bytes already.

use bytes::Bytes;

use crate::protocol::{Hints, WireForm, line};

/// Bytes that are a result object of one form, but for what is added to every result: `resultType`, who answers, the
/// hints. Cheap to clone; a large one is sent without being copied.
#[derive(Clone, Debug)]
pub struct Rendered {
    form: WireForm,
    bytes: Bytes,
    /// The same buffer and the brace behind it that ends a message; empty where none stands there.
    closed: Bytes,
    hints: Option<Hints>,
}

impl Rendered {
    /// A result from `object`, JSON in which `_meta` stands first if there is one. `hints` tell how long it may be used
    /// again; `None` on results that carry none.
    ///
    /// The form is that of the request, or it is a fault here, logged and sent as `Internal error`.
    #[must_use]
    pub fn new(form: WireForm, object: Bytes, hints: Option<Hints>) -> Self {
        Self { form, bytes: line(object), closed: Bytes::new(), hints }
    }

    /// The same from an object that [`rendered`](crate::protocol::rendered) wrote, with one more `}` behind it: what
    /// is sent ends in one piece then.
    pub(crate) fn closed(form: WireForm, closed: Bytes, hints: Option<Hints>) -> Self {
        let closed = line(closed);
        Self { form, bytes: closed.slice(..closed.len().saturating_sub(1)), closed, hints }
    }

    /// The last `fields` bytes of the object's members, with all that ends the object and a message around it.
    pub(crate) fn end_of_message(&self, fields: usize) -> Option<Bytes> {
        Some(self.closed.slice(self.closed.len().checked_sub(fields + 2)?..))
    }

    /// The same with other hints.
    #[must_use]
    pub fn with_hints(self, hints: Option<Hints>) -> Self {
        Self { hints, ..self }
    }

    /// The form that the bytes have.
    #[must_use]
    pub const fn form(&self) -> WireForm {
        self.form
    }

    /// The object, on one line.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How long it may be used again; `None` on results that carry no hints.
    #[must_use]
    pub const fn hints(&self) -> Option<Hints> {
        self.hints
    }
}
