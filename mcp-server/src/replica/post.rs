//! The inboxes, and who has one.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use kv_core::{
    AnyStore, Collection, Error, ErrorKind, Key, NewEntry, PutMode, Signals, Store as _, StoreExt as _,
    Unreadable, Version,
};
use rand::Rng as _;

use super::bounded::{self, Letters};
use super::{ALIVE, Letter};
use crate::session::hex;

/// Who lives: the heartbeats, and the list of whose they are.
pub(super) const REPLICAS: &str = "replicas";
/// The id of that list: no heartbeat has it.
const ALL: &str = "all";
const INBOX: &str = "inbox";
/// How long letters wait for a process that does not look.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The inboxes of all processes, as one of them sees them.
///
/// An inbox is one entry: a letter is added by `Update`, and all are had by one `get`, handed on in the order in which they
/// came, and only then removed, if no other has come meanwhile: a store whose answers are lost loses no letter. There is a
/// list of those that have one because no backend finds keys by their beginning without a walk through all others.
pub(super) struct Post {
    id: String,
    store: AnyStore,
    /// What the letters of one inbox may take together.
    max_bytes: usize,
}

/// What was handed on of an inbox, and may lie there still.
#[derive(Default)]
pub(super) struct HandedOn(HashSet<Box<str>>);

/// The id of a heartbeat.
pub(super) fn heartbeat(id: &str) -> String {
    format!("beat.{id}")
}

fn topic(id: &str) -> String {
    format!("{INBOX}.{id}")
}

impl Post {
    pub(super) fn new(store: AnyStore) -> Self {
        let mut id = [0; 16];
        rand::rng().fill_bytes(&mut id);
        let max_bytes = bounded::max_bytes(store.capabilities());
        Self { id: hex(&id), store, max_bytes }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What the letters of one inbox may take together.
    pub(super) const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(super) const fn store(&self) -> &AnyStore {
        &self.store
    }

    /// Alive first, listed then: who finds it on the list finds its heartbeat.
    pub(super) async fn appear(&self) -> kv_core::Result<()> {
        self.beat().await?;
        self.enlist().await
    }

    /// Is as if it had never been.
    pub(super) async fn vanish(&self) -> kv_core::Result<()> {
        self.strike(&BTreeSet::from([self.id.clone()])).await?;
        let beat = heartbeat(&self.id);
        let keys = [Key::new(REPLICAS, &beat), Key::new(INBOX, &self.id)];
        self.store.delete_many(&keys).await?.into_iter().collect()
    }

    /// Renews the heartbeat, and sees to it that the list names who lives and nobody else.
    pub(super) async fn still_here(&self) -> kv_core::Result<()> {
        self.beat().await?;
        let listed = self.list().get(ALL).await?.unwrap_or_default();
        if !listed.contains(&self.id) {
            self.enlist().await?; // it was taken for dead
        }
        let others: Vec<String> = listed.into_iter().filter(|id| *id != self.id).collect();
        let beats: Vec<String> = others.iter().map(|id| heartbeat(id)).collect();
        let keys: Vec<_> = beats.iter().map(|beat| Key::new(REPLICAS, beat)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let found = self.store.get_many(&keys).await?;
        let dead = others.into_iter().zip(found).filter(|(_, beat)| matches!(beat, Ok(None)));
        let dead: BTreeSet<String> = dead.map(|(id, _)| id).collect();
        if dead.is_empty() { Ok(()) } else { self.strike(&dead).await }
    }

    /// Every other process.
    pub(super) async fn others(&self) -> kv_core::Result<Vec<String>> {
        let listed = self.list().get(ALL).await?.unwrap_or_default();
        Ok(listed.into_iter().filter(|id| *id != self.id).collect())
    }

    /// Puts a letter into one inbox, and rings.
    ///
    /// # Errors
    /// `TooLarge` where it would not fit into an empty one; `Full` where more answers wait there than may; else what the
    /// store says.
    pub(super) async fn send(&self, to: &str, letter: &Letter) -> kv_core::Result<()> {
        let Ok(letter) = letter.numbered() else { return Ok(()) };
        if !bounded::add(&mut Letters::new(), letter.clone(), self.max_bytes) {
            return Err(Error::new(ErrorKind::TooLarge, "the store takes no inbox that is as large"));
        }
        let (inbox, mut fits) = (self.inbox(), true);
        let added = inbox.update_with(to, |letters| {
            let mut letters = letters.unwrap_or_default();
            fits = bounded::add(&mut letters, letter.clone(), self.max_bytes);
            Some(letters)
        });
        added.await?;
        self.ring(to).await;
        let full = || Error::new(ErrorKind::Full, "another replica does not look into its inbox");
        if fits { Ok(()) } else { Err(full()) }
    }

    /// Puts a letter into every other inbox; the first failure is told once all were tried.
    pub(super) async fn send_all(&self, letter: &Letter) -> kv_core::Result<()> {
        let others = self.others().await?;
        join_all(others.iter().map(|to| self.send(to, letter))).await.into_iter().collect()
    }

    /// Has a process look into its inbox.
    pub(super) async fn ring(&self, to: &str) {
        if !self.store.capabilities().signals {
            return;
        }
        if let Err(error) = self.store.signal(&topic(to), Bytes::new()).await {
            tracing::debug!(%error, "another replica could not be rung");
        }
    }

    /// Hears the ringing; `None` where there is none, or not now.
    pub(super) async fn rings(&self) -> Option<Signals> {
        if !self.store.capabilities().signals {
            return None;
        }
        let rings = self.store.signals(&topic(&self.id)).await;
        rings.inspect_err(|error| tracing::debug!(%error, "no ringing is heard")).ok()
    }

    /// All letters that were not handed on before, and what to [`Post::remove`] once they are; `None` where there are none.
    /// One that this version cannot read is passed over.
    pub(super) async fn look(&self, handed_on: &mut HandedOn) -> Option<(Vec<Letter>, Version)> {
        match self.inbox().get_entry(&self.id).await {
            Ok(Some(found)) => Some((handed_on.but_for_those(found.value), found.version)),
            Ok(None) => {
                handed_on.0.clear();
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the inbox of this replica could not be read");
                None
            }
        }
    }

    /// Removes what was looked at; `false` where more letters have come meanwhile.
    pub(super) async fn remove(&self, looked_at: Version, handed_on: &mut HandedOn) -> bool {
        match self.store.take(Key::new(INBOX, &self.id), Some(looked_at)).await {
            Ok(_) => handed_on.0.clear(),
            Err(error) if error.kind() == ErrorKind::Conflict => return false,
            // Whether they are gone the next look tells.
            Err(error) => tracing::warn!(%error, "the inbox of this replica could not be emptied"),
        }
        true
    }

    async fn beat(&self) -> kv_core::Result<()> {
        let entry = NewEntry::new(Bytes::from_static(b"1")).ttl(ALIVE);
        let beat = heartbeat(&self.id);
        self.store.put(Key::new(REPLICAS, &beat), entry, PutMode::Replace).await.map(drop)
    }

    async fn enlist(&self) -> kv_core::Result<()> {
        let list = self.list();
        let listed = list.update_with(ALL, |listed| {
            let mut listed = listed.unwrap_or_default();
            listed.insert(self.id.clone());
            Some(listed)
        });
        listed.await.map(drop)
    }

    async fn strike(&self, gone: &BTreeSet<String>) -> kv_core::Result<()> {
        let list = self.list();
        let struck = list.update_with(ALL, |listed| {
            let left: BTreeSet<String> = listed?.difference(gone).cloned().collect();
            (!left.is_empty()).then_some(left)
        });
        struck.await.map(drop)
    }

    fn list(&self) -> Collection<BTreeSet<String>, AnyStore> {
        self.store.clone().collection(REPLICAS).unreadable(Unreadable::Miss)
    }

    fn inbox(&self) -> Collection<Letters, AnyStore> {
        self.store.clone().collection(INBOX).ttl(PATIENCE).unreadable(Unreadable::Miss)
    }
}

impl HandedOn {
    /// Those of `letters` that are new; then all are known. What is not there any more never comes back.
    fn but_for_those(&mut self, letters: Letters) -> Vec<Letter> {
        let before = std::mem::take(&mut self.0);
        let mut new = Vec::new();
        for letter in letters {
            let text: Box<str> = letter.into();
            // Twice in one inbox lies what a store was told twice.
            if !before.contains(&text) && !self.0.contains(&text) {
                new.extend(serde_json::from_str(&text).ok());
            }
            self.0.insert(text);
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_core::testing::{Fault, Faults, Faulty};
    use kv_core::{AnyStore, Clock, ErrorKind};
    use kv_memory::{MemoryConfig, MemoryStore};

    use super::{HandedOn, Letter, PATIENCE, Post};
    use crate::replica::MAX_LETTERS;

    fn two() -> (Post, Post, Clock) {
        let clock = Clock::manual();
        let store = AnyStore::new(MemoryStore::open(MemoryConfig::default().clock(clock.clone())).unwrap());
        (Post::new(store.clone()), Post::new(store), clock)
    }

    fn letter(number: usize) -> Letter {
        Letter::Ended { session: number.to_string(), owner: None }
    }

    /// What the owner of an inbox hands on when it looks, and whether nothing came while it removed that: `before` may come.
    async fn looked(
        post: &Post,
        handed_on: &mut HandedOn,
        before: impl Future<Output = ()>,
    ) -> (Vec<String>, bool) {
        let session = |letter| match letter {
            Letter::Ended { session, .. } => session,
            other => panic!("{other:?}"),
        };
        let Some((letters, version)) = post.look(handed_on).await else { return (Vec::new(), true) };
        before.await;
        (letters.into_iter().map(session).collect(), post.remove(version, handed_on).await)
    }

    async fn taken(post: &Post) -> Vec<String> {
        let (letters, removed) = looked(post, &mut HandedOn::default(), async {}).await;
        assert!(removed);
        letters
    }

    #[tokio::test]
    async fn letters_come_once_and_in_order_and_of_more_than_may_wait_the_oldest_are_lost() {
        let (from, to, _) = two();
        for number in 0..3 {
            from.send(to.id(), &letter(number)).await.unwrap();
        }
        assert_eq!(taken(&to).await, ["0", "1", "2"]);
        assert!(taken(&to).await.is_empty());
        let full = (0..MAX_LETTERS).map(|number| serde_json::value::to_raw_value(&letter(number)).unwrap());
        to.inbox().put(to.id(), &full.collect()).await.unwrap();
        from.send(to.id(), &letter(MAX_LETTERS)).await.unwrap();
        let letters = taken(&to).await;
        assert_eq!((letters.len(), &*letters[0]), (MAX_LETTERS, "1"));
        assert_eq!(letters.last(), Some(&MAX_LETTERS.to_string()));
    }

    #[tokio::test]
    async fn letters_to_who_looks_no_more_go_away_by_themselves() {
        let (from, to, clock) = two();
        from.send(to.id(), &letter(1)).await.unwrap();
        clock.advance(PATIENCE + Duration::from_secs(1));
        assert!(taken(&to).await.is_empty());
    }

    #[tokio::test]
    async fn what_comes_while_letters_are_handed_on_is_handed_on_next_and_nothing_twice() {
        let (from, to, _) = two();
        let mut handed_on = HandedOn::default();
        from.send(to.id(), &letter(0)).await.unwrap();
        let alike = async { from.send(to.id(), &letter(0)).await.unwrap() };
        assert_eq!(looked(&to, &mut handed_on, alike).await, (vec!["0".to_owned()], false));
        assert_eq!(looked(&to, &mut handed_on, async {}).await, (vec!["0".to_owned()], true));
        assert_eq!(looked(&to, &mut handed_on, async {}).await, (Vec::new(), true));
    }

    #[tokio::test]
    async fn an_inbox_whose_removal_nobody_heard_of_loses_no_letter_and_gives_none_twice() {
        for fault in [Fault::lost(ErrorKind::Unavailable), Fault::vanished(ErrorKind::Unavailable)] {
            for comes in [false, true] {
                let (from, _, _) = two();
                let faults = Faults::none();
                let to = Post::new(AnyStore::new(Faulty::new(from.store().clone(), &faults)));
                let mut handed_on = HandedOn::default();
                from.send(to.id(), &letter(0)).await.unwrap();
                faults.next("take", fault.clone());
                assert_eq!(looked(&to, &mut handed_on, async {}).await, (vec!["0".to_owned()], true));
                let mut new = Vec::new();
                if comes {
                    from.send(to.id(), &letter(0)).await.unwrap();
                    new.push("0".to_owned());
                }
                assert_eq!(looked(&to, &mut handed_on, async {}).await, (new, true), "{fault:?}");
                assert!(to.look(&mut handed_on).await.is_none() && handed_on.0.is_empty());
            }
        }
    }
}
