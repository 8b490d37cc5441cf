//! The parts of the program `larder`: a memory server for agents, and tools for any store.
//!
//! The program is [`run`] behind [`Cli`]; [`memory::server`] can be mounted in any application.

mod arguments;
mod bench;
mod clock;
mod completions;
mod doctor;
mod failure;
#[cfg(unix)]
mod join;
mod kv;
mod logging;
pub mod memory;
mod serve;
mod settings;
mod stop;
mod store;
mod url_argument;

pub use arguments::parsed;
pub use failure::{Failure, Status};
pub use settings::Cli;

use settings::Command;

/// Does what the command line asks for.
///
/// # Errors
/// Why it did not, with the exit status to end with.
pub async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(settings) => serve::run(*settings).await,
        Command::Kv(command) => kv::run(command).await,
        Command::Doctor(doctor) => doctor.run().await,
        Command::Bench(bench) => bench.run().await,
        Command::Completions { shell } => completions::run(shell),
    }
}
