//! `larder kv`: bytes in, bytes out, and an exit status to act on.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::support::{Client, Home, done, stderr, stdout};

const STORE: &str = "disk:kv?encrypt=aead";

#[test]
fn any_bytes_come_back_as_they_went_in() {
    let home = Home::new();
    let every_byte: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    for value in [every_byte.as_slice(), b"", b"\n", b"\xff\0"] {
        done(&home.run_with(["kv", "put", STORE, "c", "id"], value));
        let read = home.run(["kv", "get", STORE, "c", "id"]);
        assert!(read.status.success() && read.stdout == value, "{}", stderr(&read));
    }
}

#[test]
fn a_value_stands_on_the_command_line_or_comes_by_a_dash() {
    let home = Home::new();
    done(&home.run(["kv", "put", STORE, "c", "a", "--ttl", "10m", "-1"]));
    assert_eq!(done(&home.run(["kv", "get", STORE, "c", "a"])), "-1");
    done(&home.run_with(["kv", "put", STORE, "c", "a", "-"], b"from stdin"));
    assert_eq!(done(&home.run(["kv", "get", STORE, "c", "a"])), "from stdin");
    done(&home.run_with(["kv", "put", STORE, "c", "a", "--", "--x"], b"from stdin"));
    assert_eq!(done(&home.run(["kv", "get", STORE, "c", "a"])), "--x");
}

#[test]
fn a_mistyped_flag_is_not_stored_in_the_place_of_what_comes_by_stdin() {
    let home = Home::new();
    for flag in ["--tll=10m", "-x", "-hunter2"] {
        let put = home.run_with(["kv", "put", STORE, "c", "a", flag], b"from stdin");
        let told = stderr(&put);
        assert_eq!(put.status.code(), Some(2), "{flag}: {told}");
        assert!(told.contains("`--` goes before a value"), "{flag}: {told}");
    }
    assert!(!home.path("kv").exists(), "nothing is written");
}

#[test]
fn an_absent_entry_is_status_3() {
    let home = Home::new();
    done(&home.run(["kv", "put", STORE, "c", "here", "x"]));
    for command in ["get", "delete"] {
        let absent = home.run(["kv", command, STORE, "c", "gone"]);
        assert_eq!(absent.status.code(), Some(3), "{}", stderr(&absent));
        assert!(stderr(&absent).contains("\"gone\"") && stdout(&absent).is_empty());
    }
    done(&home.run(["kv", "delete", STORE, "c", "here"]));
    assert_eq!(home.run(["kv", "get", STORE, "c", "here"]).status.code(), Some(3));
}

#[test]
fn an_entry_with_a_ttl_is_absent_afterwards() {
    let home = Home::new();
    done(&home.run(["kv", "put", STORE, "c", "short", "x", "--ttl", "1ms"]));
    done(&home.run(["kv", "put", STORE, "c", "long", "x", "--ttl", "1h"]));
    assert_eq!(home.run(["kv", "get", STORE, "c", "short"]).status.code(), Some(3));
    let line: Value =
        serde_json::from_str(&done(&home.run(["kv", "get", STORE, "c", "long", "--json"]))).unwrap();
    assert!(line["expires_at"].as_u64().is_some() && line["value"] == "eA==", "{line}");
}

#[test]
fn lists_name_collections_and_ids_and_escape_what_a_terminal_obeys() {
    let home = Home::new();
    for (collection, id) in [("a", "one"), ("a", "two\n"), ("b", "one"), ("b", "\u{1b}[2J")] {
        done(&home.run(["kv", "put", STORE, collection, id, "x"]));
    }
    assert_eq!(done(&home.run(["kv", "list", STORE, "a"])), "one\ntwo\\n\n");
    assert_eq!(done(&home.run(["kv", "list", STORE])), "a\tone\na\ttwo\\n\nb\t\\u{1b}[2J\nb\tone\n");
    assert_eq!(done(&home.run(["kv", "list", STORE, "--prefix", "o"])), "a\tone\nb\tone\n");
    assert_eq!(done(&home.run(["kv", "list", STORE, "none"])), "");
    let lines = done(&home.run(["kv", "list", STORE, "a", "--json"]));
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!(last, json!({ "collection": "a", "id": "two\n" }));
}

#[test]
fn export_and_import_carry_everything_but_what_has_expired() {
    let home = Home::new();
    let many: Vec<_> = (0..1_200)
        .map(|n| json!({ "collection": "many", "id": format!("{n:05}"), "value": "AP8=" }).to_string())
        .collect();
    let many = many.join("\n");
    let odd = json!({ "collection": "o/d:d", "id": "i\nd", "value": "", "codec": 1, "expires_at": 4_102_444_800_000_u64,
        "tags": [["t", "000102030405060708090a0b0c0d0e0f"]] });
    let expired = json!({ "collection": "o/d:d", "id": "old", "value": "", "expires_at": 1 });
    let input = format!("{many}\n\n{odd}\n{expired}\n");
    let imported = done(&home.run_with(["kv", "import", STORE, "--json"], input.as_bytes()));
    assert_eq!(
        serde_json::from_str::<Value>(&imported).unwrap(),
        json!({ "imported": 1_201, "expired": 1, "refused": 0 })
    );

    let exported = home.run(["kv", "export", STORE]);
    assert!(
        stderr(&exported).contains("decrypted") && stderr(&exported).contains("1201"),
        "{}",
        stderr(&exported)
    );
    let lines: Vec<Value> = done(&exported).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1_201);
    let mut found = lines.iter().find(|line| line["collection"] == "o/d:d").unwrap().clone();
    let left = found["expires_at"].as_u64().unwrap().abs_diff(4_102_444_800_000);
    assert!(left < 60_000, "the moment moves by a rounding at most: {left} ms");
    found["expires_at"] = odd["expires_at"].clone();
    assert_eq!(found, odd);

    done(&home.run_with(["kv", "import", "disk:copy?engine=redb"], &exported.stdout));
    let copied = home.run(["kv", "export", "disk:copy", "many"]);
    assert_eq!(done(&copied).lines().count(), 1_200);
    assert_eq!(home.run(["kv", "get", "disk:copy", "many", "00700"]).stdout, [0, 255]);
}

#[test]
fn what_expires_while_an_import_waits_for_more_lines_is_left_out() {
    let home = Home::new();
    let mut import = home.larder(["kv", "import", STORE, "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let left = Duration::from_millis(1_500);
    let expires = SystemTime::now() + left;
    let expires_at = u64::try_from(expires.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let line = json!({ "collection": "c", "id": "i", "value": "", "expires_at": expires_at });
    writeln!(import.stdin.as_mut().unwrap(), "{line}").unwrap();
    std::thread::sleep(left + Duration::from_millis(100)); // it was read long ago
    let imported = done(&import.wait_with_output().unwrap());
    assert_eq!(
        serde_json::from_str::<Value>(&imported).unwrap(),
        json!({ "imported": 0, "expired": 1, "refused": 0 })
    );
}

#[test]
fn a_reader_that_has_seen_enough_of_a_list_is_no_error_and_a_backup_that_is_cut_short_is_one() {
    let home = Home::new();
    let value = "A".repeat(1_000);
    let lines: Vec<_> = (0..1_000)
        .map(|n| json!({ "collection": "c", "id": format!("{n}"), "value": value }).to_string())
        .collect();
    done(&home.run_with(["kv", "import", STORE], lines.join("\n").as_bytes()));
    for (arguments, status, said) in
        [(["kv", "list", STORE, "--json"].as_slice(), 0, ""), (&["kv", "export", STORE], 1, "cut short")]
    {
        let mut reading = home.larder([]).args(arguments).spawn().unwrap();
        drop(reading.stdout.take().unwrap());
        let ended = reading.wait_with_output().unwrap();
        let told = stderr(&ended);
        assert_eq!(ended.status.code(), Some(status), "{told}");
        assert!(told.contains(said) && !told.contains("pipe") && !told.contains("exported"), "{told}");
    }
}

#[test]
fn an_import_ends_at_the_line_that_it_cannot_read_and_names_it() {
    let home = Home::new();
    let good = json!({ "collection": "c", "id": "i", "value": "eA==" });
    for bad in [
        "nonsense",
        r#"{"collection":"c","id":"j","value":"***"}"#,
        r#"{"collection":"c"}"#,
        r#"{"expires_at":"***"}"#,
    ] {
        let output = home.run_with(["kv", "import", STORE], format!("{good}\n{bad}\n").as_bytes());
        assert_eq!(output.status.code(), Some(1));
        let told = stderr(&output);
        assert!(told.contains("line 2") && told.contains("1 entries") && !told.contains("***"), "{told}");
        assert_eq!(done(&home.run(["kv", "get", STORE, "c", "i"])), "x", "what stands before it is imported");
        done(&home.run(["kv", "delete", STORE, "c", "i"]));
    }
}

#[test]
fn an_import_leaves_out_what_the_store_does_not_take_names_it_and_fails_in_the_end() {
    let home = Home::new();
    let line = |id: &str| json!({ "collection": "c", "id": id, "value": "c2VjcmV0" }).to_string();
    let lines = [line("a"), line(&"long".repeat(300_000)), line("b")].join("\n");
    let output = home.run_with(["kv", "import", STORE, "--json"], lines.as_bytes());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let counts = json!({ "imported": 2, "expired": 0, "refused": 1 });
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap(), counts);
    assert!(told.contains("left out: ") && told.contains("longlong"), "{told}");
    assert!(
        told.contains("refused 1 entries") && !told.contains("c2Vj") && !told.contains("secret"),
        "{told}"
    );
    assert_eq!(done(&home.run(["kv", "list", STORE])), "c\ta\nc\tb\n");
}

#[test]
fn mistakes_are_status_2_and_say_what_to_change() {
    let home = Home::new();
    for (arguments, named) in [
        (&["kv", "get", "nowhere://x", "c", "i"] as &[&str], "disk"),
        (&["kv", "put", "disk:x?engin=sled", "c", "i", "x"], "engine"),
        (&["kv", "put", STORE, "c", "i", "x", "--ttl", "soon"], "--ttl"),
        (&["kv", "put", STORE, "c", "i", "x", "--ttl", "0"], "--ttl"),
        (&["kv", "get", "$NO_SUCH_VARIABLE", "c", "i"], "NO_SUCH_VARIABLE"),
        (&["kv", "get", "@no-such-file", "c", "i"], "no-such-file"),
        (&["kv", "get", STORE, "c"], "<ID>"),
        (&["kv", "frobnicate"], "frobnicate"),
    ] {
        let output = home.larder([]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(named), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_url_comes_from_a_file_or_a_variable_and_its_secrets_are_never_shown() {
    let home = Home::new();
    std::fs::write(home.path("url"), format!("{STORE}\n")).unwrap();
    done(&home.run(["kv", "put", "@url", "c", "i", "x"]));
    let by_variable =
        home.larder(["kv", "get", "$MY_STORE", "c", "i"]).env("MY_STORE", STORE).output().unwrap();
    assert_eq!(done(&by_variable), "x");
    for secret in [
        "redis://:hunter2@host/0",
        "nope://user:hunter2@host",
        "disk:x?token=hunter2",
        "@redis://:hunter2@host/0",
        "$redis://:hunter2@host/0",
    ] {
        for arguments in
            [&["kv", "put", secret, "c", "i", "x"][..], &["doctor", secret], &["serve", "--store", secret]]
        {
            let output = home.larder([]).args(arguments).output().unwrap();
            assert!(!output.status.success());
            assert!(!stderr(&output).contains("hunter2"), "{}", stderr(&output));
        }
    }
    let expanded = home.run(["doctor", "@redis://:hunter2@host/0"]);
    assert_eq!(expanded.status.code(), Some(2));
    assert!(stderr(&expanded).contains("leave out the `@`"), "{}", stderr(&expanded));
}

#[test]
fn another_key_opens_nothing_and_says_so() {
    let home = Home::new();
    done(&home.run(["kv", "put", STORE, "c", "i", "x"]));
    let key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let output = home.larder(["kv", "get", STORE, "c", "i"]).env("LARDER_KEY", key).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("sealed by the key") && !stderr(&output).contains(key));
}

#[test]
fn the_note_of_a_sealed_store_is_not_listed_and_can_be_removed() {
    let home = Home::new();
    done(&home.run(["kv", "put", STORE, "c", "i", "x"]));
    assert_eq!(done(&home.run(["kv", "list", STORE])), "c\ti\n");
    let plain = home.run(["kv", "list", "disk:kv"]);
    assert_eq!(plain.status.code(), Some(2));
    assert!(stderr(&plain).contains("add `encrypt=aead`"), "{}", stderr(&plain));
    done(&home.run(["kv", "delete", STORE, "c", "i"]));
    done(&home.run(["kv", "delete", STORE, ".larder", "seal"]));
    assert_eq!(done(&home.run(["kv", "list", "disk:kv"])), "");
}

#[test]
fn reading_makes_no_store_where_there_is_none() {
    let home = Home::new();
    let commands: [&[&str]; 4] = [
        &["get", "disk:gone", "c", "i"],
        &["delete", "disk:gone", "c", "i"],
        &["list", "disk:gone"],
        &["export", "default"],
    ];
    for arguments in commands {
        let output = home.larder(["kv"]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("there is no store in"), "{arguments:?}: {}", stderr(&output));
    }
    assert!(!home.path("gone").exists() && !home.store().exists() && !home.path("config").exists());
}

#[test]
fn reading_an_empty_directory_or_a_mistyped_namespace_leaves_nothing_behind() {
    let home = Home::new();
    std::fs::create_dir(home.path("empty")).unwrap();
    let commands: [&[&str]; 9] = [
        &["kv", "get", "disk:empty", "c", "i"],
        &["kv", "delete", "disk:empty?create=true", "c", "i"],
        &["kv", "list", "disk:empty"],
        &["kv", "export", "disk:empty?encrypt=aead"],
        &["kv", "stats", "disk:empty?engine=redb"],
        &["kv", "copy", "disk:empty", "disk:target"],
        &["kv", "rotate-key", "disk:empty?encrypt=aead"],
        &["doctor", "disk:empty"],
        &["doctor", "disk:empty", "--read-only"],
    ];
    for arguments in commands {
        let output = home.larder([]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("there is no store in"), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(std::fs::read_dir(home.path("empty")).unwrap().count(), 0);
    assert!(!home.path("target").exists() && !home.path("config").exists());

    done(&home.run(["kv", "put", "disk:real?engine=redb", "c", "i", "x"]));
    for _ in 0..2 {
        assert_eq!(done(&home.run(["kv", "list", "disk:real?namespace=mistyped"])), "");
    }
    done(&home.run(["kv", "export", "disk:real?namespace=mistyped"]));
    let file = std::fs::read(home.path("real/data/store.redb")).unwrap();
    let holds = |name: &[u8]| file.windows(name.len()).any(|part| part == name);
    assert!(holds(b"namespace/larder") && !holds(b"namespace/mistyped"));
}

#[cfg(unix)]
#[test]
fn what_a_store_has_to_tell_goes_to_the_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    std::fs::create_dir(home.path("open")).unwrap();
    std::fs::set_permissions(home.path("open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut serve = home.larder(["serve", "--store", "disk:open", "--json-logs"]);
    let output = serve.output().unwrap(); // stdin is at its end
    let lines: Vec<serde_json::Value> =
        stderr(&output).lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert!(told[0]["message"].as_str().unwrap().contains("open"), "{told:?}");
    let silent = home.run(["serve", "--store", "disk:open", "--log-level", "off"]);
    assert_eq!(stderr(&silent), "");
}

#[test]
fn a_directory_in_use_names_its_owner_and_what_to_do() {
    let home = Home::new();
    let store = "disk:used?lock_wait=0";
    let mut owner = Client::start(home.larder(["serve", "--store", store]));
    owner.call("remember", &json!({ "text": "x" }));
    let commands: [&[&str]; 2] =
        [&["kv", "list", store], &["serve", "--store", store, "--http", "127.0.0.1:0", "--log-level", "off"]];
    for arguments in commands {
        let output = home.larder([]).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("process {}", owner.pid())), "{}", stderr(&output));
        assert!(stderr(&output).contains("stop that process"), "{}", stderr(&output));
    }
    assert!(owner.end().success());
    done(&home.run(["kv", "list", store]));
}

#[test]
fn where_a_wrong_url_stands_is_named() {
    let home = Home::new();
    std::fs::write(home.path("url"), "disk:none\n").unwrap();
    let of_file = home.run(["kv", "list", "@url"]);
    assert_eq!(of_file.status.code(), Some(2));
    assert!(stderr(&of_file).contains("change the file url, which URL names"), "{}", stderr(&of_file));
    let mut command = home.larder(["kv", "copy", "memory://", "$WHERE"]);
    let of_variable = command.env("WHERE", "nonsense://x").output().unwrap();
    assert_eq!(of_variable.status.code(), Some(2));
    let told = stderr(&of_variable);
    assert!(told.contains("change the variable WHERE, which DST names"), "{told}");
}
