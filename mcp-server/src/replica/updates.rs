//! Updated resources, told to other processes a few at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as Turn;

use super::{Inner, Letter, Replica};

/// What was updated and not told yet, each once.
#[derive(Default)]
pub(super) struct Updates {
    untold: Mutex<Untold>,
    /// Held while some of it is told: who leaves waits until all is.
    turn: Turn<()>,
}

#[derive(Default)]
struct Untold {
    uris: BTreeSet<String>,
    /// Whether somebody is about to tell it.
    telling: bool,
}

/// More than so many are not told: whoever changes as much at once has its clients read lists.
pub(crate) const MAX_UNTOLD: usize = 10_000;
/// Between two tellings: what is updated meanwhile goes with the second.
const GATHER: Duration = Duration::from_millis(50);

impl Replica {
    /// Tells all others, soon, that a resource has another content.
    pub(crate) fn updated(&self, uri: &str) {
        let Some(inner) = &self.0 else { return };
        if inner.updates.add(uri) {
            let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                inner.updates.lock().telling = false; // the next one from within the executor tells this one too
                return;
            };
            let inner = Arc::clone(inner);
            runtime.spawn(async move { inner.keep_telling().await });
        }
    }
}

impl Updates {
    /// Whether somebody must be found who tells it.
    fn add(&self, uri: &str) -> bool {
        let mut untold = self.lock();
        if untold.uris.len() >= MAX_UNTOLD {
            tracing::warn!("too many resources are updated at once: other replicas are not told of all");
            return false;
        }
        untold.uris.insert(uri.to_owned());
        !std::mem::replace(&mut untold.telling, true)
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().uris).into_iter().collect()
    }

    /// What there is to tell; nobody tells any more where there is nothing.
    fn next(&self) -> Option<Vec<String>> {
        let mut untold = self.lock();
        untold.telling = !untold.uris.is_empty();
        untold.telling.then(|| std::mem::take(&mut untold.uris).into_iter().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    async fn keep_telling(&self) {
        loop {
            let turn = self.updates.turn.lock().await;
            let Some(uris) = self.updates.next() else { return };
            self.tell(uris).await;
            drop(turn);
            tokio::time::sleep(GATHER).await;
        }
    }

    /// Tells what there is.
    pub(super) async fn send_updates(&self) {
        let _turn = self.updates.turn.lock().await;
        let uris = self.updates.take();
        if !uris.is_empty() {
            self.tell(uris).await;
        }
    }

    async fn tell(&self, uris: Vec<String>) {
        for uris in in_letters(uris, self.post.max_bytes() / 4) {
            if let Err(error) = self.post.send_all(&Letter::Updated { uris }).await {
                tracing::warn!(%error, "other replicas could not be told of updated resources");
            }
        }
    }
}

/// As few letters as may be, none of them with more than `max_bytes` unless it has one URI alone.
fn in_letters(uris: Vec<String>, max_bytes: usize) -> Vec<Vec<String>> {
    let (mut letters, mut bytes) = (Vec::<Vec<String>>::new(), 0);
    for uri in uris {
        let length = 2 * uri.len() + 3; // no character of a URI is escaped to more than two, and quotes and a comma
        bytes += length;
        match letters.last_mut() {
            Some(letter) if bytes <= max_bytes => letter.push(uri),
            _ => {
                letters.push(vec![uri]);
                bytes = length;
            }
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::{MAX_UNTOLD, Updates, in_letters};

    #[test]
    fn what_was_updated_goes_in_as_few_letters_as_may_be() {
        let uris: Vec<String> = (0..7).map(|number| format!("r://{number}")).collect(); // 13 bytes each
        let sizes = |max| in_letters(uris.clone(), max).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!((sizes(1_000), sizes(39), sizes(0)), (vec![7], vec![3, 3, 1], vec![1; 7]));
        assert_eq!(in_letters(uris.clone(), 39).concat(), uris);
    }

    #[test]
    fn so_many_updates_wait_to_be_told_and_each_once() {
        let updates = Updates::default();
        assert!(updates.add("a://0"), "somebody must tell it");
        assert!(!updates.add("a://0"), "somebody does");
        for number in 1..=MAX_UNTOLD {
            updates.add(&format!("a://{number}"));
        }
        assert_eq!(updates.next().map(|uris| uris.len()), Some(MAX_UNTOLD));
        assert!(!updates.add("a://again"), "it is still being told");
        assert_eq!(updates.next(), Some(vec!["a://again".to_owned()]));
        assert_eq!(updates.next(), None);
        assert!(updates.add("a://later"), "nobody tells any more");
    }
}
