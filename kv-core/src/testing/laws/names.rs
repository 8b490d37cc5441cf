//! Law 5: different pairs of collection and id never share an entry, whatever characters they hold.

use bytes::Bytes;

use crate::testing::tools::{Subject, empty, needs, number};
use crate::testing::{Harness, Shown};
use crate::{Key, Listing, NewEntry, PutMode, Scan, Store};

/// Writes each name's number under it, then reads all: one that reached another's entry is found out.
async fn stay_apart<H: Harness>(h: &H, names: &[(String, String)]) -> Shown {
    let store = empty(h).await?;
    for (n, (collection, id)) in names.iter().enumerate() {
        let put = store.put(Key::new(collection, id), NewEntry::new(number(n)), PutMode::Create).await;
        put.unwrap_or_else(|error| panic!("{} is not a name of its own: {error}", brief(collection, id)));
    }
    for (n, (collection, id)) in names.iter().enumerate() {
        assert_eq!(value(&store, collection, id).await, Some(number(n)), "{}", brief(collection, id));
    }
    for (collection, id) in names {
        let taken = store.take(Key::new(collection, id), None).await.expect("a take");
        assert!(taken.is_some(), "{} was taken by another name", brief(collection, id));
    }
    Ok(())
}

/// The beginnings of both parts, and their lengths.
fn brief(collection: &str, id: &str) -> String {
    let start = |name: &str| name.chars().take(30).collect::<String>();
    format!("{:?} ({}), {:?} ({})", start(collection), collection.len(), start(id), id.len())
}

async fn value<S: Store>(store: &Subject<S>, collection: &str, id: &str) -> Option<Bytes> {
    store.get(Key::new(collection, id)).await.expect("a get").map(|entry| entry.value)
}

fn pairs<const N: usize>(names: [(&str, &str); N]) -> Vec<(String, String)> {
    names.into_iter().map(|(collection, id)| (collection.to_owned(), id.to_owned())).collect()
}

fn ids<'a>(ids: impl IntoIterator<Item = &'a str>) -> Vec<(String, String)> {
    ids.into_iter()
        .flat_map(|id| [("laws".to_owned(), id.to_owned()), (id.to_owned(), "x".to_owned())])
        .collect()
}

/// What stands between collection and id in one database or another.
const SEPARATORS: [&str; 14] =
    ["/", ":", "::", "__", "_", "%", "|", "#", ".", "\0", "\u{1}", "\0\u{1}", "\u{ff}", "{}"];

/// A separator within a name moves nothing from the collection to the id or back.
pub async fn a_separator_in_a_name_moves_nothing(h: &impl Harness) -> Shown {
    let mut names = Vec::new();
    for separator in SEPARATORS {
        names.push(("a".to_owned(), format!("b{separator}c")));
        names.push((format!("a{separator}b"), "c".to_owned()));
        names.push((format!("a{separator}"), "b".to_owned()));
        names.push(("a".to_owned(), format!("{separator}b")));
        names.push((String::new(), format!("a{separator}b{separator}c")));
        names.push((format!("a{separator}b{separator}c"), String::new()));
    }
    stay_apart(h, &names).await
}

/// The empty collection and the empty id are names like others.
pub async fn the_empty_collection_and_the_empty_id_are_names(h: &impl Harness) -> Shown {
    let names = [("", ""), ("", "a"), ("a", ""), ("a", "a"), (" ", ""), ("", " "), ("\0", ""), ("", "\0")];
    stay_apart(h, &pairs(names)).await
}

/// Control characters, NUL among them, end no name and are not dropped from it.
pub async fn control_characters_are_part_of_a_name(h: &impl Harness) -> Shown {
    let names =
        ["a", "a\0", "a\0b", "a\0c", "\0", "\0\0", "\u{1}", "\u{1}a", "a\u{7f}", "a\n", "a\r\n", "a\t"];
    stay_apart(h, &ids(names)).await
}

/// Emoji and other characters beyond 16 bits are kept whole.
pub async fn emoji_are_kept_whole(h: &impl Harness) -> Shown {
    let names = ["😀", "😁", "👩‍👩‍👧", "👩‍👩‍👦", "👩", "\u{1F3F4}", "\u{10FFFF}", "\u{FFFD}", "?", "??"];
    stay_apart(h, &ids(names)).await
}

/// Names are never normalized: composed and decomposed forms are two names.
pub async fn composed_and_decomposed_names_differ(h: &impl Harness) -> Shown {
    let names =
        ["\u{e9}", "e\u{301}", "\u{212b}", "\u{c5}", "A\u{30a}", "\u{fb01}", "fi", "\u{3a9}", "\u{2126}"];
    stay_apart(h, &ids(names)).await
}

/// Upper and lower case differ, also beyond ASCII.
pub async fn upper_and_lower_case_differ(h: &impl Harness) -> Shown {
    let names = ["token", "Token", "TOKEN", "straße", "strasse", "STRASSE", "ı", "i", "İ", "I"];
    stay_apart(h, &ids(names)).await
}

/// A name that looks like an escaped form of another one is not that one.
pub async fn a_name_that_looks_escaped_stands_for_itself(h: &impl Harness) -> Shown {
    let names = [
        "/", "%2F", "%2f", "%252F", "%", "%25", "a%00", "a\0", "\\0", "\\x00", "\\u0000", "&#47;", "+", " ",
        "%20", "\0\u{ff}", "\0\u{1}", "=2F", "~1", "~01", "$", "$$",
    ];
    stay_apart(h, &ids(names)).await
}

/// Spaces around a name belong to it.
pub async fn spaces_around_a_name_count(h: &impl Harness) -> Shown {
    stay_apart(h, &ids(["a", " a", "a ", " a ", "a\u{a0}", "\u{feff}a", "a\u{200b}", "  a"])).await
}

/// Paths, patterns and option-like names mean nothing.
pub async fn a_name_is_no_path_and_no_pattern(h: &impl Harness) -> Shown {
    let names = [".", "..", "../a", "a/../a", "/a", "a/", "*", "?", "[a]", "a*", "--a", "CON", "a//b", "a/b"];
    stay_apart(h, &ids(names)).await
}

/// Ids of 100,000 characters that differ only in the last one are two ids.
pub async fn ids_of_100_000_characters_differ_in_the_last(h: &impl Harness) -> Shown {
    let long = "x".repeat(99_999);
    let names = [format!("{long}a"), format!("{long}b"), long.clone(), format!("{long}é")];
    let names: Vec<_> = names.into_iter().map(|id| ("laws".to_owned(), id)).collect();
    stay_apart(h, &names).await
}

/// Collections of 100,000 characters that differ only in the last one are two collections.
pub async fn collections_of_100_000_characters_differ_in_the_last(h: &impl Harness) -> Shown {
    let long = "x".repeat(99_999);
    let names = [format!("{long}a"), format!("{long}b"), long];
    let names: Vec<_> = names.into_iter().map(|collection| (collection, "a".to_owned())).collect();
    stay_apart(h, &names).await
}

/// Names that begin alike stay apart at every length, where databases and file systems have their limits.
pub async fn names_that_begin_alike_stay_apart_at_every_length(h: &impl Harness) -> Shown {
    let around = |n: usize| n.saturating_sub(3)..n + 3;
    let limits = [32, 64, 128, 200, 250, 256, 300, 512, 900, 1_000, 1_024, 1_500, 2_000, 2_048, 4_096];
    let names: Vec<_> =
        limits.into_iter().flat_map(around).map(|n| ("laws".to_owned(), "a".repeat(n))).collect();
    stay_apart(h, &names).await
}

/// A scan hands back each name exactly as it was put.
pub async fn a_scan_hands_names_back_as_they_were_put(h: &impl Harness) -> Shown {
    let store = empty(h).await?;
    needs(store.capabilities().scan != Listing::No, "cannot list")?;
    let mut names = ids(["", " a ", "a\0b", "\u{1}", "%2F", "/", "::", "😀", "e\u{301}", "\u{e9}", "A", "a"]);
    names.push(("laws".to_owned(), "long".repeat(1_000)));
    for (collection, id) in &names {
        store.put(Key::new(collection, id), NewEntry::new("x"), PutMode::Replace).await.expect("a put");
    }
    let items = store.list(Scan::under("")).await;
    let mut listed: Vec<_> = items.into_iter().map(|item| (item.collection.into(), item.id.into())).collect();
    listed.sort();
    names.sort();
    names.dedup();
    assert_eq!(listed, names);
    Ok(())
}
