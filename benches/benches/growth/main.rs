//! The disk as it fills: each engine at 10 thousand, 1 million and 5 million entries of 200 bytes through `AnyStore`,
//! beside the raw engine with the same entries, the same room for its cache and the same durability. What is promised: a
//! get within 1.3 times the raw engine's at that size, and a page and a sweep that do not depend on how many entries there
//! are beside theirs.
//!
//! `cargo bench -p larder-benches --bench growth -- --keys=10000,1000000` (or `LARDER_BENCH_KEYS`) runs other sizes:
//! thousands, of at most 9 million. Five million take 7 GB of disk and 6 GB of memory. Names are
//! `backend/operation/value size/tasks/keys`; `-- disk-redb/sweep` runs a part, `LARDER_BENCH_ROUNDS` sets how many
//! rounds (5), `LARDER_BENCH_JSON` a file that all figures are added to.

mod operations;
mod sides;
mod sizes;
mod sweep;

use std::io::{self, Write as _};
use std::process::ExitCode;

use larder_benches::measure::{Plan, What};
use larder_benches::peers::{Redb, Sled};
use larder_benches::workload::Values;

use crate::operations::Growth;
use crate::sides::{Raw, Sides};

/// In bytes: a token or a small record.
const VALUE: usize = 200;
/// All that is measured, each with its number of tasks, and in this order: writes leave work behind.
const MEASURED: [(&str, u64); 7] =
    [("get", 1), ("get", 64), ("page", 1), ("put", 1), ("put_elsewhere", 1), ("put", 64), ("sweep", 1)];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let plan = Plan::from_arguments(&arguments);
    match sizes::wanted(&arguments, plan.tries_out()) {
        Ok(sizes) => {
            for keys in sizes {
                measure::<Sled>(&plan, keys);
                measure::<Redb>(&plan, keys);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {error}")); // whom else to tell?
            ExitCode::from(2)
        }
    }
}

/// One engine at one size, from two empty directories until they are gone.
fn measure<R: Raw>(plan: &Plan, keys: u64) {
    let named = |operation| What { backend: R::NAME, operation, keys: Some(keys) };
    if !MEASURED.iter().any(|(operation, tasks)| plan.wants(named(operation), VALUE, *tasks)) {
        return;
    }
    let values = Values::new(VALUE);
    let sides = Sides::<R>::filled(plan, &values, keys);
    let growth = Growth { plan, keys, values: &values, sides: &sides };
    for (operation, tasks) in MEASURED {
        let what = named(operation);
        match operation {
            "get" => growth.get(what, tasks),
            "page" => growth.page(what, tasks),
            "put" => growth.put(what, tasks),
            "put_elsewhere" => growth.put_elsewhere(what),
            _ => sweep::run(plan, what, &values, &sides.larder, &sides.clock),
        }
    }
    sides.close(plan);
}
