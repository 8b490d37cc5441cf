//! Calls per second of a trivial tool: Larder's server and its peers, each beside a bare axum handler that receives the
//! same bytes and headers and answers as many, and beside a bare loop on stdio; and the memory that they hold.
//!
//! Each server is a process of its own with one worker, on one core where `taskset` is there; the load is on another
//! one. Runs come in pairs, a server and the bare one in the same seconds, in alternating order. Every answer is
//! checked. `cargo bench -p larder-benches --bench http -- http/larder` runs a part; `LARDER_BENCH_ROUNDS` sets how many
//! pairs (3), `LARDER_BENCH_JSON` a file that all figures are added to.

mod child;
#[cfg(feature = "redis")]
mod commands;
mod connection;
mod lines;
mod load;
mod memory;
mod message;
mod pairs;
mod servers;

use std::io;

use crate::pairs::Plan;
use crate::servers::Kind;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["serve-http", kind, size] => servers::serve_http(Kind::named(kind), size.parse().unwrap_or(0)),
        ["serve-stdio", kind] => servers::serve_stdio(Kind::named(kind)),
        arguments => run(&Plan::from_arguments(arguments)),
    }
}

fn run(plan: &Plan) -> io::Result<()> {
    pairs::run(plan)?;
    #[cfg(feature = "redis")]
    commands::run(plan)?;
    Ok(())
}
