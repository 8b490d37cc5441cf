//! Whether the client of a handshake session may be asked yet: not before it has said `notifications/initialized`
//! (2025-11-25, basic/lifecycle, "Initialization").

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::AskError;
use crate::Context;

/// Whether a client may be asked, as far as its request knew when it came.
#[derive(Clone, Debug, Default)]
pub(crate) enum Ready {
    /// It may: it said that it is initialized, or its revision has no handshake.
    #[default]
    Yes,
    /// Its connection will hear when it does.
    Heard(Arc<Initialized>),
    /// Its session in the store will say so.
    Kept,
}

/// What a connection has heard of its client.
#[derive(Debug, Default)]
pub(crate) struct Initialized {
    said: AtomicBool,
    told: Notify,
}

/// How often a session in the store is looked at whose client may not be asked yet: only where it called before it was
/// initialized, and only while a handler of it asks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

impl Initialized {
    /// The client has said it.
    pub(crate) fn say(&self) {
        self.said.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    /// What a request that comes now knows.
    pub(crate) fn ready(this: &Arc<Self>) -> Ready {
        if this.has_said() { Ready::Yes } else { Ready::Heard(Arc::clone(this)) }
    }

    pub(crate) fn has_said(&self) -> bool {
        self.said.load(Ordering::Acquire)
    }

    async fn wait(&self) {
        loop {
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable(); // it may be said between the look and the wait
            if self.has_said() {
                return;
            }
            told.await;
        }
    }
}

impl Context {
    /// Waits until the client may be asked.
    ///
    /// # Errors
    /// Its session has ended.
    pub(super) async fn until_ready(&self) -> Result<(), AskError> {
        match &self.request().caller.ready {
            Ready::Yes => Ok(()),
            Ready::Heard(initialized) => {
                initialized.wait().await;
                Ok(())
            }
            Ready::Kept => self.until_kept().await,
        }
    }

    async fn until_kept(&self) -> Result<(), AskError> {
        let request = self.request();
        let Some(session) = &request.session else { return Err(AskError::gone()) };
        loop {
            match self.sessions().find(&request.principal, session).await {
                Ok(Some(handshake)) if handshake.is_initialized() => return Ok(()),
                Ok(Some(_)) => {}
                Ok(None) => return Err(AskError::gone()),
                Err(error) => {
                    tracing::warn!(%error, "the session of a client that is to be asked could not be read");
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Initialized, Ready};

    #[tokio::test]
    async fn who_waits_is_woken_and_who_comes_later_does_not_wait() {
        let initialized = Arc::new(Initialized::default());
        assert!(matches!(Initialized::ready(&initialized), Ready::Heard(_)));
        let waiting = tokio::spawn({
            let initialized = Arc::clone(&initialized);
            async move { initialized.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        initialized.say();
        waiting.await.unwrap();
        initialized.wait().await;
        assert!(matches!(Initialized::ready(&initialized), Ready::Yes));
    }
}
