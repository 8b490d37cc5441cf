//! One listener: what it wants to know, and what of it happened since it last looked.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Hub;
use crate::Dynamic;

/// What a listener wants to know of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    /// The kinds whose lists concern it.
    pub(crate) kinds: Dynamic,
    /// The resources that concern it.
    pub(crate) uris: HashSet<Arc<str>>,
}

impl Wants {
    /// Changes of these lists alone.
    pub(crate) fn kinds(kinds: Dynamic) -> Self {
        Self { kinds, uris: HashSet::new() }
    }

    /// Updates of these resources too.
    pub(crate) fn and<'a>(mut self, uris: impl IntoIterator<Item = &'a str>) -> Self {
        self.uris.extend(uris.into_iter().map(Arc::from));
        self
    }
}

/// One thing that happened, however often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The list of this one kind is another one now.
    Listed(Dynamic),
    /// The resource of this URI has another content.
    Updated(Arc<str>),
    /// The page is done that the person was sent to by the question of this id.
    Completed(Arc<str>),
    /// Something has become of the session that the store knows.
    Look,
}

/// A listener; dropping it ends it.
pub(crate) struct Listener {
    hub: Hub,
    id: u64,
    ear: Arc<Ear>,
}

impl Listener {
    pub(super) const fn new(hub: Hub, id: u64, ear: Arc<Ear>) -> Self {
        Self { hub, id, ear }
    }

    /// Waits for the next thing that happened; `None` once this listener has ended. Dropped before, it loses nothing.
    pub(crate) async fn next(&self) -> Option<Notice> {
        loop {
            if let Some(notice) = self.take() {
                return Some(notice);
            }
            if self.is_ended() {
                return None;
            }
            self.ear.told.notified().await; // whoever told something between left a permit
        }
    }

    /// The next thing that happened, if there is one: what concerns the session itself first, then lists.
    pub(crate) fn take(&self) -> Option<Notice> {
        let mut heard = self.ear.heard();
        if std::mem::take(&mut heard.look) {
            return Some(Notice::Look);
        }
        if let Some(kind) = Dynamic::EACH.into_iter().find(|kind| heard.kinds.contains(*kind)) {
            heard.kinds = heard.kinds.without(kind);
            return Some(Notice::Listed(kind));
        }
        let updated = heard.uris.pop_first().map(Notice::Updated);
        updated.or_else(|| heard.completed.pop_first().map(Notice::Completed))
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.ear.heard().ended
    }

    /// Waits until this listener has ended.
    pub(crate) async fn ended(&self) {
        while !self.is_ended() {
            self.stirred().await;
        }
    }

    /// Waits until something is told, or [`Hub::stir`] is called.
    pub(crate) async fn stirred(&self) {
        self.ear.told.notified().await;
    }

    /// How often its session asked for more or less; see [`Listener::want`].
    pub(crate) fn edits(&self) -> u64 {
        self.ear.heard().edits
    }

    /// Wants to know of these resources, and of no others, as its session was found after `edits` were asked for;
    /// `false`, and nothing happens, where the session has asked for more or less since.
    pub(crate) fn want(&self, uris: impl IntoIterator<Item = impl Into<Arc<str>>>, edits: u64) -> bool {
        let uris: HashSet<Arc<str>> = uris.into_iter().map(Into::into).collect();
        let mut ears = self.hub.write();
        let mut heard = self.ear.heard();
        if heard.edits != edits {
            return false;
        }
        heard.uris.retain(|uri| uris.contains(uri));
        let before = std::mem::replace(&mut heard.wants.uris, uris.clone());
        drop(heard);
        for uri in before.difference(&uris) {
            ears.forget(uri, self.id);
        }
        for uri in uris {
            ears.by_uri.entry(uri).or_default().insert(self.id);
        }
        true
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.hub.leave(self.id);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How many pages that are done may wait to be told.
pub(super) const MAX_COMPLETED: usize = 64;

/// What an ended listener had not looked at.
#[derive(Default)]
pub(super) struct Unread {
    kinds: Dynamic,
    uris: BTreeSet<Arc<str>>,
    completed: BTreeSet<Arc<str>>,
}

/// Whose listener it is.
pub(super) struct OfSession {
    pub(super) key: String,
    /// What the store knows its stream by; `None` where no other process could have one.
    pub(super) stream: Option<u64>,
}

/// What the hub knows of a listener.
pub(super) struct Ear {
    session: Option<OfSession>,
    heard: Mutex<Heard>,
    /// One listener waits here: a permit is left for it where it does not wait yet.
    told: Notify,
}

#[derive(Default)]
struct Heard {
    wants: Wants,
    /// What happened since the last look: of what it wants, each once.
    kinds: Dynamic,
    uris: BTreeSet<Arc<str>>,
    /// Pages that are done: of each listener, since only those of its session are told to it.
    completed: BTreeSet<Arc<str>>,
    /// How often `wants` was changed by its session.
    edits: u64,
    /// Whether the session is to be looked at anew.
    look: bool,
    ended: bool,
}

impl Ear {
    pub(super) fn new(wants: Wants, session: Option<OfSession>) -> Self {
        Self { session, heard: Mutex::new(Heard { wants, ..Heard::default() }), told: Notify::new() }
    }

    pub(super) fn session(&self) -> Option<&str> {
        self.session.as_ref().map(|session| &*session.key)
    }

    pub(super) fn stream(&self) -> Option<u64> {
        self.session.as_ref()?.stream
    }

    pub(super) fn wanted(&self) -> Vec<Arc<str>> {
        self.heard().wants.uris.iter().map(Arc::clone).collect()
    }

    pub(super) fn subscribe(&self, uri: &Arc<str>) {
        let mut heard = self.heard();
        heard.edits += 1;
        heard.wants.uris.insert(Arc::clone(uri));
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        let mut heard = self.heard();
        heard.edits += 1;
        heard.wants.uris.remove(uri);
        heard.uris.remove(uri);
    }

    pub(super) fn listed(&self, kinds: Dynamic) {
        let mut heard = self.heard();
        let wanted = heard.wants.kinds.both(kinds);
        if !wanted.is_empty() && !heard.ended {
            heard.kinds |= wanted;
            drop(heard);
            self.told.notify_one();
        }
    }

    pub(super) fn updated(&self, uri: &Arc<str>) {
        let mut heard = self.heard();
        if heard.wants.uris.contains(uri) && !heard.ended {
            heard.uris.insert(Arc::clone(uri));
            drop(heard);
            self.told.notify_one();
        }
    }

    /// A page is done. More than a few at once wait for a client that does not read, which may do without.
    pub(super) fn completed(&self, id: &str) {
        let mut heard = self.heard();
        if !heard.ended && heard.completed.len() < MAX_COMPLETED {
            heard.completed.insert(id.into());
            drop(heard);
            self.told.notify_one();
        }
    }

    pub(super) fn stir(&self) {
        self.told.notify_one();
    }

    pub(super) fn look(&self) {
        self.heard().look = true;
        self.told.notify_one();
    }

    /// Ends the listener; gives what it had not looked at.
    pub(super) fn end(&self) -> Unread {
        let mut heard = self.heard();
        heard.ended = true;
        let left = Unread {
            kinds: std::mem::take(&mut heard.kinds),
            uris: std::mem::take(&mut heard.uris),
            completed: std::mem::take(&mut heard.completed),
        };
        drop(heard);
        self.told.notify_one();
        left
    }

    /// Takes over what an older listener had not looked at, as far as it is wanted.
    pub(super) fn inherit(&self, Unread { kinds, uris, completed }: Unread) {
        self.listed(kinds);
        for uri in &uris {
            self.updated(uri);
        }
        for id in &completed {
            self.completed(id);
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
