//! What a sealed value is bound to, as bytes.

use std::cell::RefCell;

use aws_lc_rs::digest::{SHA256, digest};
use kv_core::{Key, Meta};

/// The place of a value: it opens there and nowhere else.
///
/// As bytes: context, collection, id, each after its length (8 bytes, big-endian); the codec (2 bytes); the number
/// of tags (8 bytes); each tag's name after its length, and its generation (16 bytes). No two places have the same
/// bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) context: &'a str,
    pub(crate) key: Key<'a>,
    pub(crate) meta: &'a Meta,
}

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Binding<'_> {
    /// Longer buffers are not kept for the next value.
    const KEPT: usize = 4 << 10;

    /// Hands the bytes to `work`, which must not ask for another binding's.
    pub(crate) fn with_bytes<T>(&self, work: impl FnOnce(&[u8]) -> T) -> T {
        BUFFER.with_borrow_mut(|buffer| {
            buffer.clear();
            self.write(buffer);
            let done = work(buffer);
            buffer.clear();
            buffer.shrink_to(Self::KEPT);
            done
        })
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.with_bytes(|bytes| {
            let mut hash = [0; 32];
            hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
            hash
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self { context, key, meta } = self;
        for part in [context, key.collection, key.id] {
            text(out, part);
        }
        out.extend_from_slice(&meta.codec.to_be_bytes());
        number(out, meta.tags.len());
        for (name, generation) in &meta.tags {
            text(out, name);
            out.extend_from_slice(generation);
        }
    }
}

fn text(out: &mut Vec<u8>, part: &str) {
    number(out, part.len());
    out.extend_from_slice(part.as_bytes());
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u64).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use kv_core::{Key, Meta};

    use super::Binding;

    #[test]
    fn the_bytes_are_those_that_the_documentation_names() {
        let mut meta = Meta::codec(0x0102);
        meta.tags.push(("t".into(), [7; 16]));
        let binding = Binding { context: "ctx", key: Key::new("c", "ä"), meta: &meta };
        let expected = [
            &[0, 0, 0, 0, 0, 0, 0, 3][..],
            b"ctx",
            &[0, 0, 0, 0, 0, 0, 0, 1],
            b"c",
            &[0, 0, 0, 0, 0, 0, 0, 2],
            "ä".as_bytes(),
            &[1, 2],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            &[0, 0, 0, 0, 0, 0, 0, 1],
            b"t",
            &[7; 16],
        ]
        .concat();
        binding.with_bytes(|bytes| assert_eq!(bytes, expected));
    }

    #[test]
    fn names_that_read_the_same_when_joined_are_told_apart() {
        let plain = Meta::default();
        let places = [
            ("", "", "abc"),
            ("", "ab", "c"),
            ("a", "b", "c"),
            ("", "abc", ""),
            ("abc", "", ""),
            ("ab", "", "c"),
        ];
        let seen = places.map(|(context, collection, id)| {
            Binding { context, key: Key::new(collection, id), meta: &plain }.sha256()
        });
        assert_eq!(HashSet::from(seen).len(), places.len());
    }
}
