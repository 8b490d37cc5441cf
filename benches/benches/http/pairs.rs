//! Which servers run beside which, and what the pairs say.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::time::Duration;

use crate::child::{Child, Cores, PEERS};
use crate::lines::{self, Lines};
use crate::load::{Load, Run};
use crate::memory;
use crate::message::{Era, Work};
use crate::servers::Kind;

/// A row: who does what how often at once, on what.
#[derive(Clone, Copy)]
struct Case {
    transport: &'static str,
    kind: Kind,
    era: Era,
    work: Work,
    /// Connections on HTTP, calls under way on stdio.
    at_once: u32,
}

/// All rows, those of one thing next to each other.
fn cases() -> Vec<Case> {
    let call = |transport, kind, era, at_once| Case { transport, kind, era, work: Work::Call, at_once };
    let small = [1, 64].into_iter().flat_map(|at_once| {
        [
            call("http", Kind::Larder, Era::Modern, at_once),
            call("http", Kind::Larder, Era::Session, at_once),
            call("http", Kind::Rmcp, Era::Modern, at_once),
            call("http", Kind::RmcpSessions, Era::Session, at_once),
        ]
    });
    let large = [
        call("http", Kind::LarderObserved, Era::Modern, 64),
        Case { work: Work::List, ..call("http", Kind::LarderTools, Era::Modern, 64) },
        call("http", Kind::LarderAmong, Era::Modern, 64),
        call("http", Kind::Turbomcp, Era::Session, 64),
        call("http", Kind::RustMcpSdk, Era::Modern, 64),
        call("http", Kind::FastMcp, Era::Modern, 64),
        call("http", Kind::FastMcp, Era::Session, 64),
        call("http", Kind::FastMcpObserved, Era::Modern, 64),
    ];
    let lines = [1, 64].into_iter().flat_map(|at_once| {
        [Kind::Larder, Kind::Rmcp]
            .into_iter()
            .flat_map(move |kind| [Era::Session, Era::Modern].map(|era| call("stdio", kind, era, at_once)))
    });
    let peers = [
        call("stdio", Kind::Turbomcp, Era::Session, 64),
        call("stdio", Kind::FastMcp, Era::Session, 64),
        call("stdio", Kind::FastMcp, Era::Modern, 64),
    ];
    small.chain(large).chain(lines).chain(peers).collect()
}

impl Case {
    fn name(&self) -> String {
        format!("{}/{}/{}/{}", self.transport, self.kind.name(), self.era.revision(), self.at_once)
    }
}

/// What to run, and for how long.
pub(crate) struct Plan {
    filter: Option<String>,
    rounds: usize,
    pub(crate) warm: Duration,
    pub(crate) measured: Duration,
    /// A look at whether it runs, not at how fast.
    pub(crate) try_out: bool,
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
            try_out,
        }
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }
}

/// Whether the peers' programs are there.
pub(crate) fn has_peers() -> bool {
    std::env::var_os(PEERS).is_some()
}

/// Runs what is wanted and prints it.
pub(crate) fn run(plan: &Plan) -> io::Result<()> {
    let peers = has_peers();
    let wanted: Vec<_> = cases().into_iter().filter(|case| plan.wants(&case.name())).collect();
    if !peers && wanted.iter().any(|case| case.kind.is_peer()) {
        writeln!(
            io::stderr(),
            "turbomcp, rust-mcp-sdk and FastMCP are left out: {PEERS} names no folder with their programs"
        )?;
    }
    let mut cores = None;
    for case in wanted.into_iter().filter(|case| peers || !case.kind.is_peer()) {
        let cores = cores.get_or_insert_with(Cores::claim);
        let rounds =
            if case.transport == "http" { on_http(plan, cores, case) } else { on_stdio(plan, cores, case) };
        report(&Measured {
            name: case.name(),
            who: case.kind.name(),
            transport: case.transport,
            revision: case.era.revision(),
            at_once: case.at_once,
            cores: cores.describe(),
            rounds: rounds?,
        })?;
    }
    memory::run(plan, &mut cores)
}

fn on_http(plan: &Plan, cores: &Cores, case: Case) -> io::Result<Vec<(Run, Run)>> {
    let server = cores.http(case.kind, 0)?;
    let load = Load {
        era: case.era,
        work: case.work,
        sessions: true,
        connections: case.at_once as usize,
        warm: plan.warm,
        measured: plan.measured,
    };
    // A stream's framing is no part of the message; what is left differs by less than a packet.
    let bare = cores.http(Kind::Bare, load.answer_bytes(&server)?)?;
    let bare_load = Load { sessions: false, ..load };
    alternate(plan, || load.run(&server), || bare_load.run(&bare))
}

fn on_stdio(plan: &Plan, cores: &Cores, case: Case) -> io::Result<Vec<(Run, Run)>> {
    let load = Lines { era: case.era, window: case.at_once, warm: plan.warm, measured: plan.measured };
    let once = |kind: Kind| {
        let mut server: Child = cores.stdio(kind)?;
        lines::run(&mut server, &load)
    };
    alternate(plan, || once(case.kind), || once(Kind::Bare))
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
    for_the_page(measured)
}

/// Adds a line of JSON to the file that `scripts/bench-report` reads.
pub(crate) fn for_the_page(figures: &impl serde::Serialize) -> io::Result<()> {
    if let Some(path) = std::env::var_os("LARDER_BENCH_JSON") {
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        writeln!(file, "{}", serde_json::to_string(figures).map_err(io::Error::other)?)?;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
