//! Stored keys: different names never share one, they sort as their names do, what was encoded comes back, a range holds
//! what its scan names, and pages by cursors list all of it, each once and in order.
//!
//! An input is a stored key, taken as it is; the same bytes then choose names, a scan and a cursor.
#![no_main]

use std::collections::BTreeSet;
use std::ops::{Bound, RangeBounds as _};

use arbitrary::{Arbitrary, Unstructured};
use kv_core::backend::{ScanRange, decode, encode, encode_into, successor, with_encoded};
use kv_core::{Cursor, ErrorKind, Scan};
use libfuzzer_sys::fuzz_target;

type Name<'a> = (&'a str, &'a str, &'a str);

#[derive(Arbitrary, Debug)]
struct Chosen<'a> {
    one: Name<'a>,
    other: Name<'a>,
    scanned: Name<'a>,
    under: bool,
    number: u8,
    stored: Vec<Name<'a>>,
    cursor: &'a [u8],
}

fuzz_target!(|data: &[u8]| {
    if let Some(([namespace, collection], id)) = decode::<2>(data) {
        assert_eq!(encode(&[&namespace, &collection], id), data, "there is one way to write it");
    }
    if let Some(end) = successor(data) {
        assert!(end.as_slice() > data && !end.starts_with(data) && end.len() <= data.len());
    }
    if let Ok(chosen) = Chosen::arbitrary_take_rest(Unstructured::new(data)) {
        names(&chosen);
        range(&chosen);
        pages(&chosen);
    }
});

fn key((namespace, collection, id): Name<'_>) -> Vec<u8> {
    encode(&[namespace, collection], id)
}

fn names(chosen: &Chosen<'_>) {
    let (one, other) = (key(chosen.one), key(chosen.other));
    assert_eq!(one.cmp(&other), chosen.one.cmp(&chosen.other), "keys sort as their names do");
    let ([namespace, collection], id) = decode::<2>(&one).expect("it was just encoded");
    assert_eq!((&*namespace, &*collection, id), chosen.one);
    let (namespace, collection, id) = chosen.one;
    let head = [chosen.number];
    with_encoded(&head, &[namespace, collection], id, |lent| assert_eq!(lent, [&head[..], &one].concat()));
}

fn scan<'a>(chosen: &Chosen<'a>) -> Scan<'a> {
    let (_, name, prefix) = chosen.scanned;
    if chosen.under { Scan::under(name).prefix(prefix) } else { Scan::one(name).prefix(prefix) }
}

fn is_wanted(chosen: &Chosen<'_>, (of, collection, id): Name<'_>) -> bool {
    let (namespace, name, prefix) = chosen.scanned;
    let fits = if chosen.under { collection.starts_with(name) } else { collection == name };
    of == namespace && fits && id.starts_with(prefix)
}

fn range(chosen: &Chosen<'_>) {
    let range = ScanRange::new(&[chosen.scanned.0], &scan(chosen)).expect("the limit is good");
    let bounds = range.bounds(None).expect("no cursor").expect("a range is never empty");
    let (stored, wanted) = (key(chosen.one), is_wanted(chosen, chosen.one));
    assert_eq!(bounds.contains(&stored) && range.admits(chosen.one.2), wanted);
    if wanted {
        let cursor = range.cursor(&stored);
        assert_eq!(range.begin(Some(&cursor)).expect("its own cursor"), Bound::Excluded(stored.clone()));
    }
    // Somebody else's cursor is refused; one of this scan, whatever stands in it, leads nowhere outside.
    let foreign = Cursor::from_bytes(chosen.cursor.to_vec());
    if let Err(error) = range.bounds(Some(&foreign)) {
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    if let Some(rest) = range.bounds(Some(&range.cursor(chosen.cursor))).expect("its own cursor") {
        assert!(!rest.contains(&stored) || bounds.contains(&stored));
        assert!(stored.as_slice() > chosen.cursor || !rest.contains(&stored), "a cursor never goes back");
    }
}

/// Pages of one key each, as an embedded backend makes them, over keys that begin with a number instead of a namespace.
fn pages(chosen: &Chosen<'_>) {
    let head = vec![chosen.number];
    let stored: BTreeSet<Vec<u8>> = chosen
        .stored
        .iter()
        .map(|(_, collection, id)| {
            let mut key = head.clone();
            encode_into(&mut key, &[collection], id);
            key
        })
        .collect();
    let namespace = chosen.scanned.0;
    let range = ScanRange::behind(head, &[namespace], &scan(chosen)).expect("the limit is good");
    let mut listed = Vec::new();
    let mut cursor = None;
    while let Some(bounds) = range.bounds(cursor.as_ref()).expect("its own cursor") {
        let Some(found) = first_admitted(&range, &stored, bounds) else { break };
        cursor = Some(range.cursor(&found));
        listed.push(found);
    }
    let wanted = |key: &&Vec<u8>| {
        let ([collection], id) = decode::<1>(&key[1..]).expect("it was encoded");
        is_wanted(chosen, (namespace, &collection, id))
    };
    assert_eq!(listed.iter().collect::<Vec<_>>(), stored.iter().filter(wanted).collect::<Vec<_>>());
}

fn first_admitted(
    range: &ScanRange<'_>,
    stored: &BTreeSet<Vec<u8>>,
    (mut begin, end): (Bound<Vec<u8>>, Bound<Vec<u8>>),
) -> Option<Vec<u8>> {
    loop {
        if let (Bound::Included(begin), Bound::Excluded(end)) = (&begin, &end)
            && begin >= end
        {
            return None;
        }
        let found = stored.range((begin, end.clone())).next()?;
        let ([collection], id) = decode::<1>(&found[1..]).expect("it was encoded");
        if range.admits(id) {
            return Some(found.clone());
        }
        let onward = range.seek(&collection, id);
        assert!(onward > *found, "passing over goes forward");
        begin = Bound::Included(onward);
    }
}
