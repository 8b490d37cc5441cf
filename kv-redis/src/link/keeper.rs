//! The task beside a link: it reads the server's clock, notices a connection that died unused, and brings it back while
//! somebody listens.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use super::{Inner, Link, Live, Slot};
use crate::running::Run;

/// How often the clock is read.
const CLOCK: Duration = Duration::from_secs(60);
/// How often a connection is tried while somebody listens: a silent one would lose what it should tell.
const LISTENING: Duration = Duration::from_secs(3);
/// How long to wait before a lost connection is tried again for who listens.
const AGAIN: Duration = Duration::from_millis(200);

pub(super) fn start(inner: &Arc<Inner>, run: Run) {
    let (weak, wake) = (Arc::downgrade(inner), Arc::clone(&inner.wake));
    tokio::spawn(async move {
        let _run = run;
        let mut pause = CLOCK;
        loop {
            let _woken = tokio::time::timeout(pause, wake.notified()).await;
            match tend(&weak).await {
                Some(next) => pause = next,
                None => return,
            }
        }
    });
}

/// Has somebody find out whether the connection still lives: the task beside the link, and where that runs on another executor,
/// which may stand still, one that does this alone.
pub(super) fn look(link: &Link) {
    link.0.wake.notify_one();
    let Ok(here) = Handle::try_current() else { return };
    link.tend();
    if link.0.tended && !link.0.keeper.runs_on(here.id()) {
        prove(link, &here);
    }
}

/// Ends the connection that stands unless the server answers, by a task of this executor, of which one is enough.
fn prove(link: &Link, here: &Handle) {
    let run = link.0.prover.begin();
    if run.is_none() && link.0.prover.runs_on(here.id()) {
        return;
    }
    let Some(live) = link.standing() else { return };
    let weak = Arc::downgrade(&link.0);
    here.spawn(async move {
        let _run = run;
        if live.ping().await.is_err() {
            live.kill();
            if let Some(inner) = weak.upgrade() {
                inner.news.lost();
            }
        }
    });
}

/// Lets a master go that became a replica: its name may lead to the one that took its place. Where it leads there again,
/// that one is read on, and let go again after a while.
async fn leave_if_demoted(inner: &Inner, live: &Live) {
    let settled = if live.facts().is_replica { CLOCK } else { Duration::ZERO };
    if !inner.target.may_move() || live.age() < settled {
        return;
    }
    match live.is_replica().await {
        Ok(Some(is_replica)) if inner.note_role(is_replica) => {
            live.retire();
            inner.news.lost();
        }
        Ok(_) => {}
        Err(_) => inner.end(live),
    }
}

/// Looks after the link once; how long it can be left alone, or `None` once nobody needs it.
async fn tend(weak: &Weak<Inner>) -> Option<Duration> {
    let link = Link(weak.upgrade()?);
    let standing = match &*link.0.slot() {
        Slot::Closed => return None,
        Slot::Up(live) => Some(live.clone()),
        Slot::Connecting(_) | Slot::Down => None,
    };
    match standing {
        None if link.0.news.is_idle() => return Some(CLOCK), // the next request connects
        // A node that has left its cluster goes on answering, and hears nothing of what is told there.
        Some(live) if live.is_alive() && !link.0.target.holds() => link.0.end(&live),
        Some(live) if live.is_alive() && link.0.clock.read(live.clone()).await.is_err() => {
            link.0.end(&live);
        }
        Some(live) if live.is_alive() => leave_if_demoted(&link.0, &live).await,
        _ => {}
    }
    let back = link.live().await.is_ok();
    link.0.news.tidy(&link).await;
    Some(match (link.0.news.is_idle(), back) {
        (true, _) => CLOCK,
        (false, true) => LISTENING,
        (false, false) => AGAIN,
    })
}
