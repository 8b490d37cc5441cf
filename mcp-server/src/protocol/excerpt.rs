//! What errors repeat of that which a client sent: enough to know it again, never all of it.
//!
//! A message may have 4 MiB, and so may a name, a URI or a value in it.

/// How many characters of a name, a method, a URI or a value a sentence repeats.
const IN_A_SENTENCE: usize = 100;

/// How many characters of a URI a program gets back: all of one of use.
pub(crate) const REPEATED_URI: usize = 512;

/// How many characters of a protocol version a program gets back: a longer one is none.
pub(crate) const REPEATED_VERSION: usize = 64;

/// The first `characters` of `text`, as they are: for the data of an error.
pub(crate) fn beginning(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The beginning of `text`, escaped: for the message of an error, and for the log.
pub(crate) fn excerpt(text: &str) -> String {
    // Nearly all names: nothing is cut, and nothing to escape.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:".contains(&byte);
    if text.len() <= IN_A_SENTENCE && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let begin = beginning(text, IN_A_SENTENCE);
    let cut = if begin.len() < text.len() { ".." } else { "" };
    format!("{}{cut}", begin.escape_debug())
}

/// A sentence that somebody else wrote about what a client sent, and may have put all of it in the middle: its beginning
/// and its end.
pub(crate) fn abridged(sentence: String) -> String {
    const HALF: usize = 512;
    let begin = beginning(&sentence, HALF);
    let rest = sentence.get(begin.len()..).unwrap_or_default();
    let end = rest.char_indices().rev().nth(HALF - 1).and_then(|(at, _)| rest.get(at..)).unwrap_or(rest);
    if end.len() == rest.len() { sentence } else { format!("{begin} .. {end}") }
}

#[cfg(test)]
mod tests {
    use super::{abridged, beginning, excerpt};

    #[test]
    fn what_a_client_sent_is_repeated_escaped_and_cut() {
        assert_eq!(excerpt("a\nb"), "a\\nb");
        assert_eq!(excerpt(&"ü".repeat(100)), "ü".repeat(100));
        assert_eq!(excerpt(&"ü".repeat(101)), format!("{}..", "ü".repeat(100)));
        assert_eq!((beginning("üö", 1), beginning("üö", 2), beginning("", 0)), ("ü", "üö", ""));
    }

    #[test]
    fn a_sentence_keeps_its_beginning_and_its_end() {
        let sentence = |length: usize| format!("not {}, one of `a`", "ü".repeat(length));
        assert_eq!(abridged(sentence(1_000)), sentence(1_000));
        assert_eq!(abridged("ü".repeat(1_024)), "ü".repeat(1_024));
        let short = abridged(sentence(1 << 20));
        assert_eq!(short.chars().count(), 1_028);
        assert!(short.starts_with("not ü") && short.ends_with("ü, one of `a`") && short.contains("ü .. ü"));
    }
}
