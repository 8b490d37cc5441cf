//! Which servers run beside which, and what the pairs say.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::time::Duration;

use crate::child::{Child, Cores};
use crate::lines;
use crate::load::{Load, Run};
use crate::message::Era;
use crate::servers::Kind;

/// Connections on HTTP, calls under way on stdio.
const AT_ONCE: [u32; 2] = [1, 64];

/// What to run, and for how long.
pub(crate) struct Plan {
    filter: Option<String>,
    rounds: usize,
    warm: Duration,
    measured: Duration,
}

/// Both sides, a round after the other.
#[derive(serde::Serialize)]
struct Measured {
    name: String,
    who: &'static str,
    transport: &'static str,
    revision: &'static str,
    at_once: u32,
    cores: &'static str,
    /// The server, then the bare one.
    rounds: Vec<(Run, Run)>,
}

impl Plan {
    /// As cargo and criterion pass them: the first that is no flag is a part of the names to run.
    pub(crate) fn from_arguments(arguments: &[&str]) -> Self {
        let filter = arguments.iter().find(|argument| !argument.starts_with('-'));
        let try_out = arguments.contains(&"--test");
        let rounds = std::env::var("LARDER_BENCH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
        Self {
            filter: filter.map(ToString::to_string),
            rounds: if try_out { 1 } else { rounds.unwrap_or(3) },
            warm: Duration::from_millis(if try_out { 10 } else { 300 }),
            measured: Duration::from_millis(if try_out { 50 } else { 1_000 }),
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}

/// Runs what is wanted and prints it.
pub(crate) fn run(plan: &Plan) -> io::Result<()> {
    let servers = [
        (Kind::Larder, Era::Modern),
        (Kind::Larder, Era::Session),
        (Kind::Rmcp, Era::Modern),
        (Kind::RmcpSessions, Era::Session),
    ];
    let mut cores = None;
    for (at_once, (kind, era)) in
        AT_ONCE.into_iter().flat_map(|at_once| servers.map(|server| (at_once, server)))
    {
        let name = format!("http/{}/{}/{at_once}", kind.name(), era.revision());
        if plan.wants(&name) {
            let cores = cores.get_or_insert_with(Cores::claim);
            let rounds = on_http(plan, cores, kind, era, at_once)?;
            report(&Measured {
                name,
                who: kind.name(),
                transport: "http",
                revision: era.revision(),
                at_once,
                cores: cores.describe(),
                rounds,
            })?;
        }
    }
    for (at_once, kind) in
        AT_ONCE.into_iter().flat_map(|at_once| [Kind::Larder, Kind::Rmcp].map(|kind| (at_once, kind)))
    {
        let name = format!("stdio/{}/{at_once}", kind.name());
        if plan.wants(&name) {
            let cores = cores.get_or_insert_with(Cores::claim);
            let rounds = on_stdio(plan, cores, kind, at_once)?;
            report(&Measured {
                name,
                who: kind.name(),
                transport: "stdio",
                revision: Era::Session.revision(),
                at_once,
                cores: cores.describe(),
                rounds,
            })?;
        }
    }
    Ok(())
}

fn on_http(plan: &Plan, cores: &Cores, kind: Kind, era: Era, at_once: u32) -> io::Result<Vec<(Run, Run)>> {
    let server = cores.http(kind.name(), 0)?;
    let load =
        Load { era, sessions: true, connections: at_once as usize, warm: plan.warm, measured: plan.measured };
    // A stream's framing is no part of the message; what is left differs by less than a packet.
    let bare = cores.http(Kind::Bare.name(), load.answer_bytes(&server)?)?;
    let bare_load = Load { sessions: false, ..load };
    alternate(plan, || load.run(&server), || bare_load.run(&bare))
}

fn on_stdio(plan: &Plan, cores: &Cores, kind: Kind, at_once: u32) -> io::Result<Vec<(Run, Run)>> {
    let once = |kind: Kind| {
        let mut server: Child = cores.stdio(kind.name())?;
        lines::run(&mut server, at_once, plan.warm, plan.measured)
    };
    alternate(plan, || once(kind), || once(Kind::Bare))
}

/// Each round both, now this one first, now the other.
fn alternate(
    plan: &Plan,
    server: impl Fn() -> io::Result<Run>,
    bare: impl Fn() -> io::Result<Run>,
) -> io::Result<Vec<(Run, Run)>> {
    let pair = |round: usize| {
        if round.is_multiple_of(2) {
            let bare = bare()?;
            Ok((server()?, bare))
        } else {
            Ok((server()?, bare()?))
        }
    };
    (0..plan.rounds).map(pair).collect()
}

/// One line for people, and one for `scripts/bench-report`.
fn report(measured: &Measured) -> io::Result<()> {
    let of = |figure: fn(&(Run, Run)) -> f64| median(measured.rounds.iter().map(figure).collect());
    writeln!(
        io::stdout(),
        "{:34} {:9.0}/s of {:9.0}/s: {:.2}   p50 {:7.1} us   p99 {:7.1} us   CPU {:6.2} us, bare {:6.2} us: {:.2}",
        measured.name,
        of(|(server, _)| server.per_second),
        of(|(_, bare)| bare.per_second),
        of(|(server, bare)| server.per_second / bare.per_second),
        of(|(server, _)| server.p50_us),
        of(|(server, _)| server.p99_us),
        of(|(server, _)| server.cpu_us),
        of(|(_, bare)| bare.cpu_us),
        of(|(server, bare)| server.cpu_us / bare.cpu_us),
    )?;
    if let Some(path) = std::env::var_os("LARDER_BENCH_JSON") {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(measured).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
