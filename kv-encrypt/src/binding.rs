//! What a sealed value is bound to, as bytes.

use aws_lc_rs::digest::{SHA256, digest};
use bytes::BufMut;
use kv_core::{Key, Meta};

/// The place of a value: it opens there and nowhere else.
///
/// As bytes: context, collection, id, each after its length; the codec; the number of tags; each tag's name after its
/// length, and its generation (16 bytes). Numbers are unsigned LEB128 (DWARF 5 §7.6), the shortest form. No two places
/// have the same bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) context: &'a str,
    pub(crate) key: Key<'a>,
    pub(crate) meta: &'a Meta,
}

impl Binding<'_> {
    /// Names of usual length need no allocation.
    const NEAR: usize = 128;

    /// Hands the bytes to `work`.
    pub(crate) fn with_bytes<T>(&self, work: impl FnOnce(&[u8]) -> T) -> T {
        let most = self.most();
        if most > Self::NEAR {
            let mut bytes = Vec::with_capacity(most);
            self.write(&mut bytes);
            return work(&bytes);
        }
        let mut near = [0; Self::NEAR];
        let mut rest = &mut near[..];
        self.write(&mut rest);
        let unused = rest.len();
        let (bytes, _) = near.split_at(Self::NEAR - unused);
        work(bytes)
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.with_bytes(|bytes| {
            let mut hash = [0; 32];
            hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
            hash
        })
    }

    /// No more bytes than these.
    fn most(&self) -> usize {
        let Self { context, key, meta } = self;
        let names = [context, key.collection, key.id].map(|name| LONGEST + name.len());
        let tags = meta.tags.iter().map(|(name, generation)| LONGEST + name.len() + generation.len());
        names.iter().sum::<usize>() + 2 * LONGEST + tags.sum::<usize>()
    }

    fn write(&self, out: &mut impl BufMut) {
        let Self { context, key, meta } = self;
        for name in [context, key.collection, key.id] {
            text(out, name);
        }
        number(out, u64::from(meta.codec));
        number(out, meta.tags.len() as u64);
        for (name, generation) in &meta.tags {
            text(out, name);
            out.put_slice(generation);
        }
    }
}

/// Of a number's bytes.
const LONGEST: usize = 10;

fn text(out: &mut impl BufMut, text: &str) {
    number(out, text.len() as u64);
    out.put_slice(text.as_bytes());
}

fn number(out: &mut impl BufMut, mut number: u64) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.put_u8(low);
        }
        out.put_u8(low | 0x80);
    }
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
            &[3][..],
            b"ctx",
            &[1],
            b"c",
            &[2],
            "ä".as_bytes(),
            &[0x82, 2], // the codec
            &[1],
            &[1],
            b"t",
            &[7; 16],
        ]
        .concat();
        binding.with_bytes(|bytes| assert_eq!(bytes, expected));
    }

    #[test]
    fn a_long_name_is_written_like_a_short_one() {
        let plain = Meta::default();
        for (length, written) in [(121, &[121][..]), (122, &[122]), (123, &[123]), (300, &[0xac, 2])] {
            let long = "x".repeat(length);
            let binding = Binding { context: "", key: Key::new("c", &long), meta: &plain };
            let expected = [&[0, 1][..], b"c", written, long.as_bytes(), &[0, 0]].concat();
            binding.with_bytes(|bytes| assert_eq!(bytes, expected));
        }
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
