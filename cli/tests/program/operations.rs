//! `larder kv copy`, `rotate-key`, `stats`, `larder doctor` and `larder bench`.

use std::io::{Read as _, Write as _};

use serde_json::{Value, json};

use crate::support::{Home, done, sealed_anew, stderr, stdout};

const ONE: &str = "disk:one";
const TWO: &str = "disk:two?engine=redb";
/// 32 zero bytes, and 31 and a one.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";

fn fill(home: &Home, url: &str, entries: usize) {
    let lines: Vec<_> = (0..entries)
        .map(|n| {
            let collection = if n % 4 == 0 { "fourth" } else { "others" };
            let line = json!({ "collection": collection, "id": format!("{n:05}"), "value": "AP8=",
                "expires_at": 4_102_444_800_000_u64, "codec": 2, "tags": [["t", "000102030405060708090a0b0c0d0e0f"]] });
            line.to_string()
        })
        .collect();
    done(&home.run_with(["kv", "import", url], lines.join("\n").as_bytes()));
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is exported, without the moment of expiry, which a rounding moves.
fn exported(home: &Home, url: &str) -> Vec<Value> {
    let mut lines = parsed(&done(&home.run(["kv", "export", url])));
    for line in &mut lines {
        let left = line["expires_at"].as_u64().unwrap().abs_diff(4_102_444_800_000);
        assert!(left < 60_000, "{line}");
        line["expires_at"] = Value::Null;
    }
    lines
}

#[test]
fn a_copy_holds_everything_alike() {
    let home = Home::new();
    fill(&home, ONE, 1_300);
    let copied = home.run(["kv", "copy", ONE, TWO, "--verify", "--json"]);
    let compared =
        json!({ "alike": 1_300, "missing": 0, "different": 0, "unreadable": 0, "kept": 0, "changed": 0 });
    let expected =
        json!({ "copied": 1_300, "kept": 0, "expired": 0, "refused": 0, "damaged": 0, "compared": compared });
    assert_eq!(parsed(&done(&copied)), [expected]);
    assert_eq!(exported(&home, TWO), exported(&home, ONE));
}

#[test]
fn a_copy_takes_what_the_filters_let_through_and_a_dry_run_nothing() {
    let home = Home::new();
    fill(&home, ONE, 100);
    let counted = home.run(["kv", "copy", ONE, TWO, "--collection", "fourth", "--dry-run", "--json"]);
    assert_eq!(parsed(&done(&counted))[0]["copied"], 25);
    done(&home.run(["kv", "copy", ONE, TWO, "--collection", "fourth"]));
    done(&home.run(["kv", "copy", ONE, TWO, "--under", "oth", "--prefix", "0000"]));
    let ids: Vec<_> =
        exported(&home, TWO).iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 25 + 7, "{ids:?}");
}

#[test]
fn a_copy_of_what_is_missing_leaves_alone_what_stands_there() {
    let home = Home::new();
    fill(&home, ONE, 300);
    done(&home.run(["kv", "copy", ONE, TWO, "--collection", "fourth"]));
    done(&home.run(["kv", "put", TWO, "fourth", "00004", "newer"]));
    let copied = home.run(["kv", "copy", ONE, TWO, "--only-missing", "--verify", "--json"]);
    let compared =
        json!({ "alike": 299, "missing": 0, "different": 0, "unreadable": 0, "kept": 1, "changed": 0 });
    let expected =
        json!({ "copied": 225, "kept": 75, "expired": 0, "refused": 0, "damaged": 0, "compared": compared });
    assert_eq!(parsed(&done(&copied)), [expected]);
    assert_eq!(done(&home.run(["kv", "get", TWO, "fourth", "00004"])).trim_end(), "newer");
    let told = stderr(&home.run(["kv", "copy", ONE, TWO, "--only-missing"]));
    assert!(told.contains("copied 0 entries, left out 0 that have expired and 300 that DST has"), "{told}");
}

/// Copies 1,200 entries, and ends that by `signal` once it has kept its place; gives what it had told.
#[cfg(unix)]
fn copied_until(signal: &str, home: &Home) -> String {
    fill(home, ONE, 1_200);
    let slow = ["kv", "copy", ONE, TWO, "--resume", "place", "--rate", "1000"];
    let mut child = home.larder(slow).spawn().unwrap();
    while !home.path("place").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it had kept its place");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    assert!(!ended.status.success(), "{signal}: it came to its end");
    stderr(&ended)
}

#[cfg(unix)]
#[test]
fn a_copy_that_was_killed_or_interrupted_goes_on_where_it_was() {
    // As Ctrl-C does: but that signal is ignored by what a script runs beside itself.
    for signal in ["-KILL", "-TERM"] {
        let home = Home::new();
        copied_until(signal, &home);
        let other = home.run(["kv", "copy", ONE, "disk:three", "--resume", "place"]);
        assert_eq!(other.status.code(), Some(2), "{}", stderr(&other));
        let rest = parsed(&done(&home.run(["kv", "copy", ONE, TWO, "--resume", "place", "--json"])));
        assert!(rest[0]["copied"].as_u64().unwrap() <= 700, "{signal}: {rest:?}");
        assert!(!home.path("place").exists());
        assert_eq!(exported(&home, TWO), exported(&home, ONE), "{signal}");
    }
}

#[cfg(unix)]
#[test]
fn a_copy_that_goes_on_behind_what_a_crash_may_have_undone_says_so_unless_it_compares() {
    for (flags, advised) in [(&[][..], 1), (&["--verify"], 0)] {
        let home = Home::new();
        let advice = "add --verify, or remove the file of --resume";
        assert!(!copied_until("-KILL", &home).contains(advice), "it began at the beginning");
        let mut command = home.larder(["kv", "copy", ONE, TWO, "--resume", "place"]);
        let rest = command.args(flags).output().unwrap();
        assert!(rest.status.success(), "{}", stderr(&rest));
        let told = stderr(&rest);
        assert_eq!(told.lines().filter(|line| line.contains(advice)).count(), advised, "{flags:?}: {told}");
    }
}

#[test]
fn lifetimes_run_on_while_a_copy_waits_for_its_rate() {
    let home = Home::new();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = |left| u64::try_from(now.as_millis()).unwrap() + left;
    let line =
        |id: &str, left| json!({ "collection": "c", "id": id, "value": "", "expires_at": until(left) });
    let mut lines: Vec<_> = (10..40).map(|n| line(&n.to_string(), 60_000).to_string()).collect();
    lines.push(line("short", 2_000).to_string());
    done(&home.run_with(["kv", "import", ONE], lines.join("\n").as_bytes()));
    done(&home.run(["kv", "copy", ONE, TWO, "--rate", "10"])); // three seconds
    let gone = home.run(["kv", "get", TWO, "c", "short"]);
    assert_eq!(gone.status.code(), Some(3), "it lives on in the copy: {}", stderr(&gone));
    let copies = parsed(&done(&home.run(["kv", "export", TWO])));
    assert_eq!(copies.len(), 30);
    for copy in copies {
        let late = copy["expires_at"].as_u64().unwrap().saturating_sub(until(60_000));
        assert!(late < 1_000, "prolonged by {late} ms: {copy}");
    }
}

#[test]
fn a_difference_is_found_and_is_status_1() {
    let home = Home::new();
    fill(&home, ONE, 2_000);
    let compared_with = |target: &str| {
        let ended = home.run(["kv", "copy", ONE, target, "--verify", "--json"]);
        (ended.status.code(), parsed(&stdout(&ended))[0]["compared"].clone(), stderr(&ended))
    };
    // It may be over its limit by some hundred entries, until it looks.
    let (status, found, told) = compared_with("memory://?max_entries=500&on_full=evict");
    let missing = found["missing"].as_u64().unwrap();
    assert!(missing > 0 && missing < 2_000, "{found}");
    assert_eq!(
        found,
        json!({ "alike": 2_000 - missing, "missing": missing, "different": 0, "unreadable": 0, "kept": 0, "changed": 0 })
    );
    let differ = format!("the stores differ: {} alike, {missing} missing in DST", 2_000 - missing);
    assert!(status == Some(1) && told.contains(&differ), "{status:?}: {told}");
    assert_eq!(told.matches("missing in DST: \"0").count(), 10, "the first ones are named: {told}");

    done(&home.run(["kv", "put", ONE, "more", "forever", "x"]));
    let mortal = compared_with("memory://?ttl=1h");
    let different =
        json!({ "alike": 2_000, "missing": 0, "different": 1, "unreadable": 0, "kept": 0, "changed": 0 });
    assert_eq!((mortal.0, &mortal.1), (Some(1), &different), "{}", mortal.2);
    assert!(mortal.2.contains("different in DST: \"forever\" in \"more\""), "{}", mortal.2);
}

#[test]
fn a_copy_is_compared_by_what_was_asked_for_alone() {
    let home = Home::new();
    fill(&home, ONE, 10);
    done(&home.run(["kv", "copy", ONE, TWO]));
    done(&home.run(["kv", "put", ONE, "more", "id", "x"]));
    let only_others = home.run(["kv", "copy", ONE, TWO, "--collection", "others", "--verify"]);
    assert!(only_others.status.success(), "{}", stderr(&only_others));
}

#[test]
fn a_copy_from_nowhere_or_onto_itself_is_asked_wrongly() {
    let home = Home::new();
    fill(&home, ONE, 10);
    let same = home.run(["kv", "copy", ONE, ONE]);
    assert_eq!(same.status.code(), Some(2));
    let path = home.path("one");
    let written_otherwise = format!("disk://{}/../one/?lock_wait=0", path.display());
    let same = home.run(["kv", "copy", ONE, &written_otherwise]);
    assert_eq!(same.status.code(), Some(2));
    assert!(stderr(&same).contains("are the same store"), "{}", stderr(&same));
    let none = home.run(["kv", "copy", "disk:none", TWO]);
    assert!(none.status.code() == Some(2) && stderr(&none).contains("SRC"), "{}", stderr(&none));
}

#[test]
fn a_copy_that_would_read_what_it_writes_is_asked_wrongly() {
    let home = Home::new();
    fill(&home, ONE, 10);
    for (from, to) in [
        (ONE, "disk:one?prefix=p"),
        (ONE, "disk:one?compress=zstd"),
        ("disk:one?prefix=p", "disk:./one?prefix=p&compress=zstd"),
    ] {
        let fed = home.run(["kv", "copy", from, to]);
        assert_eq!(fed.status.code(), Some(2));
        assert!(stderr(&fed).contains("another `namespace`"), "{}", stderr(&fed));
    }
}

#[test]
fn a_place_that_was_kept_elsewhere_is_no_place_here() {
    let home = Home::new();
    fill(&home, ONE, 1_300);
    let place = home.path("place");
    let copy = |dir: &str| {
        let mut command = home.larder(["kv", "copy", "disk:../one", "disk:new", "--resume"]);
        command.arg(&place).current_dir(home.path(dir)).output().unwrap()
    };
    for dir in ["a", "b"] {
        std::fs::create_dir(home.path(dir)).unwrap();
    }
    done(&copy("a"));
    std::fs::write(&place, stale(&home)).unwrap();
    assert_eq!(copy("b").status.code(), Some(2), "the DST of b is another directory");
    done(&copy("a"));
}

/// What a copy in `a` that was killed has kept.
fn stale(home: &Home) -> Vec<u8> {
    let place = home.path("stale");
    let mut command = home.larder(["kv", "copy", "disk:../one", "disk:new", "--rate", "400", "--resume"]);
    let mut child = command.arg(&place).current_dir(home.path("a")).spawn().unwrap();
    let until = std::time::Instant::now() + crate::support::PATIENCE;
    while !place.exists() {
        assert!(std::time::Instant::now() < until, "no place was kept");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::read(place).unwrap()
}

#[test]
fn keys_are_rotated_and_the_old_one_can_go() {
    let home = Home::new();
    let sealed = "disk:sealed?encrypt=aead&prefix=app-&compress=zstd";
    let run = |key: &str, arguments: &[&str]| {
        let mut command = home.larder(["kv"]);
        command.args(arguments).env("LARDER_KEY", key);
        command.output().unwrap()
    };
    for id in ["a", "b", "c"] {
        done(&run(KEY, &["put", sealed, "c", id, "value", "--ttl", "1h"]));
    }
    let both = format!("{NEW_KEY},{KEY}");
    let early = run(&both, &["rotate-key", sealed, "--check", "--json"]);
    assert_eq!(early.status.code(), Some(1));
    assert_eq!(parsed(&stdout(&early))[0]["keys"][1]["entries"], 3, "{}", stdout(&early));
    assert!(stderr(&early).contains("3 need another key than the active one"), "{}", stderr(&early));
    let rotated = parsed(&done(&run(&both, &["rotate-key", sealed, "--json"])));
    assert_eq!(rotated[0]["rotation"], sealed_anew(3));
    let entries: Vec<_> =
        rotated[0]["keys"].as_array().unwrap().iter().map(|key| key["entries"].as_u64().unwrap()).collect();
    assert_eq!(entries, [3, 0]);
    assert_eq!(done(&run(NEW_KEY, &["get", sealed, "c", "b"])), "value");
    let told = run(&both, &["rotate-key", sealed, "--check"]);
    assert!(told.status.success() && stderr(&told).contains("opens nothing any more"), "{}", stderr(&told));
    // A process that still seals by the old key leaves nothing behind but the note.
    let late = format!("{KEY},{NEW_KEY}");
    done(&run(&late, &["put", sealed, "c", "late", "value"]));
    done(&run(&late, &["delete", sealed, "c", "late"]));
    let told = run(&both, &["rotate-key", sealed, "--check"]);
    assert!(stderr(&told).contains("the note of the store names it still"), "{}", stderr(&told));
    assert_eq!(told.status.code(), Some(1), "without that key the store would not open");
    assert_eq!(run(NEW_KEY, &["get", sealed, "c", "b"]).status.code(), Some(2));
    let settled = run(&both, &["rotate-key", sealed]);
    assert!(stderr(&settled).contains("opens nothing any more"), "{}", stderr(&settled));
    assert_eq!(done(&run(NEW_KEY, &["get", sealed, "c", "b"])), "value");
    let foreign = run(KEY, &["rotate-key", sealed]);
    assert_eq!(foreign.status.code(), Some(2), "{}", stderr(&foreign));
    assert!(stderr(&foreign).contains("sealed by the key") && !stderr(&foreign).contains(KEY));
    let plain = home.run(["kv", "rotate-key", ONE]);
    assert!(stderr(&plain).contains("there is no store"), "{}", stderr(&plain));
}

#[test]
fn a_store_in_the_clear_is_migrated() {
    let home = Home::new();
    done(&home.run(["kv", "put", ONE, "c", "id", "plain"]));
    let url = format!("{ONE}?encrypt=fernet");
    let run =
        |arguments: &[&str]| home.larder(["kv"]).args(arguments).env("LARDER_KEY", KEY).output().unwrap();
    assert_eq!(run(&["get", &url, "c", "id"]).status.code(), Some(1));
    done(&run(&["rotate-key", &url, "--migrate"]));
    assert_eq!(done(&run(&["get", &url, "c", "id"])), "plain");
    let in_the_clear = home.run(["kv", "get", ONE, "c", "id"]);
    assert_eq!((in_the_clear.status.code(), in_the_clear.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(stderr(&in_the_clear).contains("encrypt=aead"), "{}", stderr(&in_the_clear));
}

#[test]
fn stats_count_by_collection() {
    let home = Home::new();
    fill(&home, ONE, 100);
    let lines = parsed(&done(&home.run(["kv", "stats", ONE, "--json"])));
    let of = |line: &Value| (line["collection"].clone(), line["entries"].as_u64(), line["bytes"].as_u64());
    let expected = [
        (json!("fourth"), Some(25), Some(50)),
        (json!("others"), Some(75), Some(150)),
        (Value::Null, Some(100), Some(200)),
    ];
    assert_eq!(lines.iter().map(of).collect::<Vec<_>>(), expected);
    let table = done(&home.run(["kv", "stats", ONE, "--top", "1"]));
    let last: Vec<_> = table.lines().skip(1).map(|line| line.rsplit("  ").next().unwrap()).collect();
    assert_eq!(last, ["others", "(1 other collections)", "(all 2 collections)"]);
}

#[test]
fn the_doctor_finds_nothing_bad_in_a_good_store_and_says_what_to_know() {
    let home = Home::new();
    done(&home.run(["kv", "put", ONE, "c", "id", "x"]));
    let findings = parsed(&done(&home.run(["doctor", ONE, "--json"])));
    assert!(findings.iter().all(|finding| finding["verdict"] != "bad"), "{findings:#?}");
    let about = |name: &str| findings.iter().find(|finding| finding["about"] == name).unwrap().clone();
    assert_eq!(about("conditions")["verdict"], "good");
    assert_eq!(about("durability")["verdict"], "notice");
    assert!(about("encryption")["advice"].as_str().unwrap().contains("encrypt=aead"));
    assert_eq!(done(&home.run(["kv", "list", ONE])), "c\tid\n", "nothing is left behind");
    let text = done(&home.run(["doctor", ONE, "--read-only"]));
    assert!(text.contains("note  encryption") && !text.contains("round trip"), "{text}");
    let missing = home.run(["doctor", "disk:none"]);
    assert_eq!(missing.status.code(), Some(2), "{}", stderr(&missing));
}

#[test]
fn what_only_tries_a_store_shuts_nobody_out() {
    let home = Home::new();
    done(&home.run(["kv", "put", ONE, "c", "id", "plain"]));
    let sealed = format!("{ONE}?encrypt=aead");
    let run = |key: &str, arguments: &[&str]| {
        home.larder([]).args(arguments).env("LARDER_KEY", key).output().unwrap()
    };
    done(&run(KEY, &["doctor", &sealed]));
    done(&run(KEY, &["bench", &sealed, "--time", "10ms", "--entries", "10", "--tasks", "1"]));
    assert_eq!(done(&home.run(["kv", "get", ONE, "c", "id"])), "plain");
    // Nor is a key noted that not everybody has yet.
    done(&run(KEY, &["kv", "put", "disk:sealed?encrypt=aead", "c", "id", "x"]));
    done(&run(&format!("{NEW_KEY},{KEY}"), &["doctor", "disk:sealed?encrypt=aead"]));
    assert_eq!(done(&run(KEY, &["kv", "get", "disk:sealed?encrypt=aead", "c", "id"])), "x");
}

/// A server that answers everybody with this, and its URL as the scheme has it.
fn that_says(answer: &'static [u8], scheme: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://ann:hunter2@{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.write_all(answer));
            drop(stream.read(&mut [0; 1_024])); // whoever closes with something unread cuts what was said
        }
    });
    url
}

#[test]
fn the_doctor_says_what_to_do_about_a_server_that_does_not_answer() {
    let home = Home::new();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = home.run(["doctor", &format!("redis://ann:hunter2@{unused}?retry=0"), "--json"]);
    assert_eq!(ended.status.code(), Some(1), "{}", stderr(&ended));
    let [finding] = parsed(&stdout(&ended)).try_into().unwrap();
    assert_eq!((&finding["about"], &finding["verdict"]), (&json!("opens"), &json!("bad")), "{finding}");
    assert!(finding["advice"].as_str().unwrap().contains("running"), "{finding}");
    assert!(!finding.to_string().contains("hunter2"), "{finding}");
}

#[test]
fn a_server_of_another_kind_is_told_on_one_line() {
    let home = Home::new();
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"SSH-2.0-\x1b[2J\n\n", b"*1\r\n*1\r\nERROR\r\n"]
    {
        let ended = home.run(["kv", "get", &that_says(answer, "redis"), "c", "id"]);
        let told = stderr(&ended);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(told.contains("neither Redis nor Valkey"), "{told}");
        assert_eq!(told.matches(char::is_control).count(), 1, "one line and its end: {told:?}");
    }
}

#[test]
fn a_bench_shows_stores_side_by_side_and_leaves_nothing() {
    let home = Home::new();
    let quick = ["bench", "memory://", ONE, "--time", "20ms", "--entries", "60", "--tasks", "1,2"];
    let text = stdout(&home.run(quick));
    assert!(
        text.contains("[2] disk:one") && text.contains("2 tasks at once") && text.contains('█'),
        "{text}"
    );
    let lines = parsed(&done(&home.run(["bench", ONE, "--time", "20ms", "--only", "get,take", "--json"])));
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line["per_second"].as_f64().unwrap() > 0.0), "{lines:?}");
    assert_eq!(done(&home.run(["kv", "list", ONE])), "");
    let one_is_bad =
        home.run(["bench", ONE, "disk:one?engine=redb", "memory://", "--time", "20ms", "--only", "get"]);
    assert_eq!(one_is_bad.status.code(), Some(2), "{}", stderr(&one_is_bad));
    let text = stdout(&one_is_bad);
    assert!(text.contains("disk:one") && text.contains("memory://") && text.contains("get"), "{text}");
    assert_eq!(done(&home.run(["kv", "list", ONE])), "");
}

#[cfg(unix)]
#[test]
fn a_bench_that_is_told_to_end_removes_its_entries() {
    use std::io::BufRead as _;

    for signal in ["-INT", "-TERM"] {
        let home = Home::new();
        let mut bench = home.larder(["bench", ONE, "--time", "1h", "--only", "put"]).spawn().unwrap();
        let mut told = std::io::BufReader::new(bench.stderr.take().unwrap()).lines();
        while !told.next().unwrap().unwrap().contains("put, 1 at once") {}
        let id = bench.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(bench.wait().unwrap().code(), Some(1), "{signal}");
        assert_eq!(done(&home.run(["kv", "list", ONE])), "", "{signal}");
    }
}

/// Runs the program with this key.
fn keyed(home: &Home, key: &str, arguments: &[&str]) -> std::process::Output {
    home.larder([]).args(arguments).env("LARDER_KEY", key).output().unwrap()
}

#[test]
fn an_entry_that_cannot_be_read_ends_a_command_by_its_name_and_can_be_passed_over_or_removed() {
    let home = Home::new();
    let sealed = "disk:sealed?encrypt=aead";
    let (new_first, old_first) = (format!("{NEW_KEY},{KEY}"), format!("{KEY},{NEW_KEY}"));
    for (keys, id) in [(KEY, "a"), (new_first.as_str(), "b"), (old_first.as_str(), "c")] {
        done(&keyed(&home, keys, &["kv", "put", sealed, "c", id, "value"]));
    }
    let commands: [&[&str]; 4] = [
        &["kv", "export", sealed],
        &["kv", "stats", sealed],
        &["kv", "copy", sealed, TWO],
        &["kv", "copy", sealed, TWO, "--dry-run"],
    ];
    for command in commands {
        let ended = keyed(&home, KEY, command);
        assert_eq!(ended.status.code(), Some(1), "{command:?}");
        let told = stderr(&ended);
        let ways = ["the entry \"b\"", "--skip-damaged", "larder kv delete URL \"c\" \"b\""];
        assert!(ways.iter().all(|way| told.contains(way)), "{command:?}: {told}");
    }
    let skipping = |command: &[&str]| {
        let ended = keyed(&home, KEY, &[command, &["--skip-damaged"]].concat());
        assert_eq!(ended.status.code(), Some(1), "{command:?}");
        assert!(
            stderr(&ended).contains("1 entries that cannot be read were passed over"),
            "{}",
            stderr(&ended)
        );
        parsed(&stdout(&ended))
    };
    for flags in [&[][..], &["--check"]] {
        let rotated = keyed(&home, KEY, &[&["kv", "rotate-key", sealed, "--json"], flags].concat());
        assert_eq!(rotated.status.code(), Some(1), "{flags:?}: {}", stderr(&rotated));
        assert_eq!(parsed(&stdout(&rotated))[0]["unreadable"], 1, "{flags:?}");
    }
    let ids: Vec<_> = skipping(&["kv", "export", sealed]).iter().map(|line| line["id"].clone()).collect();
    assert_eq!(ids, ["a", "c"]);
    assert_eq!(skipping(&["kv", "stats", sealed, "--json"])[0]["entries"], 2);
    let compared =
        json!({ "alike": 2, "missing": 0, "different": 0, "unreadable": 0, "kept": 0, "changed": 0 });
    let copied =
        json!({ "copied": 2, "kept": 0, "expired": 0, "refused": 0, "damaged": 1, "compared": compared });
    assert_eq!(skipping(&["kv", "copy", sealed, TWO, "--verify", "--json"]), [copied]);
    done(&keyed(&home, KEY, &["kv", "delete", sealed, "c", "b"]));
    assert_eq!(parsed(&done(&keyed(&home, KEY, &["kv", "export", sealed]))).len(), 2);
}

#[test]
fn a_copy_of_what_is_missing_fails_over_what_does_not_open_in_the_target_once_it_is_compared() {
    let home = Home::new();
    let sealed = "disk:sealed?encrypt=aead";
    for (keys, id) in [(KEY, "00001"), (&format!("{NEW_KEY},{KEY}"), "00002")] {
        done(&keyed(&home, keys, &["kv", "put", sealed, "others", id, "theirs"]));
    }
    fill(&home, ONE, 4);
    let copy = ["kv", "copy", ONE, sealed, "--only-missing", "--json", "--verify"];
    let ended = keyed(&home, NEW_KEY, &copy);
    let compared =
        json!({ "alike": 2, "missing": 0, "different": 0, "unreadable": 1, "kept": 1, "changed": 0 });
    assert_eq!(parsed(&stdout(&ended))[0]["compared"], compared);
    let told = stderr(&ended);
    assert!(ended.status.code() == Some(1) && told.contains("unreadable in DST: \"00001\""), "{told}");
    done(&keyed(&home, NEW_KEY, &["kv", "delete", sealed, "others", "00001"]));
    done(&keyed(&home, NEW_KEY, &copy));
}

#[test]
fn a_list_names_what_is_damaged_and_goes_on_behind_it() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("tree/plain")).unwrap();
    for (id, text) in [("a", r#"{"value":{"n":1}}"#), ("b", r#"{"val"#), ("c", r#"{"value":{"n":1}}"#)] {
        std::fs::write(home.path(&format!("tree/plain/{id}.json")), text).unwrap();
    }
    let tree = "filetree:tree?codec=py-key-value";
    let ended = home.run(["kv", "list", tree]);
    assert!(
        ended.status.code() == Some(1) && stderr(&ended).contains("the entry \"b\""),
        "{}",
        stderr(&ended)
    );
    let passed = home.run(["kv", "list", tree, "--skip-damaged"]);
    assert_eq!((passed.status.code(), stdout(&passed).as_str()), (Some(1), "plain\ta\nplain\tc\n"));
    assert!(stderr(&passed).contains("passed over: the entry \"b\""), "{}", stderr(&passed));
}
