//! The one task of a replica: its heartbeat, and its inbox.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kv_core::Signals;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, timeout};

use super::post::HandedOn;
use super::{BEAT, Inner, LOOK, Letter};
use crate::dispatch::{Dispatcher, Distant};
use crate::hub::Change;
use crate::protocol::RequestId;

/// Keeps the replica alive for the others until its server is gone, and delivers what they send: neither waits for the
/// other where the store is slow.
pub(super) async fn keep(inner: Arc<Inner>, server: Distant) {
    tokio::select! {
        () = beats(&inner, &server) => {}
        () = deliveries(&inner, &server) => {}
    }
    inner.vanish().await;
}

async fn beats(inner: &Inner, server: &Distant) {
    let mut beat = every(BEAT);
    loop {
        beat.tick().await;
        let Some(_server) = server.near() else { return };
        match timeout(BEAT, inner.post.still_here()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the heartbeat of this replica could not be renewed"),
            // A call that hangs must not be the last: others would take this process for dead.
            Err(_) => tracing::warn!("the store hangs: the heartbeat of this replica may not be renewed"),
        }
    }
}

async fn deliveries(inner: &Inner, server: &Distant) {
    let mut rings = inner.post.rings().await;
    let (mut again, mut look, mut handed_on) = (every(BEAT), every(LOOK), HandedOn::default());
    loop {
        let waits = inner.waiting.load(Ordering::Acquire) > 0;
        let looks = tokio::select! {
            rung = rung(&mut rings) => rung,
            _ = look.tick(), if waits => true,
            () = inner.stirred.notified() => false, // something begins to wait
            _ = again.tick(), if rings.is_none() => {
                rings = inner.post.rings().await;
                false
            }
        };
        let mut more = looks;
        while more {
            let found = inner.post.look(&mut handed_on).await;
            let Some(server) = server.near() else { return };
            let (letters, version) = found.unzip();
            for letter in letters.into_iter().flatten() {
                deliver(&server, letter);
            }
            drop(server);
            inner.news.notify_waiters();
            more = match version {
                Some(version) => !inner.post.remove(version, &mut handed_on).await,
                None => false,
            };
        }
    }
}

fn every(period: std::time::Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Waits for a ring; `false` where the subscription has ended.
async fn rung(rings: &mut Option<Signals>) -> bool {
    let Some(signals) = rings else { return std::future::pending().await };
    let rung = signals.next().await.is_some(); // a gap is a ring that was missed
    if !rung {
        *rings = None;
    }
    rung
}

fn deliver(server: &Dispatcher, letter: Letter) {
    match letter {
        Letter::Cancelled { session, request } => {
            if let Ok(request) = RequestId::new(&request) {
                server.flights().cancel(&session, &request);
            }
        }
        Letter::Ended { session, owner } => server.session_ended(&session, owner),
        Letter::Subscribed { session, uri, wanted } => {
            server.hub().subscribe(&session, &uri, wanted);
        }
        Letter::Opened { session } => server.hub().look(&session),
        Letter::Answered { session, question, answer } => {
            if let Ok(question) = RequestId::new(&question) {
                server.pending_questions().answered(session, question, answer.into());
            }
        }
        Letter::Completed { session, elicitation } => {
            server.hub().completed(&session, &elicitation);
        }
        Letter::Updated { uris } => {
            for uri in uris {
                server.hub().publish(&Change::Updated(uri.into()));
            }
        }
        Letter::Followed { stream, by, ticket } => server.streams().followed(&stream, by, ticket),
        Letter::Unfollowed { ticket, retry_ms } => server.streams().unfollowed(ticket, retry_ms),
    }
}
