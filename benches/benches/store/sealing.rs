//! What encryption costs: by itself, and before an engine.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use kv_core::{
    Capabilities, Changes, Cursor, Entry, Error, ErrorKind, Key, Meta, NewEntry, Page, PutMode, Result, Scan,
    Signals, Store, StoreExt as _, Version,
};
use kv_disk::Engine;
use kv_encrypt::{Cipher as Form, EncryptExt as _, Encrypted, KeyRing, SecretKey};
use kv_memory::MemoryStore;
use larder_benches::workload::{Name, Values};

use crate::backends::{cache_bytes, directory, disk, filled, filled_points, with_ttl};
use crate::drive::Drive;
use crate::peers::{Aead, Cipher, Fernet, Flush, Moka, MokaWithTtl, Sealed, Sled};
use crate::suite::{Bench, Lazy, Raw, points, reads, writes};
use larder_benches::larder::Larder;
use larder_benches::subject::Points;

fn encrypted<S: Store>(store: S, form: Form) -> Encrypted<S> {
    let ring = KeyRing::new([SecretKey::from_bytes([7; 32])]).expect("one key makes a ring");
    store.encrypted(ring).cipher(form)
}

pub(crate) fn memory(bench: &mut Bench<'_>, values: &Values) {
    on_memory(bench, "memory-aead", values, Form::Aead, Aead::new);
    on_memory(bench, "memory-fernet", values, Form::Fernet, Fernet::new);
}

fn on_memory<C: Cipher>(bench: &mut Bench<'_>, name: &str, values: &Values, form: Form, cipher: fn() -> C) {
    let drive = bench.drive;
    let larder = Lazy::new(|| filled(drive, Larder(encrypted(MemoryStore::new(), form).erased()), values));
    let raw = Lazy::new(|| filled(drive, Sealed { engine: Moka::default(), cipher: cipher() }, values));
    reads(bench, name, values, &larder, &raw);
    let raw = Raw { alone: Lazy::new(|| raw.get().clone()), shared: Lazy::new(|| raw.get().clone()) };
    writes(bench, name, values, &larder, &raw);
    let with_ttl =
        Lazy::new(|| filled_points(drive, Sealed { engine: MokaWithTtl::new(), cipher: cipher() }, values));
    bench.each(&format!("{name}/put_with_ttl"), values.bytes(), |group| {
        group.run("raw", &with_ttl, |drive, s, tasks, rounds| drive.put(s, values, tasks, rounds));
        group.run("larder", &larder, |drive, s, tasks, rounds| drive.put_with_ttl(s, values, tasks, rounds));
    });
}

pub(crate) fn sled(bench: &mut Bench<'_>, values: &Values) {
    let (drive, dir) = (bench.drive, directory());
    let store = || encrypted(disk(drive, Engine::Sled, &dir, values), Form::Aead);
    let larder = Lazy::new(|| filled(drive, Larder(store().erased()), values));
    let open = || Sled::open(directory(), cache_bytes(values.bytes())).flushing(Flush::Grouped);
    let shared = Lazy::new(|| filled(drive, Sealed { engine: open(), cipher: Aead::new() }, values));
    reads(bench, "disk-sled-aead", values, &larder, &shared);
    let raw = Raw {
        alone: Lazy::new(|| {
            let Sealed { engine, cipher } = shared.get();
            Sealed { engine: engine.flushing(Flush::Each), cipher: cipher.clone() }
        }),
        shared: Lazy::new(|| shared.get().clone()),
    };
    writes(bench, "disk-sled-aead", values, &larder, &raw);
    with_ttl(bench, "disk-sled-aead", values, &larder, &raw);
}

/// Sealing and opening alone, before a store that does nothing.
pub(crate) fn alone(bench: &mut Bench<'_>, values: &Values) {
    alone_with(bench, "aead-alone", values, Form::Aead, Aead::new);
    alone_with(bench, "fernet-alone", values, Form::Fernet, Fernet::new);
}

fn alone_with<C: Cipher>(bench: &mut Bench<'_>, name: &str, values: &Values, form: Form, cipher: fn() -> C) {
    let drive = bench.drive;
    let larder = Lazy::new(|| primed(drive, Wrapped(encrypted(OneEntry::default(), form)), values));
    let raw = || primed(drive, ByHand { store: OneEntry::default(), cipher: cipher() }, values);
    let raw = Raw { alone: Lazy::new(raw), shared: Lazy::new(raw) };
    points(bench, name, values, &larder, &raw);
}

fn primed<S: Points>(drive: &Drive, mut subject: S, values: &Values) -> S {
    drive.block_on(subject.put(0, values.of(0)));
    let found = drive.block_on(subject.get(0));
    assert_eq!(found.as_ref().map(AsRef::as_ref), Some(values.of(0).as_ref()));
    subject
}

/// The bare primitive, called by hand before and after the same store.
#[derive(Clone)]
struct ByHand<C> {
    store: OneEntry,
    cipher: C,
}

impl<C: Cipher> Points for ByHand<C> {
    type Value = Vec<u8>;

    async fn get(&mut self, _: u64) -> Option<Vec<u8>> {
        let name = Name::of(0);
        let (collection, id) = name.parts();
        let found = self.store.get(Key::new(collection, id)).await.expect("a get succeeds")?;
        Some(self.cipher.open(name.as_bytes(), &found.value))
    }

    async fn put(&mut self, _: u64, value: &Bytes) {
        let name = Name::of(0);
        let (collection, id) = name.parts();
        let entry = NewEntry::new(self.cipher.seal(name.as_bytes(), value));
        self.store.put(Key::new(collection, id), entry, PutMode::Replace).await.expect("a put succeeds");
    }
}

/// The wrapper as it is, without the allocation that `AnyStore` makes for its future.
#[derive(Clone)]
struct Wrapped(Encrypted<OneEntry>);

impl Points for Wrapped {
    type Value = Bytes;

    async fn get(&mut self, _: u64) -> Option<Bytes> {
        let name = Name::of(0);
        let (collection, id) = name.parts();
        self.0.get(Key::new(collection, id)).await.expect("a get succeeds").map(|entry| entry.value)
    }

    async fn put(&mut self, _: u64, value: &Bytes) {
        let name = Name::of(0);
        let (collection, id) = name.parts();
        let entry = NewEntry::new(value.clone());
        self.0.put(Key::new(collection, id), entry, PutMode::Replace).await.expect("a put succeeds");
    }
}

/// A store that keeps the first entry it is given, under every name.
#[derive(Clone, Debug)]
struct OneEntry {
    entry: Arc<OnceLock<Entry>>,
    capabilities: Capabilities,
}

impl Default for OneEntry {
    fn default() -> Self {
        Self { entry: Arc::default(), capabilities: Capabilities::of("one entry") }
    }
}

fn unsupported<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "this store has one entry"))
}

impl Store for OneEntry {
    async fn get(&self, _: Key<'_>) -> Result<Option<Entry>> {
        Ok(self.entry.get().cloned())
    }

    async fn put(&self, _: Key<'_>, entry: NewEntry, _: PutMode) -> Result<Version> {
        let (value, version, ..) = entry.into_parts();
        if self.entry.get().is_none() {
            drop(self.entry.set(Entry::new(value, version, None, Meta::default())));
        } else {
            std::hint::black_box(value);
        }
        Ok(version)
    }

    async fn take(&self, _: Key<'_>, _: Option<Version>) -> Result<Option<Entry>> {
        unsupported()
    }

    async fn get_many(&self, _: &[Key<'_>]) -> Result<Vec<Result<Option<Entry>>>> {
        unsupported()
    }

    async fn put_many(&self, _: Vec<(Key<'_>, NewEntry)>) -> Result<Vec<Result<Version>>> {
        unsupported()
    }

    async fn delete_many(&self, _: &[Key<'_>]) -> Result<Vec<Result<()>>> {
        unsupported()
    }

    async fn scan(&self, _: Scan<'_>, _: Option<&Cursor>) -> Result<Page> {
        unsupported()
    }

    async fn signal(&self, _: &str, _: Bytes) -> Result<()> {
        unsupported()
    }

    async fn signals(&self, _: &str) -> Result<Signals> {
        unsupported()
    }

    async fn changes(&self) -> Result<Changes> {
        unsupported()
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }
}
