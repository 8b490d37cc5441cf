//! Following the store's news of changes.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use kv_core::{Error, ErrorKind, Store};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::tier::Tier;

/// Nobody follows, and somebody should.
const WANTED: u8 = 0;
/// Somebody follows.
const RUNS: u8 = 1;
/// The store has no news.
const NEVER: u8 = 2;

/// A lost subscription is asked for again after so long, at the next use.
const PAUSE: Duration = Duration::from_secs(1);
/// News that this user may not hear, after so long: rights change seldom.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// Whether the store's news are followed.
pub(super) struct Followed {
    state: AtomicU8,
    tried: Mutex<Option<Instant>>,
    is_denied: AtomicBool,
    /// Dropped with the tier, which ends whoever follows.
    alive: Mutex<Option<oneshot::Sender<()>>>,
}

impl Followed {
    pub(super) fn new(has_news: bool) -> Self {
        let state = AtomicU8::new(if has_news { WANTED } else { NEVER });
        Self { state, tried: Mutex::default(), is_denied: AtomicBool::new(false), alive: Mutex::default() }
    }

    pub(super) fn wanted(&self) -> bool {
        self.state.load(Ordering::Relaxed) == WANTED
    }

    /// Whether it is time to try, which this counts as.
    fn is_time(&self) -> bool {
        let mut tried = self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let pause = if self.is_denied.load(Ordering::Relaxed) { LONG_PAUSE } else { PAUSE };
        let is_time = tried.is_none_or(|tried| now.duration_since(tried) >= pause);
        if is_time {
            *tried = Some(now);
        }
        is_time
    }
}

/// Follows in a task of its own, where there is an executor that we know.
#[cold]
pub(super) fn start<S: Store>(inner: &Arc<S>, tier: &Arc<Tier>) {
    if let Ok(executor) = Handle::try_current()
        && tier.followed.is_time()
    {
        drop(executor.spawn(follow(inner, tier)));
    }
}

/// Applies the news to `tier` until they end or it is dropped. Holds neither: not the store, so that dropping its
/// last handle ends the news.
pub(super) fn follow<S: Store>(inner: &Arc<S>, tier: &Arc<Tier>) -> impl Future<Output = ()> + Send + use<S> {
    let following = Following::begin(tier);
    let inner = following.is_some().then(|| Arc::clone(inner));
    async move {
        let (Some((following, mut gone)), Some(inner)) = (following, inner) else { return };
        let changes = inner.changes().await;
        drop(inner);
        let mut changes = match changes {
            Ok(changes) => {
                following.granted();
                changes
            }
            Err(error) => return following.refused(&error),
        };
        loop {
            let change = match select(pin!(changes.next()), &mut gone).await {
                Either::Left((change, _)) => change,
                Either::Right(_) => return,
            };
            let (Some(change), Some(tier)) = (change, following.0.upgrade()) else { return };
            tier.changed(&change).await;
        }
    }
}

/// Somebody follows until this is dropped, with its future if need be; then the tier is emptied.
struct Following(Weak<Tier>);

impl Following {
    /// `None` if somebody follows already, or never will.
    fn begin(tier: &Arc<Tier>) -> Option<(Self, oneshot::Receiver<()>)> {
        let state = &tier.followed.state;
        state.compare_exchange(WANTED, RUNS, Ordering::AcqRel, Ordering::Relaxed).ok()?;
        let (alive, gone) = oneshot::channel();
        *tier.followed.alive.lock().unwrap_or_else(PoisonError::into_inner) = Some(alive);
        Some((Self(Arc::downgrade(tier)), gone))
    }

    fn granted(&self) {
        if let Some(tier) = self.0.upgrade() {
            tier.followed.is_denied.store(false, Ordering::Relaxed);
        }
    }

    fn refused(self, error: &Error) {
        let Some(tier) = self.0.upgrade() else { return };
        match error.kind() {
            ErrorKind::Unsupported => tier.followed.state.store(NEVER, Ordering::Release),
            ErrorKind::Denied if !tier.followed.is_denied.swap(true, Ordering::Relaxed) => tracing::warn!(
                %error,
                "the store does not tell us of changes: copies near stay until their time is over"
            ),
            _ => {}
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let Some(tier) = self.0.upgrade() else { return };
        tier.empty();
        let state = &tier.followed.state;
        let _never_stays = state.compare_exchange(RUNS, WANTED, Ordering::AcqRel, Ordering::Relaxed);
    }
}
