//! The command line, and the variables that say the same.

use std::fmt;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::bench::BenchSettings;
use crate::doctor::Doctor;
use crate::kv::KvCommand;
use crate::serve::ServeSettings;

const EXAMPLES: &str = "\
Examples:
  larder serve                                     a memory for one MCP client, on stdio
  larder serve --print-config claude-code          what to paste into the client
  larder serve --http 127.0.0.1:8000               the same over HTTP, at /mcp
  larder kv put disk:data notes today 'buy milk'   any store, from the shell
  larder kv export default > backup.jsonl          all memories, decrypted
  larder kv copy default redis://localhost/0       move a store, lifetimes kept
  larder doctor redis://localhost/0                does it work, and what should I know
  larder bench memory:// redis://localhost/0       how quick stores are, side by side

Exit status: 0 done, 1 failed, 2 asked wrongly, 3 no such entry.
Wherever a URL is taken, @FILE reads it from a file and $NAME from a variable, so that `ps`
shows no password.";

/// The command line of `larder`.
#[derive(Debug, Parser)]
#[command(
    name = "larder",
    version,
    about = "A durable memory for MCP clients, and tools for any key-value store",
    after_help = EXAMPLES,
    max_term_width = 110,
    propagate_version = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a durable memory to MCP clients, on stdio or HTTP
    Serve(Box<ServeSettings>),
    /// Read, write, list and copy the entries of any store
    #[command(subcommand, after_help = KV_HELP)]
    Kv(KvCommand),
    /// Try a store, and tell what whoever runs it should know
    Doctor(Doctor),
    /// Measure stores side by side
    Bench(BenchSettings),
    /// Print the completion script of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

const KV_HELP: &str = "\
URL is `memory://`, `disk:///absolute/directory` or `disk:relative/directory`, `filetree:` and a
directory that Python's py-key-value-aio wrote, or a server's:
`redis://`, `rediss://`, `redis+cluster://`, `redis+sentinel://`, `valkey://`, `memcached://`,
`elasticsearch://`, `opensearch://`, and in a program built with the feature `full` `dynamodb://`,
`mongodb://` and `rocksdb:`; each with parameters such as `?encrypt=aead` or `?near=5s`.
Or `default`, the store that `larder serve` uses when it is given none; or @FILE or $NAME that
holds a URL.";

/// How to log. Logs go to stderr.
#[derive(Clone, Debug, Args)]
pub(crate) struct LogSettings {
    /// How much to log, on stderr
    #[arg(long, env = "LARDER_LOG_LEVEL", value_enum, default_value_t = Level::Info, ignore_case = true)]
    pub(crate) log_level: Level,

    /// Log one JSON object a line
    #[arg(long, env = "LARDER_JSON_LOGS", value_parser = truth)]
    pub(crate) json_logs: bool,
}

/// What a variable says that stands for a flag; an empty one says nothing.
pub(crate) fn truth(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "0" | "false" | "no" | "off" => Ok(false),
        "1" | "true" | "yes" | "on" => Ok(true),
        _ => Err("write `true` or `false`".to_owned()),
    }
}

/// From nothing to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Off,
    Error,
    Warn,
    #[value(alias = "")] // an empty variable says nothing
    Info,
    Debug,
    Trace,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
