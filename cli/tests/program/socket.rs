//! HTTP on a Unix socket: who may open it, what lies in its place, what is left at the end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Home, PATIENCE, handshake, stderr};

/// The program on a socket; it ends with the test.
struct OnSocket {
    child: Child,
    path: PathBuf,
}

impl OnSocket {
    fn start(home: &Home) -> Self {
        let path = home.path("mcp.sock");
        let child = Self::command(home).spawn().unwrap();
        let started = Instant::now();
        while UnixStream::connect(&path).is_err() {
            assert!(started.elapsed() < PATIENCE, "nobody listens");
            thread::sleep(Duration::from_millis(20));
        }
        Self { child, path }
    }

    fn command(home: &Home) -> Command {
        home.larder(["serve", "--store", "memory://", "--http", "unix:mcp.sock"])
    }

    fn terminate(&mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for OnSocket {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The status and the body of the answer to a `POST`.
fn post(path: &Path, more: &str, message: &Value) -> (String, Value) {
    let mut stream = UnixStream::connect(path).unwrap();
    let body = message.to_string();
    write!(
        stream,
        "POST /mcp HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: */*\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": handshake() })
}

#[test]
fn a_socket_serves_its_user_alone_under_any_host_and_no_browser() {
    let home = Home::new();
    let server = OnSocket::start(&home);
    assert_eq!(fs::metadata(&server.path).unwrap().permissions().mode() & 0o777, 0o600);
    for host in ["localhost", "mcp.example"] {
        let (status, answer) = post(&server.path, &format!("Host: {host}\r\n"), &initialize());
        assert_eq!((&*status, &answer["result"]["serverInfo"]["name"]), ("200", &json!("larder")));
    }
    let (status, answer) =
        post(&server.path, "Host: localhost\r\nOrigin: http://localhost:3000\r\n", &initialize());
    assert_eq!((&*status, &answer["error"]["code"]), ("403", &json!(-32_600)));
}

#[test]
fn a_socket_is_gone_at_the_end_and_one_that_a_kill_left_is_replaced() {
    let home = Home::new();
    let mut server = OnSocket::start(&home);
    server.kill();
    assert!(server.path.exists(), "nobody could remove it");
    let mut server = OnSocket::start(&home);
    assert_eq!(post(&server.path, "Host: localhost\r\n", &initialize()).0, "200");
    server.terminate();
    assert!(!server.path.exists());
}

#[test]
fn a_socket_in_use_and_a_file_are_left_alone_and_named() {
    let home = Home::new();
    let path = home.path("mcp.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let refused = OnSocket::command(&home).output().unwrap();
    assert!(!refused.status.success());
    assert!(stderr(&refused).contains("another process serves on mcp.sock"), "{}", stderr(&refused));
    drop(listener);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let refused = OnSocket::command(&home).output().unwrap();
    assert!(stderr(&refused).contains("mcp.sock is no socket"), "{}", stderr(&refused));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn no_client_is_told_to_use_a_socket() {
    let home = Home::new();
    let refused = home.run(["serve", "--http", "unix:mcp.sock", "--print-config", "cursor"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--http"), "{}", stderr(&refused));
    let refused = home.run(["serve", "--store", "memory://", "--http", "unix:"]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
}
