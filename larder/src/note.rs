//! The note that a sealed store holds about itself: which key seals its values. Who opens the store without that key, or
//! without any, is told so at once, before values are mixed that nobody could open together.
//!
//! It is an entry of its own in the clear, as [`kv_core::note`] has it, under the prefix of the URL: those who use one
//! namespace under several prefixes do not meet. It is written with the first sealed value.

mod noted;

use std::time::Duration;

use kv_core::note::{COLLECTION, ID, key_in};
use kv_core::{Error, ErrorKind, Key, Prefix, Reserved, Result, Store};

use crate::keys::Seal;
use crate::platform::FINDING_THE_KEY;
use crate::scheme::Where;

pub(crate) use noted::Noted;

/// A server that takes longer is not waited for at open; the first write asks it again.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Nothing, or nothing that this user may read.
    Missing,
    /// The key of this id seals it.
    Names(String),
    /// It could not be asked.
    Unknown,
}

/// The collection of the note as the backend has it.
pub(crate) fn place(reserved: &Reserved) -> String {
    match &reserved.prefix {
        Some(prefix) => Prefix::name_below(prefix, COLLECTION),
        None => COLLECTION.to_owned(),
    }
}

/// The note of a store that was just opened and that `lies` there.
pub(crate) async fn look(store: &impl Store, place: &str, lies: Where) -> Result<Note> {
    match lies {
        Where::Process => Ok(Note::Missing), // it holds nothing yet
        Where::Directory => read(store, place).await,
        Where::Network => match tokio::time::timeout(PATIENCE, read_on_server(store, place)).await {
            Ok(Err(error)) if error.is_retryable() => Ok(Note::Unknown),
            Ok(note) => note,
            Err(_) => Ok(Note::Unknown),
        },
    }
}

/// As [`read`]. A user who may not read the note may be none of those who seal; whoever seals finds out when writing it.
async fn read_on_server(store: &impl Store, place: &str) -> Result<Note> {
    match read(store, place).await {
        Err(error) if error.kind() == ErrorKind::Denied => Ok(Note::Missing),
        read => read,
    }
}

async fn read(store: &impl Store, place: &str) -> Result<Note> {
    match store.get(Key::new(place, ID)).await {
        Ok(entry) => {
            let named = entry.and_then(|entry| key_in(&entry.value).map(str::to_owned));
            Ok(named.map_or(Note::Missing, Note::Names))
        }
        Err(error) if error.kind() == ErrorKind::Corrupt => Ok(Note::Missing),
        Err(error) => Err(error),
    }
}

/// Whether a store with this note may be opened so.
///
/// # Errors
/// `Invalid` for a sealed one that is to be opened in the clear, or with other keys.
pub(crate) fn check(note: &Note, seal: Option<&Seal>) -> Result<()> {
    let Note::Names(key) = note else { return Ok(()) };
    match seal {
        Some(seal) if seal.has(key) => Ok(()),
        Some(seal) => Err(foreign(key, seal)),
        None => Err(finding(format!(
            "the values of the store are sealed, by the key {key}, and the URL asks for no encryption: add \
             `encrypt=aead`, or choose another store"
        ))),
    }
}

fn foreign(key: &str, seal: &Seal) -> Error {
    let given = seal.given();
    finding(format!(
        "the values of the store are sealed by the key {key}, and what was given is {given}: bring that key back"
    ))
}

fn finding(message: String) -> Error {
    Error::new(ErrorKind::Invalid, message).during(FINDING_THE_KEY)
}

#[cfg(test)]
mod tests {
    use kv_core::testing::{Fault, Faults, Faulty, ReferenceStore};
    use kv_core::{Clock, ErrorKind};

    use super::{COLLECTION, Note, Where, look};

    #[tokio::test(start_paused = true)]
    async fn a_server_that_refuses_to_tell_or_does_not_answer_opens_and_a_directory_does_not() {
        let faults = Faults::none();
        let store = Faulty::new(ReferenceStore::new(&Clock::manual()), &faults);
        for (fault, found) in [
            (Fault::refused(ErrorKind::Denied), Ok(Note::Missing)),
            (Fault::refused(ErrorKind::Corrupt), Ok(Note::Missing)),
            (Fault::refused(ErrorKind::Unavailable), Ok(Note::Unknown)),
            (Fault::hanging(), Ok(Note::Unknown)),
            (Fault::refused(ErrorKind::Unexpected), Err(ErrorKind::Unexpected)),
        ] {
            faults.next("get", fault);
            let looked = look(&store, COLLECTION, Where::Network).await;
            assert_eq!(looked.map_err(|error| error.kind()), found);
        }
        for kind in [ErrorKind::Denied, ErrorKind::Unavailable] {
            faults.next("get", Fault::refused(kind));
            assert_eq!(look(&store, COLLECTION, Where::Directory).await.unwrap_err().kind(), kind);
        }
    }
}
