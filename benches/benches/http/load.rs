//! The load: each connection sends its next call once the one before is answered.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::child::Child;
use crate::connection::Connection;
use crate::message::{Era, FIRST_ID, Work};

/// What one run showed.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Microseconds of the server's CPU per call.
    pub(crate) cpu_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

/// What is done to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) era: Era,
    pub(crate) work: Work,
    pub(crate) sessions: bool,
    pub(crate) connections: usize,
    pub(crate) warm: Duration,
    pub(crate) measured: Duration,
}

#[derive(Default)]
struct State {
    id: Cell<u32>,
    stop: Cell<bool>,
    measuring: Cell<bool>,
    nanos: RefCell<Vec<u64>>,
}

impl Load {
    /// Calls the server for a while.
    pub(crate) fn run(&self, server: &Child) -> io::Result<Run> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, self.drive(server))
    }

    /// How many bytes the body of one answer has.
    pub(crate) fn answer_bytes(&self, server: &Child) -> io::Result<usize> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut connection =
                Connection::open(server.address(), self.era, self.work, self.sessions).await?;
            connection.call(FIRST_ID).await
        })
    }

    #[expect(clippy::future_not_send, reason = "one thread makes the load")]
    async fn drive(&self, server: &Child) -> io::Result<Run> {
        let state = Rc::new(State { id: Cell::new(FIRST_ID), ..State::default() });
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(Connection::open(server.address(), self.era, self.work, self.sessions).await?);
        }
        let calls: Vec<_> = connections
            .into_iter()
            .map(|connection| tokio::task::spawn_local(repeat(connection, Rc::clone(&state))))
            .collect();
        tokio::time::sleep(self.warm).await;
        let (cpu, begun) = (server.cpu(), Instant::now());
        state.measuring.set(true);
        tokio::time::sleep(self.measured).await;
        state.measuring.set(false);
        let (took, cpu) = (begun.elapsed(), server.cpu().saturating_sub(cpu));
        state.stop.set(true);
        for call in calls {
            call.await.map_err(io::Error::other)??;
        }
        let mut nanos = state.nanos.take();
        nanos.sort_unstable();
        Ok(summary(&nanos, took, cpu))
    }
}

#[expect(clippy::future_not_send, reason = "one thread makes the load")]
async fn repeat(mut connection: Connection, state: Rc<State>) -> io::Result<()> {
    while !state.stop.get() {
        let id = state.id.get() + 1;
        state.id.set(id);
        let sent = Instant::now();
        connection.call(id).await?;
        if state.measuring.get() {
            let nanos = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            state.nanos.borrow_mut().push(nanos);
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn summary(nanos: &[u64], took: Duration, cpu: Duration) -> Run {
    let calls = nanos.len().max(1) as f64;
    let at = |percent: usize| nanos.get(nanos.len() * percent / 100).copied().unwrap_or(0) as f64 / 1_000.0;
    Run {
        per_second: nanos.len() as f64 / took.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / calls,
        p50_us: at(50),
        p99_us: at(99),
    }
}
