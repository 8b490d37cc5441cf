//! Writes what the fuzzer begins with into `corpus`: `cargo run --example seeds`, in this folder, after a change of a form.
//! The sealed ones come out anew each time.

#[path = "seeds/wire.rs"]
mod wire;

use std::path::Path;
use std::{fs, io};

use kv_core::backend::encode;
use kv_core::header::Form;
use kv_core::{Key, Meta, NewEntry, PutMode, Store as _, Version};
use kv_encrypt::{Cipher, EncryptExt as _, KeyRing, SecretKey};
use kv_memory::MemoryStore;

/// As in `targets/stored_form.rs`.
const KEY: &[u8] = b"larder\0\x01tokens\0\x01jti-1";
/// As in `targets/decrypt.rs`.
const SEEDED: &[u8] = b"a value that was sealed";
const PLACE: Key<'static> = Key::new("tokens", "jti-1");

const URLS: [(&str, &str); 22] = [
    ("memory", "memory://?max_bytes=64MiB&max_entries=1000&on_full=evict"),
    ("disk", "disk:///var/lib/app?engine=redb&durability=always&namespace=shop"),
    ("disk-relative", "disk:rel/dir"),
    ("disk-drive", "disk:///C:/dir/a@b"),
    ("reserved", "memory://?prefix=p&encrypt=aead&key_file=/k&compress=zstd&codec=cbor&ttl=7d&near=5s"),
    ("reserved-more", "redis://h?timeout=500ms&retry=3&password_env=PW&encrypt=fernet&codec=py-key-value"),
    ("redis", "redis://app:hunter2@db:6379/0?wait=1&response_timeout=2s"),
    ("redis-tls", "rediss://:s3cret@[::1]:6380/3?tls_ca=/ca.pem"),
    ("redis-socket", "redis+unix:///run/redis.sock?db=2"),
    ("redis-cluster", "redis+cluster://a:1,b:2,[fe80::1]:3"),
    ("redis-sentinel", "redis+sentinel://:pw@a:26379,b/mymaster/0?tls=true"),
    ("valkey", "valkey://host"),
    ("mongodb", "mongodb://u:p%40ss@a:1,b:2/db?replicaSet=rs0&authSource=admin"),
    ("mongodb-srv", "mongodb+srv://cluster.example.org/db"),
    ("dynamodb", "dynamodb://Table?region=eu-central-1&endpoint=http://u:s3cret@localhost:8000"),
    ("memcached", "memcached://a:11211,b:11211"),
    ("elasticsearch", "elasticsearch://elastic:pw@h:9200/index?tls=true&create=false"),
    ("rocksdb", "rocksdb:///var/lib/app?durability=os"),
    ("escapes", "redis://%75ser:p%3F%23%2F@h/0?pass%77ord=x&a=%2B+b"),
    ("forgotten-slashes", "redis:user:s3cret@host/0"),
    ("raw-question-mark", "redis://user:pa?s3cret@host/0?a=b"),
    ("duration", "1h30m15s500ms"),
];

fn main() -> io::Result<()> {
    for (name, url) in URLS {
        seed("store_url", name, url.as_bytes())?;
    }
    stored_forms()?;
    stored_keys()?;
    wire::all()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(sealed())
}

fn seed(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}

fn stored_forms() -> io::Result<()> {
    let version = Version::from_bytes([7; 16]);
    let plain = Meta::default();
    let mut tagged = Meta::codec(1);
    tagged.tags = vec![("users".into(), [7; 16]), ("größe".into(), [1; 16])];
    let name = Key::new("tokens", "jti-1");
    let forms = [
        ("plain", &plain, None, None, &b"hello"[..]),
        ("empty", &plain, None, None, b""),
        ("ttl", &plain, Some(1_800_000_000_123), None, b"hello"),
        ("codec-and-tags", &tagged, None, None, br#"{"a":1}"#),
        ("hashed-name", &plain, Some(1), Some(name), b"\xff\0"),
        ("everything", &tagged, Some(u64::MAX), Some(name), b"value"),
    ];
    for (name, meta, deadline_ms, hashed, value) in forms {
        let form = Form { version, deadline_ms, meta, hashed, value };
        seed("stored_form", name, &form.encode(KEY).map_err(io::Error::other)?)?;
    }
    seed("stored_form", "nothing", b"")
}

fn stored_keys() -> io::Result<()> {
    let names = [
        ("plain", ["larder", "tokens", "jti-1"]),
        ("empty", ["", "", ""]),
        ("zeros", ["\0", "a\0\u{1}b", "\0\0"]),
        ("long-id", ["larder", "c", "0123456789012345678901234567890123456789012345678901234567890123"]),
        ("emoji", ["larder", "größe/🐻", "a:b/c"]),
    ];
    for (name, [namespace, collection, id]) in names {
        seed("stored_key", name, &encode(&[namespace, collection], id))?;
    }
    seed("stored_key", "highest", &[0xff; 6])
}

async fn sealed() -> io::Result<()> {
    let keys = |bytes: &[u8]| KeyRing::new(bytes.iter().map(|byte| SecretKey::from_bytes([*byte; 32])));
    for (name, cipher, key, place) in [
        ("aead", Cipher::Aead, 1, PLACE),
        ("aead-older-key", Cipher::Aead, 2, PLACE),
        ("aead-foreign-key", Cipher::Aead, 4, PLACE),
        ("aead-of-another-name", Cipher::Aead, 1, Key::new("tokens", "jti-2")),
        ("fernet", Cipher::Fernet, 1, PLACE),
        ("fernet-older-key", Cipher::Fernet, 2, PLACE),
        ("fernet-of-another-name", Cipher::Fernet, 1, Key::new("users", "jti-1")),
    ] {
        let inner = MemoryStore::new();
        let store = inner.clone().encrypted(keys(&[key]).map_err(io::Error::other)?).cipher(cipher);
        store.put(place, NewEntry::new(SEEDED), PutMode::Replace).await.map_err(io::Error::other)?;
        let entry = inner.get(place).await.map_err(io::Error::other)?;
        seed("decrypt", name, &entry.map(|entry| entry.value).unwrap_or_default())?;
    }
    // As Python's `Fernet(key).encrypt(..)` makes them: bound to no name.
    let python =
        fernet::Fernet::new(&SecretKey::from_bytes([1; 32]).to_text()).map(|key| key.encrypt(SEEDED));
    seed("decrypt", "fernet-unbound", python.unwrap_or_default().as_bytes())?;
    seed("decrypt", "plain", b"a value that was not sealed")?;
    seed("decrypt", "key", SecretKey::from_bytes([9; 32]).to_text().as_bytes())?;
    let ring = format!(
        "{},\n{}",
        *SecretKey::from_bytes([9; 32]).to_text(),
        *SecretKey::from_bytes([8; 32]).to_text()
    );
    seed("decrypt", "keys", ring.as_bytes())
}
