//! JSON written straight into one buffer.

use serde::Serialize;

use crate::protocol::Json;

/// An object being written.
pub(super) struct Object<'out> {
    out: &'out mut Vec<u8>,
    empty: bool,
}

impl<'out> Object<'out> {
    pub(super) fn begin(out: &'out mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a name; the caller writes the value behind it. Names need no escapes.
    pub(super) fn name(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn value<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        push_value(self.name(name), value);
    }

    pub(super) fn json(&mut self, name: &'static str, json: &Json) {
        push_json(self.name(name), json);
    }

    /// Writes the members of an object that was written before; none is nothing.
    pub(super) fn members(&mut self, members: &[u8]) {
        if !members.is_empty() {
            self.separate();
            self.out.extend_from_slice(members);
        }
    }

    /// Leaves the object to be ended by others: they write at least one member more, and the brace.
    pub(super) fn leave(mut self) {
        self.separate();
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
    }
}

/// Writes `value`; null in place of one that cannot be JSON, which is a fault and logged.
pub(super) fn push_value<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let before = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, value) {
        tracing::error!(%error, "a value of an answer could not be written and is sent as null");
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

pub(super) fn push_json(out: &mut Vec<u8>, json: &Json) {
    out.extend_from_slice(json.as_bytes());
}

/// Writes an array, each element by `push`.
pub(super) fn push_array<T>(out: &mut Vec<u8>, items: &[T], mut push: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

/// What stands between the braces of an object; nothing for what is none.
pub(super) fn members_of(object: &[u8]) -> &[u8] {
    let inner = object.trim_ascii().strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    inner.unwrap_or_default().trim_ascii()
}
