//! What a server holds: after a minute of calls, and for each session that nobody uses.

use std::io::{self, Write as _};
use std::time::Duration;

use tokio::runtime::Builder;

use crate::child::{Child, Cores};
use crate::connection::Connection;
use crate::load::Load;
use crate::message::{Era, Work};
use crate::pairs::{Plan, for_the_page, has_peers};
use crate::servers::Kind;

const CONNECTIONS: usize = 64;
const SESSIONS: u32 = 10_000;

#[derive(serde::Serialize)]
struct Held {
    name: String,
    who: &'static str,
    transport: &'static str,
    revision: &'static str,
    /// Resident once it has started, in bytes.
    at_start: u64,
    /// Resident at the end, in bytes.
    at_end: u64,
    /// Sessions that were begun and left.
    sessions: u32,
}

/// Runs what is wanted and prints it.
pub(crate) fn run(plan: &Plan, cores: &mut Option<Cores>) -> io::Result<()> {
    let rows = [
        (Kind::Bare, Era::Modern),
        (Kind::Larder, Era::Modern),
        (Kind::Larder, Era::Session),
        (Kind::Rmcp, Era::Modern),
        (Kind::RmcpSessions, Era::Session),
        (Kind::Turbomcp, Era::Session),
        (Kind::RustMcpSdk, Era::Modern),
        (Kind::FastMcp, Era::Modern),
        (Kind::FastMcp, Era::Session),
    ];
    for (kind, era) in rows.into_iter().filter(|(kind, _)| has_peers() || !kind.is_peer()) {
        let name = format!("memory-calls/{}/{}", kind.name(), era.revision());
        if plan.wants(&name) {
            let server = cores.get_or_insert_with(Cores::claim).http(kind, 0)?;
            report(&calls(plan, &server, kind, era, name)?)?;
        }
    }
    let kinds = [Kind::Larder, Kind::RmcpSessions, Kind::Turbomcp, Kind::FastMcp];
    for kind in kinds.into_iter().filter(|kind| has_peers() || !kind.is_peer()) {
        let name = format!("memory-sessions/{}", kind.name());
        if plan.wants(&name) {
            let server = cores.get_or_insert_with(Cores::claim).http(kind, 0)?;
            report(&sessions(plan, &server, kind, name)?)?;
        }
    }
    Ok(())
}

/// A minute of calls.
fn calls(plan: &Plan, server: &Child, kind: Kind, era: Era, name: String) -> io::Result<Held> {
    let at_start = server.resident();
    let measured = if plan.try_out { plan.measured } else { Duration::from_secs(60) };
    let sessions = kind != Kind::Bare;
    let load = Load { era, work: Work::Call, sessions, connections: CONNECTIONS, warm: plan.warm, measured };
    load.run(server)?;
    let (who, revision) = (kind.name(), era.revision());
    Ok(Held { name, who, transport: "memory", revision, at_start, at_end: server.resident(), sessions: 0 })
}

/// Sessions that are begun on one connection, and then nothing.
fn sessions(plan: &Plan, server: &Child, kind: Kind, name: String) -> io::Result<Held> {
    let sessions = if plan.try_out { 10 } else { SESSIONS };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (at_start, sessions) = runtime.block_on(async {
        let mut connection = Connection::connect(server.address(), Work::Call).await?;
        connection.handshake(server.address()).await?; // what the first one costs is no session's
        let at_start = server.resident();
        for begun in 0..sessions {
            match connection.handshake(server.address()).await {
                // A peer that keeps fewer shows what those cost.
                Err(_) if kind.is_peer() && begun > 0 => return Ok((at_start, begun)),
                answered => answered?,
            };
        }
        io::Result::Ok((at_start, sessions))
    })?;
    let (who, revision) = (kind.name(), Era::Session.revision());
    Ok(Held { name, who, transport: "memory", revision, at_start, at_end: server.resident(), sessions })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn report(held: &Held) -> io::Result<()> {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let each = held.at_end.saturating_sub(held.at_start) as f64 / f64::from(held.sessions.max(1)) / 1_024.0;
    let sessions =
        if held.sessions == 0 { String::new() } else { format!("   {each:.2} KiB for each session") };
    writeln!(
        io::stdout(),
        "{:34} {:6.1} MiB, at the start {:6.1}{sessions}",
        held.name,
        mib(held.at_end),
        mib(held.at_start)
    )?;
    for_the_page(held)
}
