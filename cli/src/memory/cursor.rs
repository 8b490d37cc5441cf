//! Where the next page of `search` and `list` begins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::ToolError;
use super::search::{MAX_WORDS, Rank};

/// Longer ones were not made here.
const MAX_LENGTH: usize = 8 << 10;
/// Far above what any word weighs: scores stay far below what a `u64` holds.
const MAX_WEIGHT: u32 = 100_000;

/// Where the next page begins: behind the last hit of this one.
///
/// It carries the weights of the words, so that scores of later pages compare with those of the first although
/// memories come and go meanwhile. It holds nothing that its reader was not shown, and names no place in the store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PageCursor {
    /// Of the question, so that a cursor is not used for another.
    #[serde(rename = "q")]
    digest: u64,
    #[serde(rename = "w")]
    pub(super) weights: Vec<u32>,
    #[serde(rename = "r")]
    pub(super) last: Rank,
}

impl PageCursor {
    pub(super) const fn new(digest: u64, weights: Vec<u32>, last: Rank) -> Self {
        Self { digest, weights, last }
    }

    /// Whether it may have been made here: its reader can change it at will.
    fn is_plausible(&self) -> bool {
        self.weights.len() <= MAX_WORDS && self.weights.iter().all(|weight| *weight <= MAX_WEIGHT)
    }

    pub(super) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// # Errors
    /// The text is no cursor, or one of another question.
    pub(super) fn parse(text: &str, digest: u64) -> Result<Self, ToolError> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            serde_json::from_slice::<Self>(&bytes).ok()
        };
        let cursor = if text.len() <= MAX_LENGTH { read() } else { None };
        cursor.filter(|cursor| cursor.digest == digest && cursor.is_plausible()).ok_or_else(|| {
            ToolError::told(
                "`cursor` does not belong to this question: give back the `next_cursor` of an answer with the same \
                 other arguments, or leave it out to begin anew",
            )
        })
    }
}

/// A short digest of the parts of a question, each with its length.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::{PageCursor, digest};
    use crate::memory::search::Rank;

    #[test]
    fn a_cursor_is_read_back_and_refused_for_another_question() {
        let last = Rank { score: 7, at: 9, id: "ä/\"".to_owned() };
        let (mine, other) = (digest(["a", "b"]), digest(["ab"]));
        let text = PageCursor::new(mine, vec![1, 2], last.clone()).to_text();
        let read = PageCursor::parse(&text, mine).unwrap();
        assert_eq!((read.weights, read.last), (vec![1, 2], last));
        let forged =
            PageCursor::new(mine, vec![u32::MAX], Rank { score: 0, at: 0, id: String::new() }).to_text();
        for (text, digest) in [
            (&*forged, mine),
            (&*text, other),
            ("", mine),
            ("!", mine),
            ("e30", mine),
            (&"A".repeat(5_000), mine),
        ] {
            assert!(PageCursor::parse(text, digest).unwrap_err().to_string().contains("`cursor`"));
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
        assert_ne!(digest([""]), digest([]));
    }
}
