//! Who may join an owner: processes of its own user. That the socket is closed to others is one wall; this is the other.

use std::fs::{self, File, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Home, PATIENCE, has_curl, is_root};

/// Nobody's number, on every Linux.
const NOBODY: u32 = 65_534;

/// An owner on HTTP, whose log can be read.
struct Owner {
    child: Child,
    log: PathBuf,
}

impl Owner {
    fn start(home: &Home) -> Self {
        let log = home.path("log");
        let mut command = home.larder(["serve", "--http", "127.0.0.1:0", "--json-logs"]);
        let child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
        let owner = Self { child, log };
        owner.wait_for("\"address\"");
        owner
    }

    fn wait_for(&self, said: &str) {
        let until = Instant::now() + PATIENCE;
        while !fs::read_to_string(&self.log).unwrap().contains(said) {
            assert!(Instant::now() < until, "the owner never said {said}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Opens all that keeps others from the socket.
fn open_to_everybody(home: &Home, socket: &Path) {
    let dirs = socket.ancestors().skip(1).take_while(|dir| dir.starts_with(home.path("")));
    for dir in dirs {
        fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(socket, Permissions::from_mode(0o666)).unwrap();
}

/// What the owner answers to a line that is no message.
fn answered(socket: &Path) -> Value {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"knock, knock\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap()
}

#[test]
fn another_user_who_reaches_the_socket_is_sent_away_unheard() {
    if !is_root() || !has_curl() {
        return;
    }
    let home = Home::new();
    let owner = Owner::start(&home);
    let mut joined = Client::start(home.larder(["serve"]));
    joined.call("remember", &json!({ "id": "a", "text": "secret" }));
    let socket = home.store().join("larder.sock");
    open_to_everybody(&home, &socket);
    let mut stranger = Command::new("curl");
    stranger.args(["--silent", "--max-time", "50", "--unix-socket"]).arg(&socket).arg("http://localhost/");
    stranger.uid(NOBODY).gid(NOBODY);
    let heard = stranger.output().unwrap();
    assert!(!heard.status.success() && heard.stdout.is_empty(), "{heard:?}");
    owner.wait_for("another user tried to join and was sent away");
    assert_eq!(answered(&socket)["error"]["code"], -32_700, "its own user is heard");
    assert_eq!(joined.call("recall", &json!({ "id": "a" }))["structuredContent"]["text"], "secret");
}
