//! The namespace in stored keys: a number of 1 to 3 bytes, since it stands in every one of them.
//!
//! ```text
//! number (below 255: 1 byte; else FF and 2, big-endian) | collection, each 00 byte as 00 FF | 00 01 | id
//! ```
//!
//! sled keeps a key of up to 22 bytes without following a pointer, so a short head makes short keys quicker. The store
//! keeps the numbers beside its marker entry.

use kv_core::backend::embedded::Namespace;

/// What comes before a number of more than one byte.
const LONG: u8 = u8::MAX;

/// The namespace `name`, which this store counts as `number`.
pub(crate) fn numbered(name: &str, number: u16) -> Namespace {
    let head = match u8::try_from(number) {
        Ok(short) if short != LONG => vec![short],
        _ => [&[LONG][..], &number.to_be_bytes()].concat(),
    };
    Namespace::new(name, head)
}

#[cfg(test)]
mod tests {
    use kv_core::Key;

    use super::numbered;

    #[test]
    fn no_number_begins_another_one_and_every_key_comes_back() {
        let numbers = [0, 1, 0x61, 254, 255, 256, 0x6161, u16::MAX];
        for number in numbers {
            let stored = numbered("n", number).key(Key::new("a\0", "b"));
            for other in numbers {
                let names = numbered("n", other).names(&stored);
                let expected = (number == other).then_some(("a\0".into(), "b"));
                assert_eq!(names, expected, "{number} read as {other}");
            }
        }
    }
}
