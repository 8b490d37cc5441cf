//! Python's `cryptography` opens what we seal and seals what we open, by the code in `docs/encryption.md`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use kv_core::testing::skip;
use kv_core::{Key, Meta, Store};
use kv_encrypt::{Cipher, Encrypted, KeyRing, Mode, SecretKey};

use crate::common::{CIPHERS, bottom, put, raw, tagged};

/// The Python to ask; `None`, loudly, where there is none with the package and nothing requires it.
fn python() -> Option<String> {
    let named = std::env::var("LARDER_TEST_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import cryptography.fernet"]).output();
    if asked.is_ok_and(|answer| answer.status.success()) {
        return Some(python);
    }
    let missing = format!("{python} has no `cryptography`: set LARDER_TEST_PYTHON to one that has");
    assert!(named.is_none(), "{missing}");
    skip(&missing);
    None
}

/// Runs the documented code on commands, one line each, and gives its answers.
fn ask(python: &str, commands: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/encryption.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, code) = page.split_once("```python\n").unwrap();
    let (code, _) = code.split_once("```").unwrap();
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("larder_seal.py"), code).unwrap();
    std::fs::write(directory.path().join("driver.py"), include_str!("driver.py")).unwrap();
    let mut child = Command::new(python)
        .arg(directory.path().join("driver.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let answer = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(commands.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(answer.status.success());
    String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn bytes(hex: &str) -> Bytes {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).expect(hex)).collect()
}

/// Values of all lengths around the block sizes, each with a name and a meta of its own.
fn samples() -> Vec<(String, Bytes, Meta)> {
    let lengths = (0..70).chain([100, 255, 256, 1_000, 4_096, 100_000]);
    let sample = |length: usize| {
        let value = (0..length).map(|at| u8::try_from((at * 7 + length) % 256).unwrap()).collect();
        let meta =
            if length.is_multiple_of(3) { tagged() } else { Meta::codec(u16::try_from(length % 3).unwrap()) };
        (format!("id/{length}\u{e4}\0"), value, meta)
    };
    lengths.map(sample).collect()
}

fn command(
    what: &str,
    form: Cipher,
    key: &SecretKey,
    value: &[u8],
    context: &str,
    id: &str,
    meta: &Meta,
) -> String {
    let form = if form == Cipher::Aead { "aead" } else { "fernet" };
    let tags: Vec<_> =
        meta.tags.iter().map(|(name, seen)| format!("{}:{}", hex(name.as_bytes()), hex(seen))).collect();
    // A token is text; its value is handed over as the hexadecimal form of that text like any other.
    let (value, context, collection, id) =
        (hex(value), hex(context.as_bytes()), hex(b"c"), hex(id.as_bytes()));
    let (key, tags) = (key.to_text(), tags.join(","));
    format!("{what}|{form}|{}|{value}|{context}|{collection}|{id}|{}|{tags}\n", key.as_str(), meta.codec)
}

#[tokio::test]
async fn python_opens_what_is_sealed_here() {
    let Some(python) = python() else { return };
    for cipher in CIPHERS {
        let bottom = bottom();
        let key = SecretKey::generate().unwrap();
        let ring = KeyRing::from_text(&key.to_text()).unwrap();
        let store = Encrypted::new(bottom.clone(), ring).context("ctx").cipher(cipher);
        let mut commands = String::new();
        for (id, value, meta) in samples() {
            put(&store, Key::new("c", &id), value, meta.clone()).await;
            let sealed = raw(&bottom, Key::new("c", &id)).await.value;
            commands += &command("open", cipher, &key, &sealed, "ctx", &id, &meta);
        }
        let sealed = raw(&bottom, Key::new("c", &samples()[0].0)).await.value;
        commands += &command("open", cipher, &key, &sealed, "other", &samples()[0].0, &samples()[0].2);
        let mut answers = ask(&python, &commands);
        assert!(answers.pop().unwrap().starts_with("failed"), "another context");
        assert_eq!(answers, samples().iter().map(|(_, value, _)| hex(value)).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_python_seals_opens_here() {
    let Some(python) = python() else { return };
    for cipher in CIPHERS {
        let bottom = bottom();
        let key = SecretKey::generate().unwrap();
        let ring = KeyRing::from_text(&key.to_text()).unwrap();
        let store = Encrypted::new(bottom.clone(), ring).context("ctx").cipher(cipher);
        let commands: String = samples()
            .iter()
            .map(|(id, value, meta)| command("seal", cipher, &key, value, "ctx", id, meta))
            .collect();
        let answers = ask(&python, &commands);
        assert_eq!(answers.len(), samples().len());
        for ((id, value, meta), sealed) in samples().iter().zip(answers) {
            put(&bottom, Key::new("c", id), bytes(&sealed), meta.clone()).await;
            let opened = store.get(Key::new("c", id)).await.unwrap().unwrap();
            assert_eq!(&opened.value, value);
        }
    }
}

#[tokio::test]
async fn keys_and_bare_tokens_of_python_are_taken_as_they_are() {
    let Some(python) = python() else { return };
    let script = "from cryptography.fernet import Fernet; k = Fernet.generate_key(); \
                print(k.decode()); print(Fernet(k).encrypt(b'from python').decode())";
    let made = Command::new(python).args(["-c", script]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let (key, token) = made.trim_end().split_once('\n').unwrap();
    let bottom = bottom();
    let store = Encrypted::new(bottom.clone(), KeyRing::from_text(key).unwrap()).mode(Mode::Migration);
    put(&bottom, Key::new("c", "i"), token.trim().to_owned(), Meta::default()).await;
    assert_eq!(store.get(Key::new("c", "i")).await.unwrap().unwrap().value, "from python");
}
