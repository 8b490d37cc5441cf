//! Several clients, one directory: each starts a server of its own.

use std::fs::{self, DirBuilder};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Client, Home, PATIENCE, Server, done, handshake, stderr};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn serve(home: &Home) -> Client {
    Client::start(home.larder(["serve"]))
}

fn text_of(client: &mut Client, id: &str) -> Value {
    client.call("recall", &json!({ "id": id }))["structuredContent"]["text"].clone()
}

#[test]
fn three_clients_share_a_store_and_go_on_when_the_first_is_killed() {
    let home = Home::new();
    let mut first = serve(&home);
    first.call("remember", &json!({ "text": "by the first", "id": "1" }));
    let socket = home.store().join("larder.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let (mut second, mut third) = (serve(&home), serve(&home));
    second.call("remember", &json!({ "text": "by the second", "id": "2" }));
    assert_eq!(text_of(&mut third, "1"), "by the first");
    assert_eq!(text_of(&mut third, "2"), "by the second");
    first.kill();
    third.call("remember", &json!({ "text": "by the third", "id": "3" }));
    for (id, text) in [("1", "by the first"), ("2", "by the second"), ("3", "by the third")] {
        assert_eq!(text_of(&mut second, id), text);
        assert_eq!(text_of(&mut third, id), text);
    }
    // One of the two owns the directory now, and the other goes on without it.
    assert!(second.end().success());
    assert_eq!(text_of(&mut third, "2"), "by the second");
    assert!(third.end().success());
    assert!(!socket.exists(), "an owner that ends takes its socket away");
    assert_eq!(done(&home.run(["kv", "list", "default", "memory/local/default"])), "1\n2\n3\n");
}

#[test]
fn the_last_line_of_a_joined_client_needs_no_end() {
    let home = Home::new();
    let mut first = serve(&home);
    first.call("remember", &json!({ "text": "x", "id": "1" }));
    let request = json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": handshake() });
    let answer = done(&home.run_with(["serve"], request.to_string().as_bytes()));
    assert_eq!(serde_json::from_str::<Value>(answer.trim()).unwrap()["id"], 7);
}

#[test]
fn clients_that_start_at_once_all_come_in() {
    let home = Home::new();
    let mut clients: Vec<_> = (0..6).map(|_| Client::spawn(home.larder(["serve"]))).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let answer = client.request("initialize", &handshake());
        assert_eq!(answer["result"]["serverInfo"]["name"], "larder");
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        client.call("remember", &json!({ "text": "x", "id": n.to_string() }));
    }
    let listed = clients[0].call("list", &json!({}));
    assert_eq!(listed["structuredContent"]["memories"].as_array().unwrap().len(), 6);
}

#[test]
fn owners_may_die_one_after_the_other() {
    let home = Home::new();
    let mut clients: Vec<_> = (0..4).map(|_| serve(&home)).collect();
    let mut n = 0;
    while let Some(mut client) = clients.pop() {
        client.call("remember", &json!({ "text": "x", "id": format!("{n}") }));
        client.kill();
        n += 1;
        for client in &mut clients {
            assert_eq!(text_of(client, &format!("{}", n - 1)), "x");
        }
        clients.reverse(); // now the other end
    }
}

#[test]
fn a_signal_ends_owners_and_joiners_properly() {
    let home = Home::new();
    let mut clients = [serve(&home), serve(&home), serve(&home)];
    for (n, client) in clients.iter_mut().enumerate() {
        client.call("remember", &json!({ "text": "x", "id": n.to_string() }));
    }
    let [owner, second, third] = clients;
    assert!(third.terminate().success(), "one that joined");
    assert!(owner.terminate().success(), "the owner");
    let mut second = second;
    assert_eq!(text_of(&mut second, "2"), "x");
    assert!(second.terminate().success(), "one that took over");
    assert!(!home.store().join("larder.sock").exists());
}

#[test]
fn a_server_on_http_can_be_joined_too() {
    let home = Home::new();
    let server = Server::start(home.larder(["serve", "--http", "127.0.0.1:0", "--json-logs"]));
    let mut client = serve(&home);
    client.call("remember", &json!({ "text": "over stdio", "id": "x" }));
    assert_eq!(server.call("recall", &json!({ "id": "x" }))["structuredContent"]["text"], "over stdio");
    server.kill();
    assert_eq!(text_of(&mut client, "x"), "over stdio");
}

#[test]
fn a_store_deep_down_is_shared_too() {
    let home = Home::new();
    let url = format!("disk:{}/store", "deep/".repeat(40));
    let start = || Client::start(home.larder(["serve", "--store", &url]));
    let (mut first, mut second) = (start(), start());
    first.call("remember", &json!({ "text": "x", "id": "x" }));
    assert_eq!(text_of(&mut second, "x"), "x");
    first.kill();
    assert_eq!(text_of(&mut second, "x"), "x");
}

#[test]
fn who_means_other_memories_is_not_let_in() {
    let home = Home::new();
    let start = |store: &str| home.larder(["serve", "--store", store]);
    let mut first = Client::start(start("disk:shared?namespace=a"));
    first.call("remember", &json!({ "text": "a's", "id": "x" }));
    let refused = start("disk:shared?namespace=b").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--store"), "{}", stderr(&refused));
    assert_eq!(text_of(&mut Client::start(start("disk:shared?namespace=a&durability=always")), "x"), "a's");
}

#[test]
fn who_would_keep_memories_otherwise_is_not_let_in_and_does_not_take_over() {
    let home = Home::new();
    let mut first = serve(&home);
    first.call("remember", &json!({ "text": "sealed", "id": "x" }));
    let in_the_clear = format!("disk://{}", home.store().display());
    let plain = || home.run(["serve", "--store", &in_the_clear]);
    let keyed = || home.larder(["serve"]).env("LARDER_KEY", KEY).output().unwrap();
    for (refused, difference) in [(plain(), "other encryption"), (keyed(), "another key")] {
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(difference), "{}", stderr(&refused));
        assert!(!stderr(&refused).contains(KEY));
    }
    first.kill();
    for (refused, advice) in [(plain(), "add `encrypt=aead`"), (keyed(), "LARDER_KEY")] {
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(advice), "{}", stderr(&refused));
    }
    assert_eq!(text_of(&mut serve(&home), "x"), "sealed");
}

#[test]
fn a_key_that_cannot_be_made_or_read_is_told_at_once_and_by_its_file() {
    let home = Home::new();
    let started = Instant::now();
    let nowhere = home.larder(["serve"]).env("XDG_CONFIG_HOME", "/proc/larder").output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "{}", stderr(&nowhere));
    assert!(stderr(&nowhere).contains("/proc/larder/larder/larder.key"), "{}", stderr(&nowhere));
    let unusable = home.path("unusable.key");
    fs::write(&unusable, "no key").unwrap();
    fs::set_permissions(&unusable, fs::Permissions::from_mode(0o600)).unwrap();
    let url = format!("disk:keyed?encrypt=aead&key_file={}", unusable.display());
    let refused = home.run(["serve", "--store", &url]);
    assert_eq!(refused.status.code(), Some(2));
    let told = stderr(&refused);
    assert!(told.contains("see to the key file") && told.contains("unusable.key holds no usable"), "{told}");
    assert!(started.elapsed() < Duration::from_secs(9), "nothing was waited for");
}

#[test]
fn the_socket_serves_who_speaks_the_protocol_at_once() {
    let home = Home::new();
    let mut owner = serve(&home);
    owner.call("remember", &json!({ "text": "x", "id": "x" }));
    let mut joined =
        Joined { lines: BufReader::new(UnixStream::connect(home.store().join("larder.sock")).unwrap()) };
    let mut hello = handshake();
    hello["clientInfo"]["title"] = json!("a first line longer than any greeting".repeat(20));
    let params = json!({ "name": "recall", "arguments": { "id": "x" } });
    joined.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello }));
    assert_eq!(joined.receive()["result"]["serverInfo"]["name"], "larder");
    joined.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    joined.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
    assert_eq!(joined.receive()["result"]["structuredContent"]["text"], "x");
}

#[test]
fn a_directory_held_by_something_else_is_an_error_with_its_process() {
    let home = Home::new();
    let mut import = home.larder(["kv", "import", "disk:held"]);
    let mut import = import.stdin(Stdio::piped()).spawn().unwrap();
    let (lock, pid) = (home.path("held/LOCK"), import.id().to_string());
    let until = Instant::now() + PATIENCE;
    while fs::read_to_string(&lock).unwrap_or_default().trim() != pid {
        assert!(Instant::now() < until, "the import never took the directory");
        std::thread::yield_now();
    }
    let refused = home.run(["serve", "--store", "disk:held?lock_wait=100ms"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&format!("process {pid}")), "{}", stderr(&refused));
    drop(import.stdin.take());
    assert!(import.wait().unwrap().success());
}

/// An owner that the test plays: it sees every line that a joiner sends.
struct Owner {
    listener: UnixListener,
}

struct Joined {
    lines: BufReader<UnixStream>,
}

impl Owner {
    fn of(home: &Home) -> Self {
        DirBuilder::new().recursive(true).mode(0o700).create(home.store()).unwrap();
        Self { listener: UnixListener::bind(home.store().join("larder.sock")).unwrap() }
    }

    fn accept(&self) -> Joined {
        let mut joined = Joined { lines: BufReader::new(self.listener.accept().unwrap().0) };
        assert_eq!(joined.receive()["larder"], "join");
        joined.send(&json!({ "larder": "welcome" }));
        joined
    }
}

impl Joined {
    fn receive(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn answer(&mut self, id: &Value, result: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.lines.get_mut(), "{message}").unwrap();
    }

    /// Answers the client's handshake.
    fn welcome(&mut self) {
        let initialize = self.receive();
        assert_eq!(initialize["method"], "initialize");
        self.answer(&initialize["id"], &json!({ "serverInfo": { "name": "larder", "version": "0" } }));
        assert_eq!(self.receive()["method"], "notifications/initialized");
    }
}

#[test]
fn what_was_in_flight_is_answered_with_an_error_and_the_next_owner_is_greeted() {
    let home = Home::new();
    let owner = Owner::of(&home);
    let mut command = home.larder(["serve"]);
    command.env("LARDER_KEY", KEY);
    let starting = std::thread::spawn(move || Client::start(command));
    let mut first = owner.accept();
    first.welcome();
    let mut client = starting.join().unwrap();
    client.send(
        &json!({ "jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": { "name": "list" } }),
    );
    assert_eq!(first.receive()["id"], "slow");
    drop(first); // the owner dies with the request in its hands

    let lost = client.receive();
    assert_eq!((&lost["id"], &lost["error"]["code"]), (&json!("slow"), &json!(-32_603)));

    let mut second = owner.accept();
    let initialize = second.receive();
    assert_eq!(
        (&initialize["method"], &initialize["params"]["clientInfo"]["name"]),
        (&json!("initialize"), &json!("test"))
    );
    client.send(&json!({ "jsonrpc": "2.0", "id": "next", "method": "ping" }));
    second.answer(&initialize["id"], &json!({}));
    assert_eq!(second.receive()["method"], "notifications/initialized");
    let ping = second.receive();
    assert_eq!(ping["id"], "next", "the client's own lines follow the handshake");
    second.answer(&ping["id"], &json!({ "from": "the second" }));
    assert_eq!(client.receive()["result"]["from"], "the second", "the answer to our handshake stayed away");

    // What is refused, and what is cancelled, leaves no trace.
    client.send(&json!({ "jsonrpc": "2.0", "id": "again", "method": "initialize", "params": {} }));
    assert_eq!(second.receive()["id"], "again");
    second.send(&json!({ "jsonrpc": "2.0", "id": "again", "error": { "code": -32_600, "message": "no" } }));
    assert_eq!(client.receive()["error"]["code"], -32_600);
    client.send(&json!({ "jsonrpc": "2.0", "id": "given up", "method": "ping" }));
    let cancelled = json!({ "requestId": "given up" });
    client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }));
    assert_eq!(
        (second.receive()["id"].clone(), second.receive()["id"].clone()),
        (json!("given up"), Value::Null)
    );

    drop((owner, second)); // nobody is left: the joiner takes the directory itself
    client.call("remember", &json!({ "text": "mine", "id": "x" }));
    assert_eq!(text_of(&mut client, "x"), "mine");
    assert!(client.end().success());
}

#[test]
fn a_line_that_no_owner_takes_is_refused_and_the_next_is_served() {
    let home = Home::new();
    let mut first = serve(&home);
    first.call("remember", &json!({ "text": "x", "id": "x" }));
    let mut joined = serve(&home);
    let params = json!({ "name": "recall", "arguments": { "id": "x".repeat(40 << 20) } });
    joined.send(&json!({ "jsonrpc": "2.0", "id": "long", "method": "tools/call", "params": params }));
    assert_eq!(joined.receive()["error"]["code"], -32_600);
    assert_eq!(text_of(&mut joined, "x"), "x");
    #[cfg(target_os = "linux")]
    {
        let status = fs::read_to_string(format!("/proc/{}/status", joined.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(peak < 40 << 10, "the joined process took {peak} kB");
    }
}

#[test]
fn a_handshake_in_flight_is_answered_by_the_next_owner() {
    let home = Home::new();
    let owner = Owner::of(&home);
    let mut command = home.larder(["serve"]);
    command.env("LARDER_KEY", KEY);
    let mut client = Client::spawn(command);
    client.send(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": handshake() }));
    let mut first = owner.accept();
    assert_eq!(first.receive()["method"], "initialize");
    drop((owner, first));
    let answer = client.receive();
    assert_eq!((&answer["id"], &answer["result"]["serverInfo"]["name"]), (&json!(0), &json!("larder")));
}
