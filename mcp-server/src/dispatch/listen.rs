//! `subscriptions/listen`: a request that lasts, and says what changed (2026-07-28, basic/patterns/subscriptions).

mod filter;
mod message;

use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use self::filter::Filter;
use self::message::Subscription;
use super::{Dispatcher, failed, panicked, took_too_long};
use crate::hub::{Listener, Notice, Wants};
use crate::middleware::{BoxFuture, Next};
use crate::places::{Seat, Seated};
use crate::protocol::{Failure, Json, code};
use crate::replica::Waiting;
use crate::running::{Deadline, Elapsed};
use crate::{Answer, Operation, Reply, Request};

/// What a subscription may carry along for as long as it lasts, beside its URIs.
const MAX_META: usize = 64 << 10;
/// How many rights are asked for at once.
const ASKED_AT_ONCE: usize = 8;

impl Dispatcher {
    /// As [`Dispatcher::run`], for a request that lasts: rights are asked within the usual limits, and then it has
    /// neither a deadline nor a place among the calls, but one among those that listen.
    pub(super) fn run_lasting(&self, mut request: Request) -> BoxFuture<Answer> {
        // Neither belongs on such a stream (2026-07-28, basic/transports/streamable-http, "Receiving Messages").
        (request.caller.log_level, request.caller.progress) = (None, None);
        let (this, seat) = (self.clone(), self.seat(&request));
        let Ok(place) = self.0.listening.take(&request.principal) else { return failed(too_many()) };
        let run = async move {
            match this.admitted(&request, seat).await {
                Ok(()) => Next::first(this).run(request).await,
                Err(answer) => answer,
            }
        };
        let run = AssertUnwindSafe(run).catch_unwind();
        Box::pin(async move {
            let answer = run.await.unwrap_or_else(|_| panicked().into());
            drop(place);
            answer
        })
    }

    async fn admitted(&self, request: &Request, seat: Seat) -> Result<(), Answer> {
        self.limited(seat, self.authorize(request)).await?.map_err(Answer::from)
    }

    /// What is done within the limits of a call: at a place, where it waits, and for so long.
    async fn limited<T>(&self, seat: Seat, work: impl Future<Output = T>) -> Result<T, Answer> {
        match Seated::new(Deadline::new(pin!(work), self.0.handler_timeout), seat).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(Elapsed)) => Err(took_too_long().into()),
            Err(no_place) => Err(no_place.failure().into()),
        }
    }

    pub(super) fn listen(&self, mut request: Request) -> BoxFuture<Answer> {
        let Operation::Listen { filter } = &request.operation else { return failed(Failure::internal()) };
        let filter = match Filter::read(filter) {
            Ok(filter) => filter,
            Err(failure) => return failed(failure),
        };
        let Some(id) = request.id.clone() else { return failed(Failure::internal()) };
        if request.meta.as_bytes().len() > MAX_META {
            return failed(Failure::invalid_params("the _meta of a subscription may have at most 64 KiB"));
        }
        // What came and what it saw at first would else be kept for as long as it lasts.
        request.operation = Operation::Listen { filter: Json::EMPTY };
        request.registry = None;
        request.exchange.last();
        let (this, subscription) = (self.clone(), Subscription::new(&id));
        Box::pin(async move {
            let wants = tokio::select! {
                biased;
                why = request.exchange.concluded() => {
                    say(&request, subscription.cancelled(why));
                    return Answer::Done(Reply::Object(subscription.result()));
                }
                wants = this.limited(this.seat(&request), this.granted(&request, filter)) => match wants {
                    Ok(wants) => wants,
                    Err(answer) => return answer,
                },
            };
            let acknowledged = subscription.acknowledged(&wants);
            let _waiting = this.await_updates(!wants.uris.is_empty()).await;
            let listener = this.0.hub.listen(wants); // from now on nothing is missed
            say(&request, acknowledged);
            let why = tokio::select! {
                why = request.exchange.concluded() => why,
                why = this.told(&request, &listener, &subscription) => why,
            };
            say(&request, subscription.cancelled(why));
            Answer::Done(Reply::Object(subscription.result()))
        })
    }

    /// Has other processes tell this one of updated resources, where any are wanted.
    pub(super) async fn await_updates(&self, wanted: bool) -> Option<Waiting> {
        if !wanted {
            return None;
        }
        self.join().await;
        Some(self.replica().waiting())
    }

    /// What of a filter is honoured: lists that may change, and resources that exist and that the caller may read.
    async fn granted(&self, request: &Request, filter: Filter) -> Wants {
        let mut granted = Wants::kinds(filter.kinds.both(self.0.components.dynamic()));
        let uris: Vec<String> = filter.uris.into_iter().collect();
        for uris in uris.chunks(ASKED_AT_ONCE) {
            let rights = join_all(uris.iter().map(|uri| self.may_read(request, uri))).await;
            granted =
                granted.and(uris.iter().zip(rights).filter(|(_, may)| *may).map(|(uri, _)| uri.as_str()));
        }
        granted
    }

    /// Says what it hears; ends only where the listener does.
    async fn told(
        &self,
        request: &Request,
        listener: &Listener,
        subscription: &Subscription,
    ) -> &'static str {
        while let Some(notice) = listener.next().await {
            if let Some(message) = self.worded(request, &notice, Some(subscription)).await {
                request.exchange.deliver(message).await;
            }
        }
        "the subscription has ended"
    }

    /// The message for a notice; `None` where the caller may not be told (any more).
    pub(super) async fn worded(
        &self,
        request: &Request,
        notice: &Notice,
        subscription: Option<&Subscription>,
    ) -> Option<bytes::Bytes> {
        match notice {
            Notice::Listed(kind) => message::listed(*kind, subscription),
            Notice::Updated(uri) => {
                let may = self.may_read(request, uri).await;
                may.then(|| message::updated(uri, subscription)).flatten()
            }
            Notice::Completed(id) => message::completed(id),
            Notice::Look => None,
        }
    }

    /// Whether there is a resource of this URI now, and whoever sent `request` may read it now: as if it were asked for
    /// by `resources/read`.
    pub(super) async fn may_read(&self, request: &Request, uri: &str) -> bool {
        let registry = self.registry();
        if registry.resource(uri).is_none() {
            return false;
        }
        if self.is_bare(&registry) {
            return true;
        }
        let mut asking = request.clone();
        asking.operation = Operation::ReadResource { uri: uri.into() };
        asking.registry = Some(registry);
        let asked = pin!(self.authorize(&asking));
        matches!(Deadline::new(asked, self.0.handler_timeout).await, Ok(Ok(())))
    }
}

fn too_many() -> Failure {
    Failure::new(
        code::INTERNAL_ERROR,
        "too many subscriptions are open: end one of yours, or try again later",
    )
}

fn say(request: &Request, message: Option<bytes::Bytes>) {
    if let Some(message) = message {
        request.exchange.say(message);
    }
}
