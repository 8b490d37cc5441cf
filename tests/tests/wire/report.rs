//! Runs cells, and makes the table of what they showed: `docs/wire.md` must say the same.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use mcp_server::protocol::Revision;

use crate::BEHAVIOURS;
use crate::harness::{Harness, IN_THIS_PROCESS, NotShown, Shown, Transport};

/// A behaviour that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// The cells of each behaviour.
type Rows = BTreeMap<&'static str, BTreeMap<(&'static str, Transport), Option<Shown>>>;

static ROWS: Mutex<Rows> = Mutex::new(BTreeMap::new());

/// The run of one behaviour in one cell.
type Run = Pin<Box<dyn Future<Output = Shown>>>;

/// Runs a behaviour in a cell, on a thread and an executor of its own, and records how it ended.
pub(crate) fn run(
    harness: Harness,
    behaviour: &'static str,
    body: impl FnOnce(Harness) -> Run + Send + 'static,
) {
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(catch_unwind(AssertUnwindSafe(|| executed(harness, body)))));
    let outcome = end.recv_timeout(PATIENCE).unwrap_or_else(|_| Err(Box::new("it did not end in time")));
    // From where there is no other way back.
    let outcome = outcome.or_else(|panic| panic.downcast::<NotShown>().map(|not_shown| Err(*not_shown)));
    record(harness, behaviour, outcome.as_ref().ok().cloned());
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(not_shown)) => eprintln!("{} over {}: {not_shown:?}", harness.revision, harness.transport),
        Err(panic) => resume_unwind(with_words(panic)),
    }
}

fn executed(harness: Harness, body: impl FnOnce(Harness) -> Run) -> Shown {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let shown = runtime.block_on(body(harness));
    runtime.shutdown_background();
    shown
}

/// A panic that says what it is about also where the thread that panicked was another.
fn with_words(panic: Box<dyn Any + Send>) -> Box<dyn Any + Send> {
    match panic.downcast::<&str>() {
        Ok(text) => Box::new((*text).to_owned()),
        Err(panic) => panic,
    }
}

/// Whoever records the last cell of all looks at the whole.
fn record(harness: Harness, behaviour: &'static str, outcome: Option<Shown>) {
    let mut rows = ROWS.lock().unwrap_or_else(PoisonError::into_inner);
    rows.entry(behaviour).or_default().insert((harness.revision.as_str(), harness.transport), outcome);
    let cells: usize = rows.values().map(BTreeMap::len).sum();
    let behaviours: usize = BEHAVIOURS.iter().map(|(_, names)| names.len()).sum();
    if cells == behaviours * Revision::ALL.len() * Harness::TRANSPORTS.len() {
        finish(&rows);
    }
}

fn finish(rows: &Rows) {
    let outcomes = || rows.values().flat_map(BTreeMap::values);
    let shown = outcomes().filter(|outcome| matches!(outcome, Some(Ok(())))).count();
    let missing = outcomes().filter(|outcome| matches!(outcome, Some(Err(_)))).count();
    let broken = outcomes().filter(|outcome| outcome.is_none()).count();
    // Past the capture of the test runner: a run says what it did not show.
    let summary = format!("wire: {shown} cells shown, {missing} not applicable, {broken} broken\n");
    std::io::stderr().write_all(summary.as_bytes()).unwrap();
    for (behaviour, cells) in rows {
        let never = cells.values().all(|outcome| matches!(outcome, Some(Err(NotShown::NotApplicable(_)))));
        assert!(!never, "{behaviour} applies nowhere");
    }
    if broken == 0 {
        compare(&table(rows));
    }
}

/// `docs/wire.md` holds the table that was made, or `LARDER_WIRE_TABLE=write` puts it there.
fn compare(table: &str) {
    const BEGIN: &str = "<!-- table: made by the wire tests -->\n";
    const END: &str = "<!-- end of the table -->";
    const ADVICE: &str = "docs/wire.md is not what was shown: run again with LARDER_WIRE_TABLE=write";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wire.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (known, after) = rest.split_once(END).unwrap();
    if std::env::var_os("LARDER_WIRE_TABLE").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    for (known, shown) in known.lines().zip(table.lines()) {
        assert_eq!(known, shown, "{ADVICE}"); // a row says more than the whole page
    }
    assert!(known == table, "{ADVICE}");
}

fn table(rows: &Rows) -> String {
    let mut table = String::new();
    for (group, behaviours) in BEHAVIOURS {
        let revisions = Revision::ALL.map(Revision::as_str).join(" | ");
        write!(
            table,
            "\n### {group}\n\n| behaviour | {revisions} | elsewhere |\n|---|---|---|---|---|---|---|\n"
        )
        .unwrap();
        for behaviour in *behaviours {
            write_row(&mut table, behaviour, &rows[behaviour]);
        }
    }
    table.push('\n');
    table
}

fn write_row(
    table: &mut String,
    behaviour: &str,
    cells: &BTreeMap<(&'static str, Transport), Option<Shown>>,
) {
    write!(table, "| {} |", sentence(behaviour)).unwrap();
    for revision in Revision::ALL {
        let shown = Harness::TRANSPORTS
            .into_iter()
            .filter(|transport| cells[&(revision.as_str(), *transport)] == Some(Ok(())));
        let letters: Vec<_> = shown.map(transport_letters).collect();
        write!(table, " {} |", if letters.is_empty() { "–".to_owned() } else { letters.join(" ") }).unwrap();
    }
    let reasons: BTreeSet<_> = cells
        .values()
        .filter_map(|outcome| match outcome {
            Some(Err(not_shown)) if *not_shown == IN_THIS_PROCESS => None, // the page says so once
            Some(Err(NotShown::NotApplicable(why))) => Some((*why).to_owned()),
            _ => None,
        })
        .collect();
    writeln!(table, " {} |", reasons.into_iter().collect::<Vec<_>>().join("; ")).unwrap();
}

/// A name in words; dates are written as such.
fn sentence(behaviour: &str) -> String {
    let words = behaviour.replace('_', " ");
    let dates = Revision::ALL.map(Revision::as_str);
    dates.iter().fold(words, |words, date| words.replace(&date.replace('-', " "), date))
}

const fn transport_letters(transport: Transport) -> &'static str {
    match transport {
        Transport::Lines => "L",
        Transport::Process => "P",
        Transport::Http => "H",
        Transport::Memory => "M",
    }
}
