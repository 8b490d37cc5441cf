//! A platform of which a test decides everything.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use larder::platform::{Os, Platform, data_dir, key_file};
use larder::{AnyStore, Key, NewEntry, PutMode, Store, StoreExt};
use tempfile::TempDir;

pub(crate) const APP: &str = "shop";

pub(crate) struct Fake {
    os: Os,
    vars: HashMap<&'static str, OsString>,
    disk: TempDir,
    told: Mutex<Vec<String>>,
}

impl Fake {
    pub(crate) fn new(os: Os) -> Self {
        let fake = Self { os, vars: HashMap::new(), disk: TempDir::new().unwrap(), told: Mutex::default() };
        match os {
            Os::Windows => {
                let [local, roaming] =
                    ["AppData/Local", "AppData/Roaming"].map(|dir| fake.disk.path().join(dir));
                fake.with("LOCALAPPDATA", local).with("APPDATA", roaming)
            }
            _ => fake,
        }
    }

    pub(crate) fn with(mut self, variable: &'static str, value: impl Into<OsString>) -> Self {
        self.vars.insert(variable, value.into());
        self
    }

    pub(crate) fn without(mut self, variable: &'static str) -> Self {
        self.vars.remove(variable);
        self
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.disk.path().join(below)
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        data_dir(self, APP).unwrap()
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        key_file(self, APP).unwrap()
    }

    /// A URL for a directory on this platform's disk.
    pub(crate) fn url(&self, below: &str, query: &str) -> String {
        format!("disk://{}?{query}", self.path(below).display())
    }
}

impl Platform for Fake {
    fn os(&self) -> Os {
        self.os
    }

    fn var(&self, name: &str) -> Option<OsString> {
        self.vars.get(name).cloned()
    }

    fn home(&self) -> Option<PathBuf> {
        Some(self.disk.path().to_owned())
    }

    fn tell(&self, line: &str) {
        self.told.lock().unwrap().push(line.to_owned());
    }
}

const KEY: Key<'_> = Key::new("notes", "1");

pub(crate) async fn write(store: &AnyStore, value: &str) {
    store.put(KEY, NewEntry::new(value.to_owned()), PutMode::Replace).await.unwrap();
}

pub(crate) async fn read(store: &AnyStore) -> larder::Result<Option<String>> {
    let entry = store.get(KEY).await?;
    Ok(entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()))
}

/// The store of this directory without any wrapper, whatever its note says.
pub(crate) async fn bare(dir: &Path) -> larder::disk::DiskStore {
    let mut config = larder::disk::DiskConfig::new(dir);
    config.create = false;
    larder::disk::DiskStore::open(config).await.unwrap()
}

/// What lies in the store of this directory beside its note: collection, id, value.
pub(crate) async fn raw(dir: &Path) -> Vec<(String, String, Vec<u8>)> {
    let store = bare(dir).await;
    let mut found = Vec::new();
    let mut scan = store.scan_all(larder::Scan::under("").values());
    while let Some(item) = scan.next().await.unwrap() {
        if kv_core::note::is_at(Key::new(&item.collection, &item.id)) {
            continue;
        }
        found.push((item.collection.into(), item.id.into(), item.entry.unwrap().value.to_vec()));
    }
    store.close().await.unwrap();
    found
}
