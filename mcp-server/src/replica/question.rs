//! Questions to clients, whose answers may come to another process than the one that asked.

use std::sync::Arc;
use std::time::Duration;

use kv_core::{ErrorKind, Key, NewEntry, PutMode, Store as _, StoreExt as _};

use super::{Inner, Letter, Replica, Waiting};
use crate::asking::{Outcome, oversized};
use crate::protocol::RequestId;

/// Who asked what, by session and question.
const QUESTIONS: &str = "questions";

/// A question whose answer this process waits for; dropping it forgets that.
pub(crate) struct Expected {
    inner: Arc<Inner>,
    key: String,
    _waiting: Waiting,
}

impl Replica {
    /// Has every other process know where the answer to `question` belongs, before it is asked; `None` where there is no
    /// other.
    ///
    /// # Errors
    /// The store failed. The question is not to be asked then: an answer at another process would be passed over.
    pub(crate) async fn expect(
        &self,
        session: &str,
        question: &RequestId,
        patience: Duration,
    ) -> kv_core::Result<Option<Expected>> {
        let Some(inner) = &self.0 else { return Ok(None) };
        let Some(key) = key(session, question) else { return Ok(None) };
        // From here on it is forgotten, also if nobody knows whether it was kept.
        let expected = Expected { inner: Arc::clone(inner), key, _waiting: self.waiting() };
        let entry = NewEntry::new(inner.post.id().to_owned()).ttl(patience);
        inner.post.store().put(Key::new(QUESTIONS, &expected.key), entry, PutMode::Create).await?;
        Ok(Some(expected))
    }

    /// Hands an answer that nobody here waits for to the process that asked, if there is one.
    ///
    /// The question is forgotten only once its answer is handed over: one that could not be can be sent again. Of two that
    /// are handed over at once, the process that asked goes by the first. Instead of an answer that is larger than an inbox
    /// may be, the process that asked is handed the error that says so: sent again it would be no smaller.
    pub(crate) async fn hand_over(
        &self,
        session: &str,
        question: &RequestId,
        outcome: Outcome,
    ) -> kv_core::Result<()> {
        let Some(inner) = &self.0 else { return Ok(()) };
        let Some(key) = key(session, question) else { return Ok(()) };
        let Some(entry) = inner.post.store().get(Key::new(QUESTIONS, &key)).await? else {
            return Ok(());
        };
        let Ok(asked_by) = std::str::from_utf8(&entry.value) else { return Ok(()) };
        let (session, question) = (session.to_owned(), question.as_json());
        let letter =
            Letter::Answered { session: session.clone(), question: question.clone(), answer: outcome.into() };
        match self.send(asked_by, &letter).await {
            Err(error) if error.kind() == ErrorKind::TooLarge => {
                tracing::warn!(%error, "an answer is too large to be handed to the replica that asked");
                let letter = Letter::Answered { session, question, answer: Err(oversized()).into() };
                self.send(asked_by, &letter).await?;
            }
            sent => sent?,
        }
        if let Err(error) = inner.post.store().delete(Key::new(QUESTIONS, &key)).await {
            tracing::debug!(%error, "a question stays until whoever asked it forgets it");
        }
        Ok(())
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (inner, key) = (Arc::clone(&self.inner), std::mem::take(&mut self.key));
        runtime.spawn(async move {
            // One that stays ends by itself, and its answer is passed over.
            drop(inner.post.store().delete(Key::new(QUESTIONS, &key)).await);
        });
    }
}

/// `None` for an id that is none of ours: 32 hexadecimal digits.
fn key(session: &str, question: &RequestId) -> Option<String> {
    let json = question.as_json();
    let id = json.as_str().strip_prefix('"')?.strip_suffix('"')?;
    let ours = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    ours.then(|| format!("{session}.{id}"))
}
