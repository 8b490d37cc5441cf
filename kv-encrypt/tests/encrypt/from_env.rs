//! Keys in the environment. It belongs to the whole process, so each case is a process of its own.

use std::process::{Command, Output};

use kv_encrypt::{KeyRing, SecretKey};

/// Set in the process that looks.
const LOOKS: &str = "LARDER_TEST_FROM_ENV";

/// Only as a child of the tests below: says what it found.
#[test]
fn a_child_says_what_is_in_its_environment() {
    if std::env::var_os(LOOKS).is_none() {
        return;
    }
    match KeyRing::from_env() {
        Ok(None) => println!("\nfound nothing."),
        Ok(Some(ring)) => {
            let ids: Vec<_> = ring.ids().map(|id| id.to_string()).collect();
            println!("\nfound {}.", ids.join(" "));
        }
        Err(error) => println!("\nfound {error} / {error:?}."),
    }
}

/// What a process finds with this as `LARDER_KEY`.
fn found(key: Option<&str>) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "from_env::a_child_says_what_is_in_its_environment", "--nocapture"]);
    child.env(LOOKS, "1").env_remove(KeyRing::ENV);
    if let Some(key) = key {
        child.env(KeyRing::ENV, key);
    }
    let Output { status, stdout, .. } = child.output().unwrap();
    assert!(status.success());
    let said = String::from_utf8(stdout).unwrap();
    let (_, found) = said.split_once("\nfound ").expect("it says what it found");
    found.split_once(".\n").expect("a line").0.to_owned()
}

fn key(byte: u8) -> String {
    SecretKey::from_bytes([byte; 32]).to_text().to_string()
}

#[test]
fn the_environment_holds_a_ring_or_none() {
    let id = |byte: u8| KeyRing::from_text(&key(byte)).unwrap().active().to_string();
    assert_eq!(found(None), "nothing");
    for blank in ["", " \t\n"] {
        assert_eq!(found(Some(blank)), "nothing", "{blank:?}");
    }
    assert_eq!(found(Some(&key(1))), id(1));
    let ring = format!(" {},{}\n{}", key(2), key(1), key(2));
    assert_eq!(found(Some(&ring)), format!("{} {}", id(2), id(1)), "the first one is active");
}

#[test]
fn what_is_no_key_is_told_by_the_name_of_the_variable_alone() {
    for wrong in ["correct horse battery staple", &key(1)[1..], &format!("{},hunter2", key(1))] {
        let told = found(Some(wrong));
        assert!(told.contains("LARDER_KEY holds no usable keys"), "{told}");
        assert!(["horse", "hunter2", &key(1)[1..20]].iter().all(|part| !told.contains(part)), "{told}");
    }
}
