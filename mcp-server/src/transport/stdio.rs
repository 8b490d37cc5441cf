//! The standard streams of this process (2026-07-28, basic/transports/stdio).
//!
//! A thread reads and hands each line to the connection at once; another writes. So an answer that is ready at once
//! takes one hop, and a client that does not read never keeps requests from being read.

#[cfg(unix)]
mod output;
#[cfg(not(unix))]
#[path = "stdio/output_shared.rs"]
mod output;
#[cfg(unix)]
mod ready;

use std::io::{self, ErrorKind, Read as _, StdinLock};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use self::output::{Guard, Output};
use super::lines::Connection;
use super::splitter::Splitter;
use super::stream::{Fed, GRACE, end, feed, next_write};
use crate::{Error, Result};

/// Serves stdin and stdout until stdin ends, stdout breaks or the process is told to stop. If `alone`, nothing else gets to
/// stdout meanwhile, where the platform permits.
pub(crate) async fn serve(connection: Arc<Connection>, alone: bool) -> Result<()> {
    let guard = alone.then(Guard::new).transpose()?; // to the end of this future, also if it is dropped
    let mut to = Output::new(guard.as_ref())?;
    let (input_ended, input) = oneshot::channel();
    let (output_ended, mut output) = oneshot::channel();
    let stopped = stopped(); // heard from before the first message is read
    spawn("mcp-stdin", Arc::clone(&connection), read, input_ended)?;
    spawn(
        "mcp-stdout",
        Arc::clone(&connection),
        move |runtime, connection| write(runtime, connection, &mut to),
        output_ended,
    )?;
    let ended = tokio::select! {
        ended = input => ended,
        ended = &mut output => {
            connection.end(Duration::ZERO).await; // nobody can be answered any more
            return flattened(ended);
        }
        () = stopped => Ok(Ok(())),
    };
    connection.end(GRACE).await;
    let written = tokio::time::timeout(GRACE, output).await; // a client that never reads keeps nobody
    flattened(ended).and(written.map_or(Ok(()), flattened))
}

type Ended = oneshot::Sender<io::Result<()>>;

fn spawn(
    name: &str,
    connection: Arc<Connection>,
    work: impl FnOnce(&Handle, &Arc<Connection>) -> io::Result<()> + Send + 'static,
    ended: Ended,
) -> Result<()> {
    let runtime = Handle::current();
    let thread = thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(move || {
        let result = work(&runtime, &connection);
        drop(ended.send(result));
    });
    spawned
        .map(drop)
        .map_err(|error| Error::new("the thread for the standard streams did not start").because(error))
}

fn read(runtime: &Handle, connection: &Arc<Connection>) -> io::Result<()> {
    let _entered = runtime.enter();
    let (mut input, mut chunk) = (io::stdin().lock(), vec![0; 64 << 10]);
    let mut splitter = Splitter::default();
    loop {
        let read = read_some(&mut input, &mut chunk)?;
        if read == 0 {
            end(&mut splitter);
        }
        splitter.add(chunk.get(..read).unwrap_or_default());
        while feed(connection, &mut splitter) == Fed::Full {
            runtime.block_on(connection.outgoing().has_room());
        }
        if read == 0 || connection.outgoing().is_closed() {
            return Ok(());
        }
    }
}

/// Waits for bytes, also if stdin does not; none is the end.
fn read_some(input: &mut StdinLock<'_>, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            #[cfg(unix)]
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready::wait(&*input, rustix::event::PollFlags::IN)?;
            }
            read => return read,
        }
    }
}

fn write(runtime: &Handle, connection: &Connection, output: &mut Output) -> io::Result<()> {
    while let Some(bytes) = runtime.block_on(next_write(connection)) {
        output.write(&bytes)?;
    }
    Ok(())
}

fn flattened(ended: std::result::Result<io::Result<()>, oneshot::error::RecvError>) -> Result<()> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Err(_) => Err(Error::new("a thread of the standard streams ended before its time")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()), // the client has gone
        Ok(Err(error)) => Err(error.into()),
    }
}

/// Waits until the process is asked to stop, by Ctrl-C or a termination signal. What comes after this call is heard,
/// also before the first poll.
#[cfg(unix)]
pub(crate) fn stopped() -> impl Future<Output = ()> + Send + 'static {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupted, terminated) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        tokio::select! {
            () = received(interrupted) => {}
            () = received(terminated) => {}
        }
    }
}

/// Waits for a signal; for ever where it cannot be listened for.
#[cfg(unix)]
async fn received(signal: io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Waits until the process is asked to stop, by Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
