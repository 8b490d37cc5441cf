//! What others print, and pipes that do not wait: only the protocol stands on stdout, whole.

use std::io::{BufRead as _, BufReader, PipeReader, PipeWriter, Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::{Value, json};

use crate::children::{call, hello};

/// A server on standard streams, and all that it prints on either.
struct Straying {
    child: Child,
    output: BufReader<ChildStdout>,
    errors: ChildStderr,
}

impl Straying {
    fn start(arguments: &[&str]) -> Self {
        let mut child = server(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (output, errors) = (BufReader::new(child.stdout.take().unwrap()), child.stderr.take().unwrap());
        Self { child, output, errors }
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{message}").unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    fn answer(&mut self, message: &Value) -> Value {
        self.send(message);
        serde_json::from_str(&self.line()).unwrap()
    }

    /// Ends its input, and gives the rest of both its outputs.
    fn end(mut self) -> (String, String) {
        drop(self.child.stdin.take());
        let (mut rest, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut rest).unwrap();
        self.errors.read_to_string(&mut errors).unwrap();
        assert!(self.child.wait().unwrap().success());
        (rest, errors)
    }
}

fn server(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wire-server"));
    command.args(arguments);
    command
}

#[test]
fn what_a_tool_and_its_children_print_goes_to_stderr() {
    let mut server = Straying::start(&["--strays"]);
    assert_eq!(server.answer(&hello("2025-11-25"))["id"], 1);
    for id in 2..5 {
        let strayed = server.answer(&call(id, "stray", &json!({})));
        assert_eq!((&strayed["id"], &strayed["result"]["content"][0]["text"]), (&json!(id), &json!("true")));
    }
    let (rest, errors) = server.end();
    assert_eq!(rest, "printed behind\n", "stdout is given back once the protocol needs it no more");
    assert!(errors.starts_with("begun before;"), "{errors}");
    for stray in ["printed by a tool\n", "without an end;", "printed by a child\n"] {
        assert_eq!(errors.matches(stray).count(), 3, "{errors}");
    }
}

#[test]
fn standard_streams_that_are_served_are_not_served_again() {
    let mut server = Straying::start(&["--strays"]);
    server.answer(&hello("2025-11-25"));
    let again = server.answer(&call(2, "again", &json!({})));
    let expected = "the standard streams of this process are served already";
    assert_eq!(again["result"]["content"][0]["text"], expected);
    assert_eq!(server.answer(&json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" }))["id"], 3);
    server.end();
}

#[test]
fn a_shared_stdout_has_what_others_print_between_the_lines_of_the_protocol() {
    let mut server = Straying::start(&["--strays", "--shared"]);
    server.send(&hello("2025-11-25"));
    server.send(&call(2, "stray", &json!({})));
    let mut seen = Vec::new();
    while !seen.iter().any(|line: &String| line.contains(r#""id":2"#)) {
        seen.push(server.line());
    }
    for stray in ["printed by a tool\n", "printed by a child\n"] {
        assert_eq!(seen.iter().filter(|line| line.ends_with(stray)).count(), 1, "{seen:?}");
    }
    assert!(seen.iter().any(|line| line.starts_with(r#"{"jsonrpc""#)), "{seen:?}");
    let (rest, errors) = server.end();
    assert!(rest.ends_with("printed behind\n") && errors.is_empty(), "{rest} {errors}");
}

fn without_waiting(pipe: impl std::os::fd::AsFd) {
    let flags = fcntl_getfl(&pipe).unwrap();
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK).unwrap();
}

/// Pipes whose ends in the server do not wait.
fn pipes() -> ((PipeReader, PipeWriter), (PipeReader, PipeWriter)) {
    let (input, output) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
    without_waiting(&input.0);
    without_waiting(&output.1);
    (input, output)
}

#[test]
fn pipes_that_do_not_wait_carry_every_message_whole() {
    let ((stdin, mut input), (output, stdout)) = pipes();
    let mut child = server(&[]).stdin(stdin).stdout(stdout).spawn().unwrap();
    writeln!(input, "{}", hello("2025-06-18")).unwrap();
    let mut output = BufReader::new(output).lines();
    assert!(output.next().unwrap().unwrap().contains("2025-06-18"));
    let text = "x".repeat(400_000); // more than a pipe holds
    for id in 2..6 {
        writeln!(input, "{}", call(id, "echo", &json!({ "text": text }))).unwrap();
    }
    for id in 2..6 {
        let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(id), &json!(text)));
    }
    drop(input);
    assert!(output.next().is_none());
    assert!(child.wait().unwrap().success());
}
