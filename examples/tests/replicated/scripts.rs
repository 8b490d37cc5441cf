//! The clients of other languages: programs in `examples/clients`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{Era, soon};
use crate::under_test::tool;

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sdk {
    Fastmcp,
    TypescriptV1,
    TypescriptV2,
}

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Script {
    name: String,
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Node looks for packages beside its program, so the programs are copied to them.
    _copy: Option<TempDir>,
}

impl Script {
    /// Starts `tour` or `watch` with this client; `None` where its tools are missing.
    pub(crate) fn start(program: &str, sdk: Sdk, era: Era, url: &str, token: &str) -> Option<Self> {
        let (mut command, copy) = match sdk {
            Sdk::Fastmcp => (python(program)?, None),
            Sdk::TypescriptV1 => node(program, "v1")?,
            Sdk::TypescriptV2 => node(program, "v2")?,
        };
        command.args([era.name(), url, token]).kill_on_drop(true);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the client starts");
        let stdin = child.stdin.take().expect("its input");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Some(Self { name: format!("{program} {sdk:?} {era:?}"), child, stdin, lines, _copy: copy })
    }

    /// Tells it to go on.
    pub(crate) async fn tell(&mut self, line: &str) {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await.expect("it reads");
        self.stdin.flush().await.expect("it reads");
    }

    /// The next line that it says.
    pub(crate) async fn line(&mut self) -> String {
        let line = soon(&self.name, self.lines.next_line()).await.expect("text");
        line.unwrap_or_else(|| panic!("{}: it ended, and said on stderr why", self.name))
    }

    /// Waits until it has ended well.
    pub(crate) async fn end(mut self) {
        drop(self.stdin);
        let ended = soon(&self.name, self.child.wait()).await.expect("it ends");
        assert!(ended.success(), "{}: {ended}", self.name);
    }
}

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

fn python(program: &str) -> Option<Command> {
    let mut command = Command::new(tool("LARDER_TEST_PYTHON")?);
    command.arg("-B").arg(programs().join(format!("{program}.py")));
    Some(command)
}

fn node(program: &str, sdk: &str) -> Option<(Command, Option<TempDir>)> {
    let (node, packages) = (tool("LARDER_TEST_NODE")?, tool("LARDER_TEST_TS_CLIENTS")?);
    let copy = tempfile::tempdir_in(packages).expect("a folder beside the packages");
    for file in std::fs::read_dir(programs()).expect("the programs") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, copy.path().join(name)).expect("a copy of the program");
        }
    }
    let mut command = Command::new(node);
    command.arg(copy.path().join(format!("{program}.mjs"))).arg(sdk);
    Some((command, Some(copy)))
}
