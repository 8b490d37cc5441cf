//! Questions on their way to clients of handshake sessions, until each is answered.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::protocol::{Json, RequestId};

/// The result object of an answer, or its error object.
pub(crate) type Outcome = Result<Json, Json>;

/// Questions that wait for their answer, by session and id. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Pending(Arc<Mutex<HashMap<Address, oneshot::Sender<Outcome>>>>);

/// Whose question it is: an answer counts in the session that was asked alone.
type Address = (String, RequestId);

/// One question that waits. Dropping it forgets the question: a late answer is passed over.
pub(super) struct Waiting {
    pending: Pending,
    address: Address,
    pub(super) answer: oneshot::Receiver<Outcome>,
}

impl Pending {
    /// Waits for the answer to the question `id` in the session that the store knows by `session`.
    pub(super) fn wait(&self, session: String, id: RequestId) -> Waiting {
        let (sender, answer) = oneshot::channel();
        let address = (session, id);
        self.waiting().insert(address.clone(), sender);
        Waiting { pending: self.clone(), address, answer }
    }

    /// Hands an answer to whoever waits for it; tells whether anybody did.
    pub(crate) fn answered(&self, session: String, id: RequestId, outcome: Outcome) -> bool {
        let sender = self.waiting().remove(&(session, id));
        sender.is_some_and(|sender| sender.send(outcome).is_ok())
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Address, oneshot::Sender<Outcome>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.pending.waiting().remove(&self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::Pending;
    use crate::protocol::{Json, RequestId};

    fn id(text: &'static str) -> RequestId {
        RequestId::new(&Json::parse(text.into()).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_reaches_who_asked_in_that_session_and_only_once() {
        let pending = Pending::default();
        let mut waiting = pending.wait("s".to_owned(), id(r#""q""#));
        assert!(!pending.answered("other".to_owned(), id(r#""q""#), Ok(Json::EMPTY)));
        assert!(!pending.answered("s".to_owned(), id(r#""p""#), Ok(Json::EMPTY)));
        assert!(pending.answered("s".to_owned(), id(r#""q""#), Ok(Json::EMPTY)));
        assert!(!pending.answered("s".to_owned(), id(r#""q""#), Ok(Json::NULL)));
        assert_eq!((&mut waiting.answer).await.unwrap(), Ok(Json::EMPTY));
    }

    #[test]
    fn who_waits_no_more_is_forgotten() {
        let pending = Pending::default();
        drop(pending.wait("s".to_owned(), id("1")));
        assert!(pending.waiting().is_empty());
        assert!(!pending.answered("s".to_owned(), id("1"), Ok(Json::EMPTY)));
    }
}
