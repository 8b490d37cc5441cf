//! Writing a page of entries into the target.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use kv_core::{
    AnyStore, ByteString, Entry, Error, ErrorKind, Item, Key, NewEntry, Outcome, PutMode, Store as _,
};

use super::fates::{Fate, Fates, Left, Name, State, Written};
use crate::Failure;
use crate::kv::export::tell;
use crate::kv::{failed_of, left_out};

/// So many entries are created at once: there is no batch of conditional writes.
const AT_ONCE: usize = 64;

/// What becomes of an entry that `DST` has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Present {
    Replaced,
    Kept,
}

/// An entry on its way.
struct Draft {
    collection: ByteString,
    id: ByteString,
    name: Name,
    state: State,
    entry: NewEntry,
}

/// Writes these items, which were read at this time; without a target it only counts them.
pub(super) async fn write(
    target: Option<&AnyStore>,
    items: Vec<Item>,
    read: Instant,
    fates: &mut Fates,
) -> Result<(), Failure> {
    let items = if fates.present() == Present::Kept { last_of_each(items) } else { items };
    let mut drafts = Vec::with_capacity(items.len());
    for Item { collection, id, entry, .. } in items {
        let name = fates.name(Key::new(&collection, &id));
        match entry.and_then(|entry| drafted(entry, read.elapsed())) {
            Some((state, entry)) => drafts.push(Draft { collection, id, name, state, entry }),
            None => fates.expire(name),
        }
    }
    let Some(target) = target.filter(|_| !drafts.is_empty()) else {
        fates.counts.copied += drafts.len() as u64;
        return Ok(());
    };
    match fates.present() {
        Present::Replaced => replace(target, drafts, fates).await,
        Present::Kept => create(target, drafts, fates).await,
    }
}

/// Of a name that is listed twice on one page, what was read of it last: the order in which entries are created is not theirs.
fn last_of_each(mut items: Vec<Item>) -> Vec<Item> {
    let mut names = HashSet::with_capacity(items.len());
    items.reverse();
    items.retain(|item| names.insert((item.collection.clone(), item.id.clone())));
    items.reverse();
    items
}

async fn replace(target: &AnyStore, drafts: Vec<Draft>, fates: &mut Fates) -> Result<(), Failure> {
    let (mut names, mut entries) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
    for Draft { collection, id, name, state, entry } in drafts {
        names.push((collection, id, name, state));
        entries.push(entry);
    }
    let keys = names.iter().map(|(collection, id, ..)| Key::new(collection, id));
    let written =
        target.put_many(keys.zip(entries).collect()).await.map_err(|error| failed_of("DST", error))?;
    for ((.., name, state), answer) in names.iter().zip(written) {
        let fate = match answer {
            Ok(version) => Fate::Copied(Written { version, state: *state }),
            Err(error) => refused(error)?,
        };
        fates.settle(*name, fate);
    }
    Ok(())
}

async fn create(target: &AnyStore, drafts: Vec<Draft>, fates: &mut Fates) -> Result<(), Failure> {
    let known = &*fates;
    let creations = drafts.into_iter().map(|draft| async move {
        let Draft { collection, id, name, state, entry } = draft;
        let (key, own) = (Key::new(&collection, &id), known.written(name));
        let fate = match create_one(target, key, entry, state, own).await {
            Err(error) if is_damage(&error) => {
                tell(&format!(
                    "left out: {error}: it stands there in DST and cannot be read; remove it with \
                     `larder kv delete DST {collection:?} {id:?}` and copy again"
                ));
                Ok(Fate::Left(Left::Refused))
            }
            Err(error) => refused(error),
            Ok(fate) => Ok(fate),
        };
        (name, fate)
    });
    let created: Vec<_> = stream::iter(creations).buffered(AT_ONCE).collect().await;
    for (name, fate) in created {
        fates.settle(name, fate?);
    }
    Ok(())
}

/// Writes the entry where the target has none, or has what this run wrote of another state of it: `own`.
async fn create_one(
    target: &AnyStore,
    key: Key<'_>,
    entry: NewEntry,
    state: State,
    own: Option<Written>,
) -> Result<Fate, Error> {
    let copied = |version| Fate::Copied(Written { version, state });
    let again = own.map(|own| (own, entry.resend()));
    match target.put(key, entry, PutMode::Create).await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        created => return created.map(copied),
    }
    match again {
        None => Ok(Fate::Left(Left::Kept)),
        Some((own, _)) if own.state == state => Ok(Fate::Copied(own)),
        Some((own, entry)) => match target.put(key, entry, PutMode::Update(own.version)).await {
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Fate::Left(Left::Kept)), // another one's by now
            updated => updated.map(copied),
        },
    }
}

/// What the target refused, if the others may well be written.
fn refused(error: Error) -> Result<Fate, Failure> {
    left_out("DST", error).map(|()| Fate::Left(Left::Refused))
}

/// The entry to be written and the state that it is a copy of, if its time is not over.
fn drafted(entry: Entry, since: Duration) -> Option<(State, NewEntry)> {
    let left = match entry.ttl {
        Some(ttl) => Some(ttl.checked_sub(since).filter(|left| !left.is_zero())?),
        None => None,
    };
    Some((State::of(entry.version), NewEntry::new(entry.value).ttl(left).meta(entry.meta)))
}

/// Whether a condition could not be judged, since what stands there is damaged.
fn is_damage(error: &Error) -> bool {
    error.kind() == ErrorKind::Corrupt && error.outcome() == Outcome::NotDone
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{
        AnyStore, Entry, ErrorKind, Item, Key, Meta, NewEntry, PutMode, Store as _, StoreExt as _, Version,
    };
    use kv_memory::MemoryStore;

    use super::super::fates::{Counts, Fates, Remembers};
    use super::write;

    fn read(id: &str, value: &str) -> Item {
        let entry = Entry::new(value.to_owned().into(), Version::random(), None, Meta::default());
        Item::new("c", id, Some(entry))
    }

    async fn value(store: &AnyStore, id: &str) -> String {
        let entry = store.get(Key::new("c", id)).await.unwrap().unwrap();
        String::from_utf8(entry.value.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn what_is_listed_again_counts_once_and_ends_as_it_was_read_last() {
        let (target, mut fates) = (MemoryStore::new().erased(), Fates::keeping(Remembers::Everything));
        target.put(Key::new("c", "theirs"), NewEntry::new("other"), PutMode::Create).await.unwrap();
        let (same, theirs) = (read("same", "1"), read("theirs", "1"));
        for page in [
            vec![
                same.clone(),
                read("page", "old"),
                theirs.clone(),
                read("page", "new"),
                read("later", "old"),
            ],
            vec![same, read("later", "new"), theirs],
        ] {
            write(Some(&target), page, Instant::now(), &mut fates).await.unwrap();
        }
        assert_eq!(fates.counts, Counts { copied: 3, kept: 1, ..Counts::default() });
        for (id, expected) in [("same", "1"), ("page", "new"), ("later", "new"), ("theirs", "other")] {
            assert_eq!(value(&target, id).await, expected, "{id}");
        }
    }

    #[tokio::test]
    async fn what_is_damaged_in_the_target_is_left_out_and_the_others_are_written() {
        let faults = Faults::none();
        let target = Faulty::new(MemoryStore::new(), &faults).erased();
        faults.next("put", Fault::refused(ErrorKind::Corrupt));
        let mut fates = Fates::keeping(Remembers::Nothing);
        let page = ["a", "b", "c"].map(|id| read(id, "1")).to_vec();
        write(Some(&target), page.clone(), Instant::now(), &mut fates).await.unwrap();
        assert_eq!(fates.counts, Counts { copied: 2, refused: 1, ..Counts::default() });
        faults.next("put", Fault::lost(ErrorKind::Corrupt));
        let ended = write(Some(&target), page, Instant::now(), &mut fates).await;
        assert!(ended.is_err(), "a store that does not know what it did is not damaged in one entry");
    }
}
