//! The program `larder`: arguments in, exit status out.

use std::io::Write as _;
use std::process::ExitCode;

use larder_cli::{Failure, parsed};

fn main() -> ExitCode {
    let cli = parsed(std::env::args_os()).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tell(&Failure::new("the threads of the program did not start").because(error)),
    };
    let ended = runtime.block_on(larder_cli::run(cli));
    // A read of stdin that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    ended.map_or_else(|failure| tell(&failure), |()| ExitCode::SUCCESS)
}

/// The failure and its causes, on one line of stderr.
fn tell(failure: &Failure) -> ExitCode {
    drop(writeln!(std::io::stderr().lock(), "larder: {}", failure.on_one_line())); // a closed stderr hears nothing
    ExitCode::from(failure.status() as u8)
}
