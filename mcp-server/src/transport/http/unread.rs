//! Answers on their way out: what clients have not taken yet, counted. Who lets too much wait is served no more until it is
//! taken: thousands of clients that read a byte now and then could else hold an answer of megabytes each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::Endpoint;
use super::bodies::FREE;
use crate::Principal;
use crate::protocol::{Failure, RequestId, code};

/// The bytes that wait, by whom they are for. Cheap to clone.
#[derive(Clone)]
pub(super) struct Unread(Arc<Inner>);

struct Inner {
    /// How many may wait for users together, and for anonymous callers beside them.
    most: usize,
    /// All that wait, so that mostly nobody has to look further.
    waiting: AtomicUsize,
    by_whom: Mutex<ByWhom>,
}

#[derive(Default)]
struct ByWhom {
    /// Of all users together: of each no more than a share.
    users: usize,
    each: HashMap<[u8; 32], usize>,
}

/// Why somebody is not served for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMuch {
    /// This user has not taken what there is.
    One,
    /// All of a kind of principal together have not, and this one among them.
    All,
}

impl Endpoint {
    /// The refusal of a request of whom too much waits to be read already: it would have more answers made.
    pub(super) fn reads_too_little(&self, principal: &Principal, id: Option<&RequestId>) -> Option<Response> {
        let too_much = self.0.unread.check(principal).err()?;
        Some(self.refuse_for_now(too_much.status(), id, &too_much.failure()))
    }
}

impl Unread {
    pub(super) fn new(most: usize) -> Self {
        let (waiting, by_whom) = Default::default();
        Self(Arc::new(Inner { most, waiting, by_whom }))
    }

    /// Whether `principal` may be given more to read.
    pub(super) fn check(&self, principal: &Principal) -> Result<(), TooMuch> {
        let (all, one) = (self.0.most, self.share());
        if self.0.waiting.load(Ordering::Relaxed) <= one {
            return Ok(());
        }
        let by_whom = self.by_whom();
        let own = by_whom.each.get(&principal.key()).copied().unwrap_or(0);
        match principal.is_user() {
            true if own > one => Err(TooMuch::One),
            true if own > 0 && by_whom.users >= all => Err(TooMuch::All),
            false if own > all => Err(TooMuch::All),
            _ => Ok(()),
        }
    }

    /// One user's.
    fn share(&self) -> usize {
        self.0.most / 10
    }

    /// The response, which counts for `principal` from when the connection takes a piece of it until that is written.
    pub(super) fn counted(&self, principal: &Principal, response: Response) -> Response {
        let is_small = |length| length <= FREE as u64;
        if http_body::Body::size_hint(response.body()).upper().is_some_and(is_small) {
            return response;
        }
        let (unread, principal) = (self.clone(), principal.clone());
        response.map(|body| Body::new(Counted { body, unread, principal }))
    }

    fn hold(&self, principal: &Principal, bytes: Bytes) -> Bytes {
        if bytes.len() <= FREE {
            return bytes; // as much as any connection holds
        }
        let most = if principal.is_user() { self.share() } else { 0 };
        let whose = Whose { key: principal.key(), most };
        self.0.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.by_whom().add(whose, bytes.len());
        Bytes::from_owner(Held { bytes, unread: self.clone(), whose })
    }

    fn by_whom(&self) -> MutexGuard<'_, ByWhom> {
        self.0.by_whom.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByWhom {
    fn add(&mut self, whose: Whose, bytes: usize) {
        let own = self.each.entry(whose.key).or_default();
        let before = whose.share_of(*own);
        *own += bytes;
        self.users += whose.share_of(*own) - before;
    }

    fn remove(&mut self, whose: Whose, bytes: usize) {
        let Entry::Occupied(mut own) = self.each.entry(whose.key) else { return };
        let before = whose.share_of(*own.get());
        *own.get_mut() -= bytes;
        self.users -= before - whose.share_of(*own.get());
        if *own.get() == 0 {
            own.remove();
        }
    }
}

/// Whom bytes are for, and how many of them count among those of all users.
#[derive(Clone, Copy)]
struct Whose {
    key: [u8; 32],
    most: usize,
}

impl Whose {
    /// Nobody's bytes beyond a share count for others.
    fn share_of(self, bytes: usize) -> usize {
        bytes.min(self.most)
    }
}

impl TooMuch {
    /// RFC 6585 §4 for a user, RFC 9110 §15.6.4 where all together do not read.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::One => StatusCode::TOO_MANY_REQUESTS,
            Self::All => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn failure(self) -> Failure {
        Failure::new(
            code::INTERNAL_ERROR,
            match self {
                Self::One => {
                    "too much of your answers waits to be read: read them, or try again after Retry-After"
                }
                Self::All => "too many answers wait to be read: try again after Retry-After",
            },
        )
    }
}

/// A body that counts its pieces while they wait.
struct Counted {
    body: Body,
    unread: Unread,
    principal: Principal,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        frame.map_ok(|frame| frame.map_data(|bytes| self.unread.hold(&self.principal, bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

/// A piece that waits: it counts until it is dropped, which the connection does once it is written or lost.
struct Held {
    bytes: Bytes,
    unread: Unread,
    whose: Whose,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.unread.0.waiting.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        self.unread.by_whom().remove(self.whose, self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::response::Response;
    use bytes::Bytes;
    use http_body_util::BodyExt as _;

    use super::{FREE, TooMuch, Unread};
    use crate::Principal;

    fn user(name: &str) -> Principal {
        Principal::user("test", name)
    }

    /// The bytes of an answer as a connection takes them.
    async fn taken(unread: &Unread, principal: &Principal, length: usize) -> Bytes {
        let response = unread.counted(principal, Response::new(Body::from(vec![b'x'; length])));
        assert_eq!(http_body::Body::size_hint(response.body()).exact(), Some(length as u64));
        response.into_body().frame().await.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn a_user_that_leaves_a_tenth_unread_is_not_served_and_others_are() {
        let unread = Unread::new(FREE * 100);
        let (ada, bob) = (user("ada"), user("bob"));
        let first = taken(&unread, &ada, FREE * 10).await;
        assert_eq!(unread.check(&ada), Ok(()), "not more than a tenth");
        let second = taken(&unread, &ada, FREE + 1).await;
        let slice = second.slice(..1);
        drop(second);
        assert_eq!(unread.check(&ada), Err(TooMuch::One), "a slice holds all of it");
        assert_eq!((unread.check(&bob), unread.check(&Principal::anonymous())), (Ok(()), Ok(())));
        drop(slice);
        assert_eq!(unread.check(&ada), Ok(()));
        drop(first);
        assert!(unread.by_whom().each.is_empty(), "nobody is kept for whom nothing waits");
    }

    #[tokio::test]
    async fn users_share_all_and_anonymous_callers_have_as_much_beside_them() {
        let unread = Unread::new(FREE * 20);
        let anonymous = taken(&unread, &Principal::anonymous(), FREE * 20).await;
        assert_eq!(unread.check(&Principal::anonymous()), Ok(()));
        let one_more = taken(&unread, &Principal::anonymous(), FREE + 1).await;
        assert_eq!(unread.check(&Principal::anonymous()), Err(TooMuch::All));
        let mut of_users = Vec::new();
        for name in 0..10 {
            assert_eq!(unread.check(&user("new")), Ok(()), "{name}");
            of_users.push(taken(&unread, &user(&name.to_string()), FREE * 20).await); // far more than a share
        }
        let of_another = taken(&unread, &user("another"), FREE + 1).await;
        assert_eq!(unread.check(&user("another")), Err(TooMuch::All));
        assert_eq!(unread.check(&user("new")), Ok(()), "who has left nothing is served");
        drop(of_another);
        let of_one = taken(&unread, &user("0"), FREE * 20).await;
        drop(of_one);
        drop((anonymous, one_more, of_users.pop()));
        assert_eq!(unread.check(&Principal::anonymous()), Ok(()));
        let of_another = taken(&unread, &user("another"), FREE + 1).await;
        assert_eq!(unread.check(&user("another")), Ok(()));
        drop(of_another);
    }

    #[tokio::test]
    async fn small_answers_count_nothing() {
        let unread = Unread::new(0);
        let small = taken(&unread, &user("ada"), FREE).await;
        assert_eq!(unread.check(&user("ada")), Ok(()));
        drop(small);
    }
}
