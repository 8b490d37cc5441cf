//! Standard streams: garbage, lines without end, ids in flight.

use std::process::Stdio;
use std::time::Duration;

use mcp_server::MAX_MESSAGE;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::messages::{call, echo};
use crate::server::{Dice, assert_grown_at_most, command, resident};

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start() -> Self {
        let mut child = command().stdin(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, output }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.input.as_mut().unwrap().write_all(bytes.as_ref()).await.unwrap();
    }

    /// Sends a message as a line.
    async fn say(&mut self, message: &Value) {
        self.send(format!("{message}\n")).await;
    }

    async fn line(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(Duration::from_secs(120), self.output.next_line()).await;
        let line = line.expect("a line in time").unwrap()?;
        Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("a line that is no JSON: {line}")))
    }

    /// All lines up to the answer under this id, and that.
    async fn until(&mut self, id: &Value) -> (Vec<Value>, Value) {
        let mut before = Vec::new();
        loop {
            let line = self.line().await.expect("an answer before the end");
            if line["id"] == *id {
                return (before, line);
            }
            before.push(line);
        }
    }

    /// Asserts that it still answers; gives what came before.
    async fn assert_unharmed(&mut self) -> Vec<Value> {
        self.say(&echo("unharmed", "still here")).await;
        let (before, answer) = self.until(&json!("unharmed")).await;
        assert_eq!(answer["result"]["content"][0]["text"], "still here", "{answer}");
        before
    }

    /// Closes its input, and gives the rest of its output; it ends well.
    async fn end(mut self) -> Vec<Value> {
        drop(self.input.take());
        let mut rest = Vec::new();
        while let Some(line) = self.line().await {
            rest.push(line);
        }
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        assert!(status.expect("an end in time").unwrap().success());
        rest
    }
}

fn codes(answers: &[Value]) -> Vec<i64> {
    answers.iter().map(|answer| answer["error"]["code"].as_i64().unwrap_or_default()).collect()
}

#[tokio::test]
async fn each_line_of_garbage_is_one_error_and_the_next_line_is_served() {
    let mut process = Process::start();
    let cases: [(&[u8], i64); 12] = [
        (b"garbage", -32_700),
        (b"\x00\x01\x02", -32_700),
        (b"\xff\xfe\x00{", -32_700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"", -32_700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}}", -32_700),
        (b"Content-Length: 40", -32_700),
        (b"GET /mcp HTTP/1.1", -32_700),
        (b"[]", -32_600),
        (b"42", -32_600),
        (b"{}", -32_600),
        (b"{\"id\":1,\"method\":\"ping\"}", -32_600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32_600),
    ];
    for (line, code) in cases {
        process.send([line, b"\n"].concat()).await;
        let before = process.assert_unharmed().await;
        assert_eq!(codes(&before), [code], "{}: {before:?}", String::from_utf8_lossy(line));
    }
    process.send(b"\n\r\n  \n\t\r\n").await; // blank lines are none
    assert!(process.assert_unharmed().await.is_empty());
    assert!(process.end().await.is_empty());
}

#[tokio::test]
async fn noise_is_answered_by_errors_alone() {
    let mut process = Process::start();
    let mut dice = Dice::new(99);
    for _ in 0..100 {
        let length = dice.below(3_000);
        let noise = dice.bytes(length);
        let lines = noise.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
        process.send([&noise[..], b"\n"].concat()).await;
        let answers = process.assert_unharmed().await;
        assert!(answers.len() <= lines, "{} answers to {lines} lines", answers.len());
        assert!(codes(&answers).iter().all(|code| [-32_700, -32_600].contains(code)), "{answers:?}");
    }
    process.end().await;
}

#[tokio::test]
async fn a_line_over_4_mib_is_refused_and_takes_no_memory() {
    let mut process = Process::start();
    process.assert_unharmed().await;
    let before = process.child.id().and_then(resident);
    let bare = echo(1, "").to_string().len();
    process.say(&echo(1, &"x".repeat(MAX_MESSAGE - bare))).await;
    assert!(process.until(&json!(1)).await.1["result"].is_object(), "4 MiB are served");
    process.say(&echo(2, &"x".repeat(MAX_MESSAGE - bare + 1))).await;
    let refused = process.assert_unharmed().await;
    assert_eq!(codes(&refused), [-32_600], "{refused:?}");
    let part = "y".repeat(1 << 20);
    for _ in 0..128 {
        process.send(&part).await;
    }
    process.send("\n").await;
    let refused = process.assert_unharmed().await;
    assert_eq!(codes(&refused), [-32_600], "128 MiB are one error: {refused:?}");
    assert_grown_at_most(before, process.child.id().and_then(resident), 64 << 10, "a line of 128 MiB");
    process.end().await;
}

#[tokio::test]
async fn an_id_in_flight_is_refused_and_free_again_when_it_was_cancelled() {
    let mut process = Process::start();
    let hold = |id: &str| call(id, "hold", &json!({ "key": "never" }));
    for round in 0..30 {
        process.say(&hold("held")).await;
        process.say(&echo("held", "twice")).await;
        let (before, refused) = process.until(&json!("held")).await;
        assert_eq!((codes(&before), &refused["error"]["code"]), (vec![], &json!(-32_600)), "round {round}");
        for id in [json!("held"), json!("held"), json!("unknown"), json!(null)] {
            let params = json!({ "requestId": id });
            process
                .say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }))
                .await;
        }
        process.say(&echo("held", "free")).await;
        let answer = process.until(&json!("held")).await.1;
        assert_eq!(answer["result"]["content"][0]["text"], "free", "round {round}");
    }
    process.end().await;
}

#[tokio::test]
async fn half_a_line_at_the_end_is_a_line() {
    let mut process = Process::start();
    process.assert_unharmed().await;
    process.send(echo("last", "without a newline").to_string()).await;
    let rest = process.end().await;
    assert_eq!(rest[0]["result"]["content"][0]["text"], "without a newline");
    let mut process = Process::start();
    process.assert_unharmed().await;
    process.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"meth").await;
    assert_eq!(codes(&process.end().await), [-32_700]);
}

#[tokio::test]
async fn a_line_that_is_cut_at_any_byte_harms_nobody() {
    let line = echo(1, "cut").to_string();
    let mut process = Process::start();
    for end in 1..line.len() {
        process.send(format!("{}\n", &line[..end])).await;
    }
    let refused = process.assert_unharmed().await;
    assert_eq!(refused.len(), line.len() - 1);
    assert!(codes(&refused).iter().all(|code| *code == -32_700), "{refused:?}");
    process.end().await;
}
