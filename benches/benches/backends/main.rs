//! Each backend through `AnyStore`, beside its engine or driver, which does the same work in the same seconds, on the same
//! server: rates, and the CPU that an operation takes. `cargo bench -p larder-benches --bench backends --features redis,mongo`
//! measures memory, disk and those that the features name; `scripts/services run redis mongodb -- ..` before it starts the
//! servers.
//!
//! Runs come in pairs in alternating order. Names are `backend/operation/value size/tasks`; `-- redis/get 200B/64` runs a
//! part, `LARDER_BENCH_ROUNDS` sets how many pairs (5), `LARDER_BENCH_WINDOW` how many milliseconds a run takes (400),
//! `LARDER_BENCH_JSON` a file that all figures are added to.

mod operations;
mod peers;

use std::io::{self, Write as _};
use std::process::ExitCode;

use larder_benches::measure::Plan;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = Plan::from_arguments(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    match peers::run(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "error: {error}")); // whom else to tell?
            ExitCode::from(2)
        }
    }
}
