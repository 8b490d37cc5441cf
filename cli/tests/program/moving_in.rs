//! `larder kv copy` from what Python's py-key-value-aio wrote.

use std::process::Command;

use kv_core::testing::service;
use serde_json::{Value, json};

use crate::support::{Home, done, stderr};

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE=";

/// Lets the library write what `larder/tests/py_key_value.py` says.
fn written(python: &str, place: &str, collection: &str, sealed: &str) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../larder/tests/py_key_value.py");
    let answer = Command::new(python).args([script, place, collection, sealed]).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
}

/// Copies with a verify pass; how many entries came.
fn copied(home: &Home, source: &str, more: &[&str]) -> u64 {
    let mut copy = home.larder(["kv", "copy", source, "disk:new", "--verify", "--json"]);
    let answer = done(&copy.args(more).env("LARDER_KEY", KEY).output().unwrap());
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let entries = answer["copied"].as_u64().unwrap();
    let alike =
        json!({ "alike": entries, "missing": 0, "different": 0, "unreadable": 0, "kept": 0, "changed": 0 });
    assert_eq!(
        answer,
        json!({ "copied": entries, "kept": 0, "expired": 0, "refused": 0, "damaged": 0, "compared": alike })
    );
    entries
}

fn value(home: &Home, collection: &str, id: &str) -> Value {
    serde_json::from_str(&done(&home.run(["kv", "get", "disk:new", collection, id]))).unwrap()
}

#[test]
fn a_file_tree_moves_in_and_needs_its_key() {
    let Some(python) = service("LARDER_TEST_PYTHON") else { return };
    for (sealed, parameters) in [("", ""), (KEY, "&encrypt=fernet")] {
        let home = Home::new();
        let tree = home.path("tree");
        std::fs::create_dir(&tree).unwrap();
        written(&python, tree.to_str().unwrap(), "tokens", sealed);
        let source = format!("filetree:tree?codec=py-key-value{parameters}");
        if !sealed.is_empty() {
            let mut wrong = home.larder(["kv", "copy", &source, "disk:new"]);
            let wrong = wrong.env("LARDER_KEY", OTHER_KEY).output().unwrap();
            assert!(!wrong.status.success() && stderr(&wrong).contains("no key of the ring fits"));
        }
        assert_eq!(copied(&home, &source, &[]), 8);
        assert_eq!(value(&home, "tokens", "lasting"), json!({ "ttl": "hour" }));
        assert_eq!(value(&home, "tokens-other", "plain_1")["n"], 1);
    }
}

#[test]
fn what_lies_in_redis_moves_in() {
    let (Some(python), Some(url)) = (service("LARDER_TEST_PYTHON"), service("LARDER_TEST_REDIS")) else {
        return;
    };
    let home = Home::new();
    for (sealed, parameters) in [("", ""), (KEY, "&encrypt=fernet")] {
        let first = format!("cli-{}-{}", std::process::id(), sealed.len());
        written(&python, &url, &first, sealed);
        let source = format!("{url}?codec=py-key-value&timeout=30s{parameters}");
        assert_eq!(copied(&home, &source, &["--under", &first]), 11);
        assert_eq!(value(&home, &first, "b::c"), json!({ "of": "a" }));
        assert_eq!(value(&home, &format!("{first}::inner"), "d"), json!({ "i": 1 }));
    }
}
