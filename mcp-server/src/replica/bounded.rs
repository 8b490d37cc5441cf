//! How much waits for one process, and what goes first where that is too much.

use kv_core::Capabilities;
use serde_json::value::RawValue;

/// How many letters wait for one process, and how many bytes they may take together.
pub(crate) const MAX_LETTERS: usize = 4_096;
pub(crate) const MAX_LETTERS_BYTES: usize = 8 << 20;

/// The letters of one inbox, oldest first.
pub(super) type Letters = Vec<Box<RawValue>>;

/// How badly a letter is missed, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// A request that nobody waits for runs to its end.
    Cancellation,
    /// Somebody learns something late or not at all.
    News,
    /// A handler waits for it, and the client has heard that it has arrived.
    Answer,
}

/// How many bytes the letters of one inbox may take together on `store`, which keeps them as one value. A sixteenth of what
/// the store takes is left for what is around them.
pub(super) fn max_bytes(store: &Capabilities) -> usize {
    store.max_value.map_or(MAX_LETTERS_BYTES, |max| MAX_LETTERS_BYTES.min(max - max / 16))
}

/// Adds a letter. Where there is no room for it, cancellations go first, then all other news, the oldest first; answers stay.
/// `false` where nothing but answers is left and there is still no room: then nothing is added.
pub(super) fn add(letters: &mut Letters, letter: Box<RawValue>, max_bytes: usize) -> bool {
    let fits = |(count, bytes): (usize, usize)| count < MAX_LETTERS && bytes + length(&letter) <= max_bytes;
    if !fits(taken(letters.iter().filter(|letter| weigh(letter) == Weight::Answer))) {
        return false;
    }
    let (mut count, mut bytes) = taken(letters.iter());
    for weight in [Weight::Cancellation, Weight::News] {
        letters.retain(|letter| {
            let goes = weigh(letter) == weight && !fits((count, bytes));
            if goes {
                (count, bytes) = (count - 1, bytes - length(letter));
            }
            !goes
        });
    }
    letters.push(letter);
    true
}

/// How many they are, and how many bytes they take together.
fn taken<'a>(letters: impl Iterator<Item = &'a Box<RawValue>>) -> (usize, usize) {
    letters.fold((0, 0), |(count, bytes), letter| (count + 1, bytes + length(letter)))
}

/// What a letter takes in an inbox: itself, and what parts it from the next.
fn length(letter: &RawValue) -> usize {
    letter.get().len() + 1
}

/// By how the letter begins: it may be of a version that this one cannot read.
fn weigh(letter: &RawValue) -> Weight {
    let begins = |name: &str| letter.get().strip_prefix("{\"").is_some_and(|rest| rest.starts_with(name));
    if begins("cancelled\"") {
        Weight::Cancellation
    } else if begins("answered\"") {
        Weight::Answer
    } else {
        Weight::News
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::{RawValue, to_raw_value};

    use super::{Letters, MAX_LETTERS, MAX_LETTERS_BYTES, Weight, max_bytes, weigh};
    use crate::protocol::Json;
    use crate::replica::Letter;

    fn add(letters: &mut Letters, letter: Box<RawValue>) -> bool {
        super::add(letters, letter, MAX_LETTERS_BYTES)
    }

    fn raw(letter: &Letter) -> Box<RawValue> {
        to_raw_value(letter).unwrap()
    }

    fn cancellation() -> Box<RawValue> {
        raw(&Letter::Cancelled { session: "s".to_owned(), request: Json::parse("1".into()).unwrap() })
    }

    fn news(text: &str) -> Box<RawValue> {
        raw(&Letter::Completed { session: "s".to_owned(), elicitation: text.to_owned() })
    }

    fn answer(bytes: usize) -> Box<RawValue> {
        let text = Json::parse(format!("\"{}\"", "x".repeat(bytes)).into()).unwrap();
        let question = Json::parse(r#""q""#.into()).unwrap();
        raw(&Letter::Answered { session: "s".to_owned(), question, answer: Ok(text).into() })
    }

    fn weights(letters: &Letters) -> [usize; 3] {
        [Weight::Cancellation, Weight::News, Weight::Answer]
            .map(|weight| letters.iter().filter(|letter| weigh(letter) == weight).count())
    }

    #[test]
    fn of_too_many_letters_cancellations_go_first_and_answers_never() {
        let mut letters: Letters = (5..MAX_LETTERS).map(|_| answer(1)).collect();
        assert!(add(&mut letters, news("first")) && add(&mut letters, news("second")));
        for _ in 0..3 {
            assert!(add(&mut letters, cancellation()));
        }
        for _ in 0..3 {
            assert!(add(&mut letters, answer(1)));
        }
        assert_eq!(weights(&letters), [0, 2, MAX_LETTERS - 2]);
        assert!(add(&mut letters, cancellation()));
        assert_eq!(weights(&letters), [1, 1, MAX_LETTERS - 2]);
        assert!(!letters.iter().any(|letter| letter.get().contains("first")), "the oldest goes first");
        assert!(add(&mut letters, answer(1)) && add(&mut letters, answer(1)));
        assert!(!add(&mut letters, answer(1)) && !add(&mut letters, cancellation()));
        assert_eq!(weights(&letters), [0, 0, MAX_LETTERS]);
    }

    #[test]
    fn of_letters_that_take_too_much_the_same_go() {
        let mut letters = Letters::new();
        for _ in 0..3 {
            assert!(add(&mut letters, cancellation()) && add(&mut letters, news("n")));
        }
        assert!(add(&mut letters, answer(MAX_LETTERS_BYTES - 1_000)));
        assert_eq!(weights(&letters), [3, 3, 1]);
        assert!(add(&mut letters, news(&"n".repeat(740))));
        assert!(letters.iter().map(|letter| letter.get().len()).sum::<usize>() <= MAX_LETTERS_BYTES);
        assert_eq!(weights(&letters), [0, 4, 1]);
        assert!(!add(&mut letters, answer(2_000)));
        assert_eq!(weights(&letters), [0, 4, 1], "what would make no room stays");
    }

    #[test]
    fn an_inbox_is_no_larger_than_what_its_store_takes() {
        let mut store = kv_core::Capabilities::of("test");
        assert_eq!(max_bytes(&store), MAX_LETTERS_BYTES);
        store.max_value = Some(16 << 20);
        assert_eq!(max_bytes(&store), MAX_LETTERS_BYTES);
        store.max_value = Some(4_096);
        let mut letters = Letters::new();
        while super::add(&mut letters, answer(100), max_bytes(&store)) {}
        let written = serde_json::to_vec(&letters).unwrap().len();
        assert!(written <= 4_096 && written > 3_500, "{written}");
        assert!(
            !super::add(&mut Letters::new(), answer(4_000), max_bytes(&store)),
            "nor is what lies alone there"
        );
    }
}
