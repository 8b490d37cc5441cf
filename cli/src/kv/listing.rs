//! A listing from its first page to its last: begun anew where the store's order has changed, past damaged entries where
//! that is asked for.

use clap::Args;
use kv_core::{AnyStore, Cursor, Damaged, ErrorKind, Item, Page, Scan, Store as _};

use super::export::tell;
use super::failed_of;
use crate::Failure;

/// What to do about entries that cannot be read.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct OnDamage {
    /// Pass over entries that cannot be read, and say how many they were; the exit status is then 1
    #[arg(long)]
    pub(super) skip_damaged: bool,
}

/// So often a store may change its order of listing.
const RESTARTS: u32 = 8;
/// So many damaged entries are named.
const NAMED: u64 = 100;

/// What comes next in a listing.
#[derive(Debug)]
pub(super) enum Step {
    /// More entries.
    Items(Vec<Item>),
    /// The store was restarted or resharded: all entries come again, from the first on. What was counted is void.
    Again,
}

/// The pages of a store.
pub(super) struct Listing<'a> {
    store: &'a AnyStore,
    /// How errors name the store.
    name: &'static str,
    scan: Scan<'a>,
    skip_damaged: bool,
    names_damaged: bool,
    cursor: Option<Cursor>,
    complete: bool,
    restarts: u32,
    damaged: u64,
    /// Why it ends behind the items that were handed out last.
    stopped: Option<Failure>,
}

impl<'a> Listing<'a> {
    /// All that `scan` lists.
    pub(super) fn new(store: &'a AnyStore, scan: Scan<'a>, on_damage: OnDamage) -> Self {
        Self {
            store,
            name: "the store",
            scan: scan.skip_damaged(), // so that the names of what is damaged come whole
            skip_damaged: on_damage.skip_damaged,
            names_damaged: true,
            cursor: None,
            complete: false,
            restarts: 0,
            damaged: 0,
            stopped: None,
        }
    }

    /// Names the store so in errors.
    pub(super) const fn of(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// From this place on; so many damaged entries were passed over before it.
    pub(super) fn from(mut self, cursor: Option<&Cursor>, damaged: u64) -> Self {
        (self.cursor, self.damaged) = (cursor.cloned(), damaged);
        self
    }

    /// Passes over damaged entries without naming them: they were named before.
    pub(super) fn quiet(mut self) -> Self {
        self.names_damaged = false;
        self
    }

    /// The next entries, perhaps none; `None` at the end.
    ///
    /// # Errors
    /// What the store answers, and the first damaged entry that is not to be passed over, behind those before it.
    pub(super) async fn next(&mut self) -> Result<Option<Step>, Failure> {
        if let Some(failure) = self.stopped.take() {
            return Err(failure);
        }
        if self.complete {
            return Ok(None);
        }
        match self.store.scan(self.scan, self.cursor.as_ref()).await {
            Ok(page) => Ok(Some(self.turn(page))),
            Err(error) if error.kind() == ErrorKind::Conflict && self.restarts < RESTARTS => {
                self.restarts += 1;
                (self.cursor, self.damaged) = (None, 0);
                tell("the store was restarted or resharded: listing it from its beginning");
                Ok(Some(Step::Again))
            }
            Err(error) => Err(failed_of(self.name, error)),
        }
    }

    fn turn(&mut self, page: Page) -> Step {
        let Page { items, damaged, next, .. } = page;
        if !self.skip_damaged && !damaged.is_empty() {
            self.stopped = damaged.into_iter().next().map(unread);
            return Step::Items(items); // the place stays before this page
        }
        for one in damaged {
            self.damaged += 1;
            if self.names_damaged && self.damaged <= NAMED {
                tell(&format!("passed over: {}: {}", entry(&one), one.error.message()));
            }
        }
        self.complete = next.is_none();
        self.cursor = next;
        Step::Items(items)
    }

    /// Where the next page begins, once all that was handed out is dealt with; `None` at both ends.
    pub(super) const fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// How many damaged entries were passed over.
    pub(super) const fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Says what was passed over, as the failure that it is.
    ///
    /// # Errors
    /// Something was passed over.
    pub(super) fn end(&self) -> Result<(), Failure> {
        passed_over(self.damaged)
    }
}

/// The failure that `damaged` entries are which were passed over.
///
/// # Errors
/// There were some.
pub(super) fn passed_over(damaged: u64) -> Result<(), Failure> {
    match damaged {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{damaged} entries that cannot be read were passed over"))),
    }
}

/// The failure of a listing that ends at a damaged entry, with the ways past it.
fn unread(damaged: Damaged) -> Failure {
    let remove = match &damaged.name {
        Some((collection, id)) => format!(", or remove it with `larder kv delete URL {collection:?} {id:?}`"),
        None => String::new(),
    };
    let message = format!("{} cannot be read: pass over it with --skip-damaged{remove}", entry(&damaged));
    Failure::new(message).because(damaged.error)
}

fn entry(damaged: &Damaged) -> String {
    match &damaged.name {
        Some((collection, id)) => format!("the entry {id:?} in the collection {collection:?}"),
        None => "an entry whose name is damaged too".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{AnyStore, ErrorKind, Key, NewEntry, PutMode, Scan, Store as _, StoreExt as _};
    use kv_memory::MemoryStore;

    use super::{Listing, OnDamage, Step};

    /// Entries `0` to `9`, of which `3` and `4` do not open.
    async fn store() -> (AnyStore, Faults) {
        let faults = Faults::none();
        let bare = Faulty::new(MemoryStore::new(), &faults).erased();
        let packed = bare.clone().compressed();
        for n in 0..10 {
            let id = n.to_string();
            let (key, entry) = (Key::new("c", &id), NewEntry::new(id.clone()));
            if n == 3 || n == 4 {
                bare.put(key, NewEntry::new("\u{7f} foreign"), PutMode::Create).await.unwrap();
            } else {
                packed.put(key, entry, PutMode::Create).await.unwrap();
            }
        }
        (packed.erased(), faults)
    }

    #[derive(Default)]
    struct Told {
        ids: String,
        restarts: usize,
        failure: Option<String>,
    }

    async fn told(listing: &mut Listing<'_>) -> Told {
        let mut told = Told::default();
        loop {
            match listing.next().await {
                Ok(Some(Step::Items(items))) => told.ids.extend(items.iter().map(|item| &*item.id)),
                Ok(Some(Step::Again)) => {
                    told.restarts += 1;
                    told.ids.clear();
                }
                Ok(None) => return told,
                Err(failure) => {
                    told.failure = Some(failure.to_string());
                    return told;
                }
            }
        }
    }

    #[tokio::test]
    async fn a_damaged_entry_ends_a_listing_by_its_name_and_with_the_ways_past_it() {
        let (store, _) = store().await;
        let mut listing = Listing::new(&store, Scan::one("c").values().limit(2), OnDamage::default());
        let told = told(&mut listing).await;
        let failure = told.failure.unwrap();
        assert_eq!(told.ids, "012", "those of its page are handed out before");
        assert!(
            failure.contains(r#""3" in the collection "c""#) && failure.contains("--skip-damaged"),
            "{failure}"
        );
        assert!(failure.contains(r#"larder kv delete URL "c" "3""#), "{failure}");
        let behind = listing.cursor().cloned();
        let mut again =
            Listing::new(&store, Scan::one("c").values().limit(2), OnDamage { skip_damaged: true })
                .from(behind.as_ref(), 0);
        assert_eq!(self::told(&mut again).await.ids, "256789", "it goes on at the page where it ended");
    }

    #[tokio::test]
    async fn damaged_entries_are_passed_over_counted_and_a_failure_in_the_end() {
        let (store, _) = store().await;
        for limit in [1, 2, 3, 100] {
            let scan = Scan::under("").values().limit(limit);
            let mut listing = Listing::new(&store, scan, OnDamage { skip_damaged: true });
            let told = told(&mut listing).await;
            assert_eq!((told.ids.as_str(), listing.damaged()), ("01256789", 2), "{limit}");
            assert!(listing.end().unwrap_err().to_string().starts_with("2 entries"));
        }
    }

    #[tokio::test]
    async fn a_listing_whose_order_has_changed_begins_anew_and_counts_nothing_twice() {
        let (store, faults) = store().await;
        let mut listing =
            Listing::new(&store, Scan::under("").values().limit(3), OnDamage { skip_damaged: true });
        for _ in 0..2 {
            assert!(matches!(listing.next().await, Ok(Some(Step::Items(_)))));
        }
        faults.next("scan", Fault::refused(ErrorKind::Conflict));
        let told = told(&mut listing).await;
        assert_eq!((told.ids.as_str(), told.restarts, listing.damaged()), ("01256789", 1, 2));
        faults.always("scan", Fault::refused(ErrorKind::Conflict));
        let mut endless = Listing::new(&store, Scan::under(""), OnDamage::default());
        assert!(self::told(&mut endless).await.failure.is_some(), "it does not begin anew for ever");
    }
}
