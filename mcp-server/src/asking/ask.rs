//! What handlers ask with.

use std::borrow::Cow;
use std::future::{Future, pending};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::pending::Outcome;
use super::{Answers, AskError, Elicited, Form, Question, Root, Sampled, Sampling};
use crate::protocol::{Json, RequestId, notification, server_request};
use crate::session::hex;
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
    /// else than in the round before; the component's answers are public.
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

    const fn unnamed(&self) -> Asking<'_> {
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

    async fn answered<A: Answers>(self, question: Question) -> Result<A, AskError> {
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
        if request.revision.is_stateless() {
            self.in_rounds(question).await
        } else {
            self.on_stream(question).await
        }
    }

    /// 2026-07-28: the answer of an earlier round, or the end of this one.
    async fn in_rounds<A: Answers>(self, question: Question) -> Result<A, AskError> {
        let (round, request) = (self.context.round(), self.context.request());
        let (key, digest) = (round.key(self.key.as_deref())?, question.digest());
        if let Some(answer) = round.answer(&key, self.key.is_some(), &digest)? {
            return Ok(answer);
        }
        let params = question.params_for(request.revision, &key);
        round.ask(key, &digest, question.method(), params);
        request.exchange.wake(); // whoever runs the handler ends it now
        pending().await
    }

    /// Handshake revisions: a request on the stream of the client's own.
    async fn on_stream<A: Answers>(self, question: Question) -> Result<A, AskError> {
        let request = self.context.request();
        let Some(session) = &request.session else { return Err(AskError::gone()) };
        let text = random();
        let id = RequestId::of(&text);
        let message = server_request(&id, question.method(), &question.params_for(request.revision, &text));
        let mut waiting = self.context.pending_questions().wait(session.key(&request.principal), id);
        if !request.exchange.send(message).await {
            return Err(AskError::gone());
        }
        match tokio::time::timeout(PATIENCE, &mut waiting.answer).await {
            Ok(Ok(outcome)) => read(outcome),
            Ok(Err(_)) => Err(AskError::gone()),
            Err(_) => {
                self.give_up(&text);
                Err(AskError::timed_out())
            }
        }
    }

    /// Tells the client that nobody waits for its answer any more.
    fn give_up(&self, id: &str) {
        let params = serde_json::json!({ "requestId": id, "reason": "nobody waits for the answer any more" });
        if let Some(message) = notification("notifications/cancelled", &params) {
            self.context.request().exchange.notify(message);
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

/// An id that nobody can guess: who knows it may answer.
fn random() -> String {
    let mut bytes = [0; 16];
    rand::RngCore::fill_bytes(&mut rand::rng(), &mut bytes);
    hex(&bytes)
}
