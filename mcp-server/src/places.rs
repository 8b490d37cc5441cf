//! The places of requests at work: how many there are, and one user's share of them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use crate::Principal;
use crate::exchange::Exchange;
use crate::protocol::{Failure, code};

/// How many requests may be at work at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaceLimits {
    /// Those of one kind of principal.
    pub(crate) all: usize,
    /// Those of one user; `None` is a tenth of all, at least one.
    pub(crate) one: Option<usize>,
}

impl Default for PlaceLimits {
    fn default() -> Self {
        Self { all: 1_024, one: None }
    }
}

/// Places of which each user has a share. Cheap to clone.
///
/// Anonymous callers, whoever started the process, and users are counted apart: no kind takes the places of another.
/// Those that are nobody in particular are not told apart and cost an atomic; a user costs an entry of a map, which is
/// there only while some request of that user is at work.
#[derive(Clone)]
pub(crate) struct Places(Arc<Inner>);

struct Inner {
    limits: PlaceLimits,
    anonymous: AtomicUsize,
    local: AtomicUsize,
    users: Mutex<Users>,
}

#[derive(Default)]
struct Users {
    taken: usize,
    by_user: HashMap<[u8; 32], usize>,
}

/// One place; dropping it gives it back.
pub(crate) struct Place {
    places: Places,
    principal: Principal,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The share of this user is taken.
    One { cap: usize },
    /// All of a kind of principal are.
    All,
}

impl Places {
    pub(crate) fn new(limits: PlaceLimits) -> Self {
        let (anonymous, local, users) = Default::default();
        Self(Arc::new(Inner { limits, anonymous, local, users }))
    }

    /// A place for a request of `principal`. Never waits.
    pub(crate) fn take(&self, principal: &Principal) -> Result<Place, NoPlace> {
        let PlaceLimits { all, one } = self.0.limits;
        match self.nobodies(principal) {
            Some(taken) => {
                let more = |taken: usize| (taken < all).then(|| taken + 1);
                let took = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
                took.map_err(|_| NoPlace::All)?;
            }
            None => self.users().take(principal.key(), one.unwrap_or((all / 10).max(1)), all)?,
        }
        Ok(Place { places: self.clone(), principal: principal.clone() })
    }

    fn give_back(&self, principal: &Principal) {
        match self.nobodies(principal) {
            Some(taken) => {
                taken.fetch_sub(1, Ordering::Relaxed);
            }
            None => self.users().give_back(principal.key()),
        }
    }

    /// The count of those that are nobody in particular; `None` is a user's.
    fn nobodies(&self, principal: &Principal) -> Option<&AtomicUsize> {
        if principal.is_user() {
            return None;
        }
        Some(if principal.is_anonymous() { &self.0.anonymous } else { &self.0.local })
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Users {
    fn take(&mut self, user: [u8; 32], cap: usize, all: usize) -> Result<(), NoPlace> {
        let full = self.taken >= all;
        let room_beside = |taken: usize| match taken {
            _ if taken >= cap => Err(NoPlace::One { cap }),
            _ if full => Err(NoPlace::All),
            _ => Ok(()),
        };
        match self.by_user.entry(user) {
            Entry::Occupied(mut taken) => {
                room_beside(*taken.get())?;
                *taken.get_mut() += 1;
            }
            Entry::Vacant(none) => {
                room_beside(0)?;
                none.insert(1);
            }
        }
        self.taken += 1;
        Ok(())
    }

    fn give_back(&mut self, user: [u8; 32]) {
        let Entry::Occupied(mut taken) = self.by_user.entry(user) else { return };
        self.taken -= 1;
        *taken.get_mut() -= 1;
        if *taken.get() == 0 {
            taken.remove();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.give_back(&self.principal);
    }
}

impl NoPlace {
    /// What the client is told: -32603, as everybody to whom the server has nothing left to give.
    pub(crate) fn failure(self) -> Failure {
        match self {
            Self::One { cap } => Failure::new(
                code::INTERNAL_ERROR,
                format!(
                    "one user may have {cap} requests at work at once: wait until one of yours has ended, or cancel it"
                ),
            ),
            Self::All => Failure::new(code::INTERNAL_ERROR, "too many requests in flight, try again later"),
        }
    }
}

/// The place of a request, held.
#[derive(Debug)]
#[expect(dead_code, reason = "it is held, not looked at")]
pub(crate) enum Held {
    /// By its handler, behind no middleware.
    Alone(Place),
    /// By whichever part of the request needs it longest.
    Together(Arc<Place>),
}

/// Who needs a place, and where.
pub(crate) struct Seat {
    pub(crate) places: Places,
    pub(crate) principal: Principal,
    pub(crate) exchange: Exchange,
}

impl Seat {
    /// The place of this request: the one that it has, else a new one.
    pub(crate) fn take(&self) -> Result<Held, NoPlace> {
        self.exchange.place(|| self.places.take(&self.principal)).map(Held::Together)
    }
}

/// A run through middlewares: it needs a place from when it turns out to wait. What is ready at once needs none, so
/// that who has many slow calls can still ping.
pub(crate) struct Seated<F> {
    run: F,
    seat: Seat,
    held: Option<Held>,
}

impl<F> Seated<F> {
    pub(crate) const fn new(run: F, seat: Seat) -> Self {
        Self { run, seat, held: None }
    }
}

impl<F: Future + Unpin> Future for Seated<F> {
    type Output = Result<F::Output, NoPlace>;

    /// A run whose handler has begun is never refused: the handler's place is the request's.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = Pin::new(&mut self.run).poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if self.held.is_none() {
            match self.seat.take() {
                Ok(held) => self.held = Some(held),
                Err(no_place) => return Poll::Ready(Err(no_place)),
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("principal", &self.principal).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{NoPlace, PlaceLimits, Places, Seat};
    use crate::Principal;
    use crate::exchange::Exchange;

    fn places(all: usize, one: Option<usize>) -> Places {
        Places::new(PlaceLimits { all, one })
    }

    fn user(name: &str) -> Principal {
        Principal::user("test", name)
    }

    #[test]
    fn a_user_has_a_tenth_and_what_one_takes_is_not_taken_from_another() {
        let places = places(100, None);
        let mut of_ada: Vec<_> = (0..10).map(|_| places.take(&user("ada")).unwrap()).collect();
        assert_eq!(places.take(&user("ada")).unwrap_err(), NoPlace::One { cap: 10 });
        let of_bob = places.take(&user("bob")).unwrap();
        of_ada.pop();
        of_ada.push(places.take(&user("ada")).unwrap());
        drop((of_ada, of_bob));
        let users = places.users();
        assert_eq!((users.taken, users.by_user.len()), (0, 0), "nobody is kept who has nothing at work");
    }

    #[test]
    fn users_share_all_and_who_is_nobody_in_particular_has_a_pool_and_no_share() {
        let places = places(3, Some(2));
        let of_users = ["ada", "ada", "bob"].map(|name| places.take(&user(name)).unwrap());
        assert_eq!(places.take(&user("bob")).unwrap_err(), NoPlace::All);
        assert_eq!(places.take(&user("ada")).unwrap_err(), NoPlace::One { cap: 2 });
        for principal in [Principal::anonymous(), Principal::local()] {
            let held: Vec<_> = (0..3).map(|_| places.take(&principal).unwrap()).collect();
            assert_eq!(places.take(&principal).unwrap_err(), NoPlace::All);
            drop(held);
            drop(places.take(&principal).unwrap());
        }
        drop(of_users);
        drop(places.take(&user("eve")).unwrap());
    }

    #[test]
    fn a_request_has_one_place_however_many_parts_of_it_hold_it() {
        let places = places(10, Some(1));
        let seat = |exchange: &Exchange| Seat {
            places: places.clone(),
            principal: user("ada"),
            exchange: exchange.clone(),
        };
        let exchange = Exchange::default();
        let (waiting, handler) = (seat(&exchange), seat(&exchange.shared()));
        let (first, second) = (waiting.take().unwrap(), handler.take().unwrap());
        drop(first);
        let other = seat(&Exchange::default());
        assert_eq!(other.take().unwrap_err(), NoPlace::One { cap: 1 }, "the second holds it");
        drop(second);
        drop(other.take().unwrap());
        drop(waiting.take().unwrap());
    }

    #[test]
    fn no_places_at_all_are_none_for_everybody() {
        assert_eq!(places(0, None).take(&Principal::local()).unwrap_err(), NoPlace::All);
        assert_eq!(places(0, None).take(&user("ada")).unwrap_err(), NoPlace::All);
        assert_eq!(places(9, Some(0)).take(&user("ada")).unwrap_err(), NoPlace::One { cap: 0 });
    }
}
