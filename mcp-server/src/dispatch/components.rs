//! From a request to the handler of its component, and from what that hands back to an answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{Dispatcher, failed, not_found, panicked, took_too_long};
use crate::asking::Driven;
use crate::component::{Manner, Prompt, Tool};
use crate::middleware::BoxFuture;
use crate::places::Held;
use crate::protocol::{Failure, Hints, code};
use crate::registry::Found;
use crate::running::{Deadline, Elapsed, Finish};
use crate::{Answer, Context, Operation, Reply, Request};

impl Dispatcher {
    pub(super) fn call(&self, tool: Arc<Tool>, request: Request) -> BoxFuture<Answer> {
        if let Some(failure) = tool.about().lacking(&request) {
            return failed(failure);
        }
        let Operation::CallTool { arguments, .. } = &request.operation else {
            return failed(Failure::internal());
        };
        let (arguments, manner) = (arguments.clone(), tool.manner());
        let context = Context::new(request, self.clone(), tool.about().is_public());
        self.guarded(
            context,
            move |context| tool.call(context, arguments),
            manner,
            move |result| match result {
                Ok(result) => Answer::Done(Reply::Tool(result)),
                Err(failure) => Answer::Failed(failure),
            },
        )
    }

    pub(super) fn prompt(&self, prompt: Arc<Prompt>, request: Request) -> BoxFuture<Answer> {
        if let Some(failure) = prompt.about().lacking(&request) {
            return failed(failure);
        }
        let Operation::GetPrompt { arguments, .. } = &request.operation else {
            return failed(Failure::internal());
        };
        let arguments = arguments.clone();
        let context = Context::new(request, self.clone(), prompt.about().is_public());
        self.guarded(
            context,
            move |context| prompt.get(context, &arguments),
            Manner::default(),
            move |result| match result {
                Ok(result) => Answer::Done(Reply::Prompt(result)),
                Err(failure) => Answer::Failed(failure),
            },
        )
    }

    pub(super) fn read(&self, request: Request) -> BoxFuture<Answer> {
        let Operation::ReadResource { uri } = &request.operation else { return failed(Failure::internal()) };
        let uri = uri.clone();
        let Some(found) = self.registry_of(&request).resource(&uri) else {
            return failed(not_found(&uri, request.revision));
        };
        if let Some(failure) = found.about().lacking(&request) {
            return failed(failure);
        }
        let revision = request.revision;
        let declared = found.about().cache.map_or(0, |policy| policy.ttl.as_millis());
        let same_for_all = found.is_public() && found.about().check.is_none();
        let hints = Hints::new(u64::try_from(declared).unwrap_or(u64::MAX), self.scope(same_for_all));
        let context = Context::new(request, self.clone(), found.is_public());
        let asked = uri.clone();
        let run = move |context| match found {
            Found::Resource(resource) => resource.read(context, asked),
            Found::Template(template, parameters) => template.read(context, asked, parameters),
        };
        self.guarded(context, run, Manner::default(), move |result| match result {
            Ok(result) if result.contents.is_empty() => Answer::Failed(not_found(&uri, revision)),
            Ok(mut result) => {
                result.hints = Some(result.hints.unwrap_or(hints));
                Answer::Done(Reply::Resource(result))
            }
            Err(failure) if failure.code == code::RESOURCE_NOT_FOUND => {
                Answer::Failed(not_found(&uri, revision))
            }
            Err(failure) => Answer::Failed(failure),
        })
    }

    /// Runs a handler within the limits: how many at once, and for how long. A panic ends the request alone, and so does a
    /// question on 2026-07-28.
    ///
    /// A further round looks up what earlier ones left within the same limits: an answer that counts once is used up only
    /// where the handler runs, so who is refused for want of a place may send it again.
    pub(super) fn guarded<T: Send + 'static>(
        &self,
        context: Context,
        run: impl FnOnce(Context) -> BoxFuture<T> + Send + 'static,
        manner: Manner,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> BoxFuture<Answer> {
        let place = match self.place(context.request()) {
            Ok(place) => place,
            Err(no_place) => return failed(no_place.failure()),
        };
        let asking = context.clone();
        let Some(resumed) = context.request().resumed.clone() else {
            let Ok(run) = catch_unwind(AssertUnwindSafe(|| run(context))) else { return failed(panicked()) };
            return self.within_limits(place, asking, run, manner, answer);
        };
        let this = self.clone();
        let run: BoxFuture<Result<T, Failure>> = Box::pin(async move {
            let round = this.0.records.resume(context.request(), *resumed, manner.single_use).await?;
            context.resume(round);
            Ok(run(context).await)
        });
        let answer = |output: Result<T, Failure>| output.map_or_else(Answer::Failed, answer);
        self.within_limits(place, asking, run, manner, answer)
    }

    /// Drives what a handler has begun, for as long as it may take. Gives its place back.
    fn within_limits<T: Send + 'static>(
        &self,
        place: Held,
        asking: Context,
        run: BoxFuture<T>,
        manner: Manner,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
    ) -> BoxFuture<Answer> {
        let run = AssertUnwindSafe(Deadline::new(run, self.0.handler_timeout)).catch_unwind();
        let this = self.clone();
        let guarded = async move {
            let output = Driven::new(run, asking.clone()).await; // the handler is gone then
            let questions = match output {
                Ok(Ok(Ok(output))) => {
                    drop(place);
                    return answer(output);
                }
                Ok(Ok(Err(Elapsed))) => return took_too_long().into(),
                Ok(Err(_)) => return panicked().into(),
                Err(questions) => questions,
            };
            let asked = this.0.records.ask(asking.request(), questions);
            let asked = Deadline::new(Box::pin(asked), this.0.handler_timeout).await;
            drop(place); // what goes to the store is work, too
            asked.unwrap_or_else(|Elapsed| took_too_long().into())
        };
        if manner.finish {
            Box::pin(Finish::new(guarded, self.finishing().clone()))
        } else {
            Box::pin(guarded)
        }
    }
}
