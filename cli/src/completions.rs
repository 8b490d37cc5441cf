//! `larder completions`.

use std::io::{Write as _, stdout};

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::{Cli, Failure};

pub(crate) fn run(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "larder", &mut script);
    stdout()
        .lock()
        .write_all(&script)
        .map_err(|error| Failure::new("the script could not be written").because(error))
}
