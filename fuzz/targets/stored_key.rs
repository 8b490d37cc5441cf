//! Stored keys: different names never share one, what was encoded comes back, and a range holds what the scan names.
#![no_main]

use std::ops::{Bound, RangeBounds as _};

use arbitrary::Arbitrary;
use kv_core::backend::{ScanRange, decode, encode, successor, with_encoded};
use kv_core::{Cursor, Scan};
use libfuzzer_sys::fuzz_target;

type Name<'a> = (&'a str, &'a str, &'a str);

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    one: Name<'a>,
    other: Name<'a>,
    scanned: Name<'a>,
    under: bool,
    raw: &'a [u8],
    cursor: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    names(&input);
    if let Some(([namespace, collection], id)) = decode::<2>(input.raw) {
        assert_eq!(encode(&[&namespace, &collection], id), input.raw);
    }
    if let Some(end) = successor(input.raw) {
        assert!(end.as_slice() > input.raw && !end.starts_with(input.raw));
    }
    ranges(&input);
});

fn key((namespace, collection, id): Name<'_>) -> Vec<u8> {
    encode(&[namespace, collection], id)
}

fn names(input: &Input<'_>) {
    let (one, other) = (key(input.one), key(input.other));
    assert_eq!(one == other, input.one == input.other);
    let ([namespace, collection], id) = decode::<2>(&one).expect("it was just encoded");
    assert_eq!((&*namespace, &*collection, id), input.one);
    let (namespace, collection, id) = input.one;
    with_encoded(&[], &[namespace, collection], id, |lent| assert_eq!(lent, one));
    if input.one.0 == input.other.0 && input.one.1 == input.other.1 {
        assert_eq!(one.cmp(&other), input.one.2.as_bytes().cmp(input.other.2.as_bytes()), "ids keep their order");
    }
}

fn ranges(input: &Input<'_>) {
    let (namespace, name, prefix) = input.scanned;
    let scan = if input.under { Scan::under(name) } else { Scan::one(name) }.prefix(prefix);
    let range = ScanRange::new(&[namespace], &scan).expect("the limit is good");
    let (begin, end) = range.bounds(None).expect("no cursor").expect("a range is never empty");
    let stored = key(input.one);
    let (of, collection, id) = input.one;
    let wanted = of == namespace
        && id.starts_with(prefix)
        && if input.under { collection.starts_with(name) } else { collection == name };
    assert_eq!((begin, end).contains(&stored) && range.admits(id), wanted);
    if wanted {
        let cursor = range.cursor(&stored);
        assert_eq!(range.begin(Some(&cursor)).expect("its own cursor"), Bound::Excluded(stored));
    }
    drop(range.bounds(Some(&Cursor::from_bytes(input.cursor.to_vec()))));
}
