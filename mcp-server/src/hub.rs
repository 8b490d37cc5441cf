//! What clients are told unasked: changed lists and updated resources, and who listens for them in this process.

mod listener;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::Dynamic;

use self::listener::{Ear, OfSession};
pub(crate) use self::listener::{Listener, Notice, Wants};

/// How many resources one listener may be told of, and how many bytes their URIs may take together.
pub(crate) const MAX_URIS: usize = 1_000;
pub(crate) const MAX_URI_BYTES: usize = 64 << 10;

/// Something that somebody may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Lists of these kinds are others now.
    Listed(Dynamic),
    /// The resource of this URI has another content.
    Updated(Arc<str>),
}

/// Where changes are told and listened for. Cheap to clone; clones are one hub.
///
/// A listener holds the set of what changed since it last looked, never a queue: one that looks seldom costs no more
/// than what it asked for, and whoever tells a change never waits.
#[derive(Clone, Default)]
pub(crate) struct Hub(Arc<RwLock<Ears>>);

#[derive(Default)]
struct Ears {
    next: u64,
    all: HashMap<u64, Arc<Ear>>,
    by_uri: HashMap<Arc<str>, HashSet<u64>>,
    /// The one listener of each handshake session.
    by_session: HashMap<String, u64>,
}

impl Hub {
    /// Tells everybody in this process who asked for it.
    pub(crate) fn publish(&self, change: &Change) {
        let ears = self.read();
        match change {
            Change::Listed(kinds) => ears.all.values().for_each(|ear| ear.listed(*kinds)),
            Change::Updated(uri) => {
                let listening = ears.by_uri.get(uri).into_iter().flatten();
                listening.filter_map(|id| ears.all.get(id)).for_each(|ear| ear.updated(uri));
            }
        }
    }

    /// Hears of what happens from now on, until it is dropped.
    pub(crate) fn listen(&self, wants: Wants) -> Listener {
        let mut ears = self.write();
        let ear = Arc::new(Ear::new(wants, None));
        let id = ears.enter(&ear);
        Listener::new(self.clone(), id, ear)
    }

    /// As [`Hub::listen`], for a handshake session, which has one: an older one ends, and what it had not told yet goes
    /// to the new one. It is what `stream` of the session tells, where another process may open the next one.
    pub(crate) fn listen_in(&self, session: &str, stream: Option<u64>, wants: Wants) -> Listener {
        let mut ears = self.write();
        let ear = Arc::new(Ear::new(wants, Some(OfSession { key: session.to_owned(), stream })));
        let id = ears.enter(&ear);
        if let Some(older) = ears.by_session.insert(session.to_owned(), id)
            && let Some(older) = ears.all.get(&older)
        {
            ear.inherit(older.end());
        }
        Listener::new(self.clone(), id, ear)
    }

    /// The listener of that session wants to know of `uri` too, or does not any more; tells whether it is in this process.
    pub(crate) fn subscribe(&self, session: &str, uri: &str, wanted: bool) -> bool {
        let mut ears = self.write();
        let Some((id, ear)) = ears.of_session(session) else { return false };
        if wanted {
            let uri: Arc<str> = uri.into();
            ear.subscribe(&uri);
            ears.by_uri.entry(uri).or_default().insert(id);
        } else {
            ear.unsubscribe(uri);
            ears.forget(uri, id);
        }
        true
    }

    /// Whether the session is told what changes in this process, and nowhere else as far as the store knows: there `newest`
    /// is its newest stream.
    pub(crate) fn is_told_on(&self, session: &str, newest: Option<u64>) -> bool {
        let here = self.read().of_session(session);
        here.is_some_and(|(_, ear)| ear.stream().is_none_or(|stream| newest == Some(stream)))
    }

    /// Has the listener of that session, if it is in this process, look at its session anew.
    pub(crate) fn stir(&self, session: &str) {
        if let Some((_, ear)) = self.read().of_session(session) {
            ear.stir();
        }
    }

    /// As [`Hub::stir`], also while the listener waits for what it hears.
    pub(crate) fn look(&self, session: &str) {
        if let Some((_, ear)) = self.read().of_session(session) {
            ear.look();
        }
    }

    /// What the person was asked under `id` in that session is done; tells whether its listener is in this process.
    pub(crate) fn completed(&self, session: &str, id: &str) -> bool {
        let Some((_, ear)) = self.read().of_session(session) else { return false };
        ear.completed(id);
        true
    }

    /// The session has ended, and so does its listener.
    pub(crate) fn end_session(&self, session: &str) {
        if let Some((_, ear)) = self.read().of_session(session) {
            ear.end();
        }
    }

    /// Whether nobody listens, and nothing is kept of who did.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let ears = self.read();
        ears.all.is_empty() && ears.by_uri.is_empty() && ears.by_session.is_empty()
    }

    fn leave(&self, id: u64) {
        let mut ears = self.write();
        let Some(ear) = ears.all.remove(&id) else { return };
        for uri in ear.wanted() {
            ears.forget(&uri, id);
        }
        if let Some(session) = ear.session()
            && ears.by_session.get(session) == Some(&id)
        {
            ears.by_session.remove(session); // a newer one may stand there
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Ears> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Ears> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ears {
    fn enter(&mut self, ear: &Arc<Ear>) -> u64 {
        let id = self.next;
        self.next += 1;
        self.all.insert(id, Arc::clone(ear));
        for uri in ear.wanted() {
            self.by_uri.entry(uri).or_default().insert(id);
        }
        id
    }

    fn of_session(&self, session: &str) -> Option<(u64, Arc<Ear>)> {
        let id = *self.by_session.get(session)?;
        Some((id, Arc::clone(self.all.get(&id)?)))
    }

    fn forget(&mut self, uri: &str, id: u64) {
        if let Some(listening) = self.by_uri.get_mut(uri) {
            listening.remove(&id);
            if listening.is_empty() {
                self.by_uri.remove(uri);
            }
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("listeners", &self.read().all.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
