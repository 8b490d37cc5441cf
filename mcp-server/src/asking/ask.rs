//! What handlers ask with.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::pending::Outcome;
use super::{Answers, AskError, Elicited, Form, Question, Root, Sampled, Sampling, random};
use crate::exchange::Exchange;
use crate::protocol::{Json, RequestId, notification, server_request};
use crate::replica::Expected;
use crate::{Context, Operation};

/// How long a client of a handshake session has for its answer.
const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// One question to the client, under a key of the handler's choice; see [`Context::question`].
#[derive(Debug)]
#[must_use = "nothing is asked before one of its methods is awaited"]
pub struct Asking<'a> {
    context: &'a Context,
    key: Option<Cow<'a, str>>,
}

impl Context {
    /// Asks the person to fill in a form, and waits for what becomes of it.
    ///
    /// On 2026-07-28 the question ends this request, and the handler runs again from its beginning when the client sends
    /// the answer: what stands before the question runs in each round, unless it is inside [`Context::once`]. Questions are
    /// told apart by their order, so a handler asks the same in the same order each time, or gives them keys by
    /// [`Context::question`]. Several that wait at once (`tokio::join!`) are one round. In a handshake session the handler
    /// waits where it is, five minutes at most.
    ///
    /// # Errors
    /// The client cannot be asked ([`AskError::is_unsupported`]), did not answer, or refused; the handler asks something
    /// else than in the round before; the component's answers are public; a store that replicas share failed.
    pub async fn elicit<F: Form>(&self, message: impl AsRef<str> + Send) -> Result<Elicited<F>, AskError> {
        self.unnamed().elicit(message).await
    }

    /// Asks the person to open a page: the only way to ask for a secret (client/elicitation, "URL Mode"). That the person
    /// agreed says nothing of what happened there, and whoever opens the page must be found to be the same user.
    ///
    /// # Errors
    /// As for [`Context::elicit`], and for what is no absolute URL.
    pub async fn elicit_url(
        &self,
        message: impl AsRef<str> + Send,
        url: impl AsRef<str> + Send,
    ) -> Result<Elicited<()>, AskError> {
        self.unnamed().elicit_url(message, url).await
    }

    /// Asks the client's model. Deprecated by 2026-07-28 (SEP-2577), and served to clients that still have it.
    ///
    /// # Errors
    /// As for [`Context::elicit`], and for messages whose tool calls and results do not match.
    pub async fn sample(&self, sampling: &Sampling) -> Result<Sampled, AskError> {
        self.unnamed().sample(sampling).await
    }

    /// Asks which folders the client works in. Deprecated by 2026-07-28 (SEP-2577), and served to clients that still have
    /// it.
    ///
    /// # Errors
    /// As for [`Context::elicit`].
    pub async fn roots(&self) -> Result<Vec<Root>, AskError> {
        self.unnamed().roots().await
    }

    /// A question under a key of its own, for handlers whose questions do not always come in the same order.
    pub fn question<'a>(&'a self, key: impl Into<Cow<'a, str>>) -> Asking<'a> {
        Asking { context: self, key: Some(key.into()) }
    }

    /// Does `work` in one round, and hands its result to all later ones: for what must not be repeated each time the handler
    /// runs again. At least once: a client that never comes back with the answers makes it be done again with the next
    /// request. In a handshake session, where handlers do not run again, it is just done.
    ///
    /// The result travels with the client, sealed: it can neither read nor change it.
    ///
    /// # Errors
    /// The result is no JSON, or one of an earlier round is not a `T`.
    pub async fn once<T, F>(&self, key: &str, work: impl FnOnce() -> F + Send) -> Result<T, AskError>
    where
        T: Serialize + DeserializeOwned + Send,
        F: Future<Output = T> + Send,
    {
        const SHAPE: &str =
            "the result of work that is done once is no JSON, or of another type than in the round before";
        if let Some(done) = self.round().done(key) {
            return done.to().map_err(|_| AskError::misused(SHAPE));
        }
        let result = work().await;
        let json = Json::of(&result).map_err(|_| AskError::misused(SHAPE))?;
        self.round().finish(key, &json);
        Ok(result)
    }

    pub(super) const fn unnamed(&self) -> Asking<'_> {
        Asking { context: self, key: None }
    }
}

impl Asking<'_> {
    /// As [`Context::elicit`].
    ///
    /// # Errors
    /// As there.
    pub async fn elicit<F: Form>(self, message: impl AsRef<str> + Send) -> Result<Elicited<F>, AskError> {
        self.answered(Question::form::<F>(message.as_ref())).await
    }

    /// As [`Context::elicit_url`].
    ///
    /// # Errors
    /// As there.
    pub async fn elicit_url(
        self,
        message: impl AsRef<str> + Send,
        url: impl AsRef<str> + Send,
    ) -> Result<Elicited<()>, AskError> {
        let question = Question::url(message.as_ref(), url.as_ref())
            .map_err(|wrong| AskError::misused(wrong.to_string()))?;
        self.answered(question).await
    }

    /// As [`Context::sample`].
    ///
    /// # Errors
    /// As there.
    pub async fn sample(self, sampling: &Sampling) -> Result<Sampled, AskError> {
        let question = Question::sampling(sampling).map_err(|wrong| AskError::misused(wrong.to_string()))?;
        self.answered(question).await
    }

    /// As [`Context::roots`].
    ///
    /// # Errors
    /// As there.
    pub async fn roots(self) -> Result<Vec<Root>, AskError> {
        self.answered(Question::roots()).await
    }

    pub(super) const fn context(&self) -> &Context {
        self.context
    }

    async fn answered<A: Answers>(self, question: Question) -> Result<A, AskError> {
        self.allowed(&question)?;
        if self.context.request().revision.is_stateless() {
            let key = self.round_key()?;
            self.in_rounds(key, question).await
        } else {
            self.on_stream(question, random()).await
        }
    }

    /// Whether this client can be asked this here.
    pub(super) fn allowed(&self, question: &Question) -> Result<(), AskError> {
        let request = self.context.request();
        if self.context.is_public() {
            return Err(AskError::misused("a component whose cached answers are public cannot ask who asks"));
        }
        if !may_ask(&request.operation) {
            return Err(AskError::misused("only tools, resources and prompts can ask"));
        }
        if let Some(missing) = question.missing(&self.context.client_capabilities(), request.revision) {
            return Err(AskError::unsupported(&missing, request.revision));
        }
        self.context.round().count()
    }

    /// The key of this question among those of its round; once for each question.
    pub(super) fn round_key(&self) -> Result<String, AskError> {
        self.context.round().key(self.key.as_deref())
    }

    /// 2026-07-28: the answer of an earlier round, or the end of this one.
    pub(super) async fn in_rounds<A: Answers>(self, key: String, question: Question) -> Result<A, AskError> {
        let (round, request) = (self.context.round(), self.context.request());
        let digest = question.digest();
        if let Some(answer) = round.answer(&key, self.key.is_some(), &digest)? {
            return Ok(answer);
        }
        let params = question.params_for(request.revision, &key);
        round.ask(key, &digest, question.method(), params);
        request.exchange.wake(); // whoever runs the handler ends it now
        pending().await
    }

    /// Handshake revisions: a request under this id on the stream of the client's own.
    pub(super) async fn on_stream<A: Answers>(self, question: Question, text: String) -> Result<A, AskError> {
        let request = self.context.request();
        let Some(session) = &request.session else { return Err(AskError::gone()) };
        let until = Instant::now() + PATIENCE;
        let Ok(ready) = timeout_at(until, self.context.until_ready()).await else {
            return Err(AskError::timed_out());
        };
        ready?;
        request.exchange.mark_asked();
        let id = RequestId::of(&text);
        let message = server_request(&id, question.method(), &question.params_for(request.revision, &text));
        let session = session.key(&request.principal);
        let _expected = self.expected(&session, &id).await?;
        let mut waiting = self.context.pending_questions().wait(session, id);
        if !request.exchange.send(message).await {
            return Err(AskError::gone());
        }
        let mut open = Open { exchange: Some(&request.exchange), id: &text };
        let outcome = timeout_at(until, &mut waiting.answer).await.map_err(|_| AskError::timed_out())?;
        open.exchange = None;
        read(outcome.map_err(|_| AskError::gone())?)
    }

    /// Where clients are not bound to this process, the others are to know where the answer belongs.
    async fn expected(&self, session: &str, question: &RequestId) -> Result<Option<Expected>, AskError> {
        if !self.context.request().exchange.is_resumable() {
            return Ok(None);
        }
        self.context.replica().expect(session, question, PATIENCE).await.map_err(|error| {
            tracing::error!(%error, "a question could not be kept");
            AskError::unkept()
        })
    }
}

/// A question that the client has and did not answer yet. Dropped, it tells the client that nobody waits any more.
struct Open<'a> {
    /// `None` once it is answered.
    exchange: Option<&'a Exchange>,
    id: &'a str,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange else { return };
        let params =
            serde_json::json!({ "requestId": self.id, "reason": "nobody waits for the answer any more" });
        if let Some(message) = notification("notifications/cancelled", &params) {
            exchange.notify(message);
        }
    }
}

const fn may_ask(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::CallTool { .. } | Operation::ReadResource { .. } | Operation::GetPrompt { .. }
    )
}

fn read<A: Answers>(outcome: Outcome) -> Result<A, AskError> {
    let result = outcome.map_err(|error| AskError::refused(&error))?;
    A::read(&result).map_err(|what| AskError::unusable(&what))
}
