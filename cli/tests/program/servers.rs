//! Doctor, statistics, benches and copies on the servers of the tests.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use kv_core::testing::service;
use serde_json::{Value, json};

use crate::support::{Home, PATIENCE, done, sealed_anew, stderr, stdout};

/// A server, and whether its entries can be listed.
struct Server {
    name: &'static str,
    url: String,
    lists: bool,
}

/// The servers whose variables are set, each with a namespace that nobody else has.
fn servers(home: &Home) -> Vec<Server> {
    let unique = home.path("").file_name().unwrap().to_string_lossy().replace('.', "");
    let wanted: &[(&str, &str, bool)] = &[
        ("LARDER_TEST_REDIS", "{}?namespace={n}&response_timeout=20s&connect_timeout=20s", true),
        ("LARDER_TEST_MEMCACHED", "{}?namespace={n}", false),
        ("LARDER_TEST_OPENSEARCH", "{}/larder-program?namespace={n}", true),
        #[cfg(feature = "full")]
        ("LARDER_TEST_MONGODB", "{}&namespace={n}&serverSelectionTimeoutMS=30000", true),
        #[cfg(feature = "full")]
        (
            "LARDER_TEST_DYNAMODB",
            "dynamodb://test:test@larder-program?endpoint={}&create=true&namespace={n}",
            true,
        ),
    ];
    let found = wanted.iter().filter_map(|(named, form, lists)| {
        let url = form.replace("{}", &service(named)?).replace("{n}", &format!("cli-{unique}"));
        Some(Server { name: named, url: format!("{url}&timeout=30s"), lists: *lists })
    });
    found.collect()
}

const ENTRIES: u64 = 1_200;
/// 32 zero bytes, and 31 and a one.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";

/// Puts entries that live for an hour into the store of this URL, so that nothing stays on a shared server.
fn fill(home: &Home, url: &str) {
    let until = SystemTime::now() + Duration::from_secs(3_600);
    let until = u64::try_from(until.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let line =
        |n| json!({ "collection": "c", "id": format!("{n:05}"), "value": "AP8=", "expires_at": until });
    let lines: Vec<_> = (0..ENTRIES).map(|n| line(n).to_string()).collect();
    done(&home.run_with(["kv", "import", url], lines.join("\n").as_bytes()));
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_doctor_finds_every_server_of_the_tests_well() {
    let home = Home::new();
    for Server { name, url, lists } in servers(&home) {
        let examined = home.run(["doctor", &url, "--json"]);
        let findings = parsed(&stdout(&examined));
        // How full the disk is that the server stands on says nothing of the server.
        let bad = |finding: &&Value| finding["verdict"] == "bad" && finding["about"] != "disk";
        assert!(!findings.iter().any(|finding| bad(&finding)), "{name}: {findings:#?} {}", stderr(&examined));
        let good = |about: &str| {
            findings.iter().any(|finding| finding["about"] == about && finding["verdict"] == "good")
        };
        assert!(good("opens") && good("round trip") && good("conditions"), "{name}: {findings:#?}");
        assert_eq!(good("listing"), lists, "{name}: {findings:#?}");
        assert_eq!(good("listing of all collections"), lists, "{name}: {findings:#?}");
        assert!(good("batches") && good("expiry"), "{name}: {findings:#?}");
    }
}

/// Says this to the server of this URL, which asks for no password.
fn say(url: &str, command: &str) {
    use std::io::{BufRead as _, Write as _};

    let address = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::BufReader::new(stream).read_line(&mut answer).unwrap();
    assert!(answer.starts_with(['+', ':']), "{command}: {answer}");
}

#[test]
fn a_right_that_only_batches_need_is_found_missing_and_a_comparison_that_needs_it_leaves_the_counts() {
    let home = Home::new();
    let Some(redis) = service("LARDER_TEST_REDIS") else { return };
    let user = format!("cli-{}", home.path("").file_name().unwrap().to_string_lossy().replace('.', ""));
    say(&redis, &format!("ACL SETUSER {user} on >pw ~{user}:* &* +@all -mget"));
    let url = format!("{}?namespace={user}&timeout=30s", redis.replace("://", &format!("://{user}:pw@")));
    let examined = home.run(["doctor", &url, "--json"]);
    fill(&home, "disk:one");
    let copied = home.run(["kv", "copy", "disk:one", &url, "--verify", "--json"]);
    say(&redis, &format!("ACL DELUSER {user}"));

    let findings = parsed(&stdout(&examined));
    let verdict = |about: &str| findings.iter().find(|finding| finding["about"] == about).unwrap();
    let batches = verdict("batches");
    assert_eq!((examined.status.code(), &batches["verdict"]), (Some(1), &json!("bad")), "{findings:#?}");
    assert!(batches["advice"].as_str().unwrap().contains("`MGET`"), "{batches}");
    assert_eq!(verdict("expiry")["verdict"], "good", "{findings:#?}");

    let told = stderr(&copied);
    assert!(copied.status.code() == Some(1) && told.contains("DST failed"), "{told}");
    let [counts] = parsed(&stdout(&copied)).try_into().unwrap();
    assert_eq!(
        (&counts["copied"], counts.get("compared")),
        (&json!(ENTRIES), Some(&Value::Null)),
        "{counts}"
    );
}

#[test]
fn the_doctor_says_which_right_is_missing_and_what_to_look_at_where_nobody_gets_in() {
    let home = Home::new();
    let named = ["LARDER_TEST_REDIS_TLS_APP", "LARDER_TEST_REDIS_TLS_CA"].map(service);
    let [Some(url), Some(authority)] = named else { return };
    let password = url.split(['@', ':']).nth(2).unwrap();
    let examined = |url: &str| {
        let ended = home.run(["doctor", &format!("{url}?namespace=other&tls_ca={authority}"), "--json"]);
        assert_eq!(ended.status.code(), Some(1), "{}", stderr(&ended));
        let said = stdout(&ended);
        assert!(!said.contains(password) && !stderr(&ended).contains(password), "{said}");
        parsed(&said)
    };
    let advice = |findings: &[Value], about: &str| {
        let bad = |finding: &&Value| finding["about"] == about && finding["verdict"] == "bad";
        let found = findings.iter().find(bad).unwrap_or_else(|| panic!("{about}: {findings:#?}"));
        found["advice"].as_str().unwrap().to_owned()
    };
    // This user may touch only what begins with `app`.
    assert!(advice(&examined(&url), "round trip").contains("the right to read, write, remove and list"));
    let wrong = url.replace(password, "wr0ng-pw");
    assert!(advice(&examined(&wrong), "opens").contains("look at the user and the password"));
}

#[test]
fn a_bench_measures_every_operation_of_every_server() {
    let home = Home::new();
    for Server { name, url, lists } in servers(&home) {
        let quick = ["bench", &url, "--time", "20ms", "--entries", "60", "--tasks", "1,2", "--json"];
        let ended = home.run(quick);
        let rows = parsed(&done(&ended));
        assert!(rows.iter().all(|row| row["per_second"].as_f64().unwrap() > 0.0), "{name}: {rows:?}");
        assert_eq!(rows.len(), if lists { 16 } else { 14 }, "{name}: {rows:?}");
        if lists {
            assert_eq!(done(&home.run(["kv", "list", &url])), "", "{name}: it leaves nothing");
        }
    }
}

#[test]
fn keys_are_rotated_on_every_server_that_lists_and_the_new_one_opens_all_alone() {
    let home = Home::new();
    let run = |key: &str, arguments: &[&str]| {
        home.larder(["kv"]).args(arguments).env("LARDER_KEY", key).output().unwrap()
    };
    let both = format!("{NEW_KEY},{KEY}");
    for Server { name, url, lists } in servers(&home) {
        let url = format!("{url}&encrypt=aead");
        for id in ["a", "b", "c"] {
            done(&run(KEY, &["put", &url, "rotated", id, "value", "--ttl", "1h"]));
        }
        let rotated = run(&both, &["rotate-key", &url, "--json"]);
        if !lists {
            assert_eq!(rotated.status.code(), Some(2), "{name}");
            assert!(stderr(&rotated).contains("cannot list its entries"), "{name}: {}", stderr(&rotated));
            assert_eq!(done(&run(&both, &["get", &url, "rotated", "b"])), "value", "{name}");
            continue;
        }
        let told = &parsed(&done(&rotated))[0];
        assert_eq!(told["rotation"], sealed_anew(3), "{name}");
        for id in ["a", "b", "c"] {
            assert_eq!(done(&run(NEW_KEY, &["get", &url, "rotated", id])), "value", "{name}");
        }
        let old = run(KEY, &["get", &url, "rotated", "a"]);
        assert_eq!((old.status.code(), stdout(&old).as_str()), (Some(2), ""), "{name}: {}", stderr(&old));
    }
}

#[test]
fn stats_count_what_lies_on_a_server_and_say_where_that_is_impossible() {
    let home = Home::new();
    for Server { name, url, lists } in servers(&home) {
        fill(&home, &url);
        let told = home.run(["kv", "stats", &url, "--json"]);
        if lists {
            let counted = &parsed(&done(&told))[0];
            let found = (&counted["collection"], &counted["entries"], &counted["bytes"]);
            assert_eq!(found, (&json!("c"), &json!(ENTRIES), &json!(2 * ENTRIES)), "{name}: {counted}");
        } else {
            assert_eq!(told.status.code(), Some(2), "{name}");
            assert!(stderr(&told).contains("list"), "{name}: {}", stderr(&told));
        }
    }
}

#[test]
fn a_copy_onto_a_server_is_alike() {
    let home = Home::new();
    fill(&home, "disk:one");
    for Server { name, url, .. } in servers(&home) {
        let copied = parsed(&done(&home.run(["kv", "copy", "disk:one", &url, "--verify", "--json"])));
        let alike = json!({ "alike": ENTRIES, "missing": 0, "different": 0, "unreadable": 0, "kept": 0, "changed": 0 });
        assert_eq!((&copied[0]["copied"], &copied[0]["compared"]), (&json!(ENTRIES), &alike), "{name}");
    }
}

#[test]
fn a_copy_from_a_server_that_was_killed_goes_on_where_it_was() {
    let home = Home::new();
    for Server { name, url, .. } in servers(&home).into_iter().filter(|server| server.lists) {
        fill(&home, &url);
        let target = format!("disk:{}", name.to_lowercase());
        let slow = ["kv", "copy", &url, &target, "--resume", "place", "--rate", "1000"];
        let mut child = home.larder(slow).spawn().unwrap();
        let (place, end) = (home.path("place"), Instant::now() + PATIENCE);
        while !place.exists() {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < end, "{name}: it kept no place: {ended:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = home.run(["kv", "copy", &url, &target, "--resume", "place", "--verify", "--json"]);
        let rest = &parsed(&done(&rest))[0];
        assert!(rest["copied"].as_u64().unwrap() < ENTRIES, "{name}: it began anew: {rest}");
        let compared = &rest["compared"];
        assert_eq!((&compared["missing"], &compared["different"]), (&json!(0), &json!(0)), "{name}: {rest}");
        assert!(!place.exists(), "{name}");
        let stats = parsed(&done(&home.run(["kv", "stats", &target, "--json"])));
        assert_eq!(stats[0]["entries"], ENTRIES, "{name}");
    }
}
