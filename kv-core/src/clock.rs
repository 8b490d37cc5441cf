//! Time, as backends read it; tests move it by hand.

use std::fmt;
#[cfg(feature = "testing")]
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Where a backend reads the time: the system's clocks, or one that a test moves. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System(Instant),
    #[cfg(feature = "testing")]
    Manual(Arc<manual::Time>),
}

impl Clock {
    /// The clocks of this machine.
    pub fn system() -> Self {
        Self(Source::System(Instant::now()))
    }

    /// Milliseconds since an arbitrary moment; never goes back.
    pub fn monotonic_ms(&self) -> u64 {
        match &self.0 {
            Source::System(start) => millis(start.elapsed()),
            #[cfg(feature = "testing")]
            Source::Manual(time) => time.monotonic_ms(),
        }
    }

    /// Milliseconds since the Unix epoch, by the wall clock.
    pub fn unix_ms(&self) -> u64 {
        match &self.0 {
            Source::System(_) => millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            #[cfg(feature = "testing")]
            Source::Manual(time) => time.unix_ms(),
        }
    }

    /// Asks for a call of `wake` whenever this clock was moved by hand; a system clock never calls it.
    ///
    /// What waits for a deadline beside real time (a sweeper) is woken so.
    pub fn on_move(&self, wake: impl Fn() + Send + Sync + 'static) {
        match &self.0 {
            Source::System(_) => drop(wake),
            #[cfg(feature = "testing")]
            Source::Manual(time) => time.on_move(Arc::new(wake)),
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::System(_) => "Clock(system)",
            #[cfg(feature = "testing")]
            Source::Manual(_) => "Clock(manual)",
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(feature = "testing")]
mod manual {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use super::{Clock, Source, millis};

    type Wake = Arc<dyn Fn() + Send + Sync>;

    pub(super) struct Time {
        monotonic: AtomicU64,
        skew: AtomicI64,
        epoch: u64,
        wakes: Mutex<Vec<Wake>>,
    }

    impl Time {
        pub(super) fn monotonic_ms(&self) -> u64 {
            self.monotonic.load(Ordering::SeqCst)
        }
        pub(super) fn unix_ms(&self) -> u64 {
            (self.epoch + self.monotonic_ms()).saturating_add_signed(self.skew.load(Ordering::SeqCst))
        }
        pub(super) fn on_move(&self, wake: Wake) {
            self.wakes.lock().unwrap_or_else(PoisonError::into_inner).push(wake);
        }
        fn moved(&self) {
            let wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for wake in wakes {
                wake();
            }
        }
    }

    impl Clock {
        /// A clock that stands still until a test moves it. Clones share it.
        pub fn manual() -> Self {
            let epoch = Self::system().unix_ms();
            let (monotonic, skew) = (AtomicU64::new(1), AtomicI64::new(0));
            Self(Source::Manual(Arc::new(Time { monotonic, skew, epoch, wakes: Mutex::default() })))
        }

        /// Moves a manual clock on by `by`; a system clock goes its own way.
        pub fn advance(&self, by: Duration) {
            if let Source::Manual(time) = &self.0 {
                time.monotonic.fetch_add(millis(by), Ordering::SeqCst);
                time.moved();
            }
        }

        /// Sets the wall clock of a manual clock `ms` ahead (or behind) without touching the monotonic one.
        pub fn skew_ms(&self, ms: i64) {
            if let Source::Manual(time) = &self.0 {
                time.skew.store(ms, Ordering::SeqCst);
                time.moved();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let clock = Clock::system();
        let first = clock.monotonic_ms();
        assert!(clock.monotonic_ms() >= first);
        assert!(clock.unix_ms() > 1_700_000_000_000);
    }

    #[cfg(feature = "testing")]
    #[test]
    fn a_manual_clock_moves_only_by_hand_and_wakes_who_asked() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};
        use std::time::Duration;

        let clock = Clock::manual();
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        clock.on_move(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let (monotonic, unix) = (clock.monotonic_ms(), clock.unix_ms());
        clock.clone().advance(Duration::from_secs(1));
        clock.skew_ms(-5_000);
        assert_eq!(clock.monotonic_ms(), monotonic + 1_000);
        assert_eq!(clock.unix_ms(), unix + 1_000 - 5_000);
        assert_eq!(woken.load(Ordering::SeqCst), 2);
    }
}
