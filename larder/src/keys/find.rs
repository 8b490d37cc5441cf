//! `LARDER_KEY`, else `key_file`, else, on disk, the platform's key file.

use std::path::{Path, PathBuf};

use kv_core::{Encryption, Error, ErrorKind, Reserved, Result, Store};
use kv_encrypt::{Cipher, EncryptExt, Encrypted, KeyRing};
use zeroize::Zeroizing;

use super::Place;
use crate::note::{Note, Noted};
use crate::platform::{self, FINDING_THE_KEY, Platform, Sealing};

const DEFAULT_NAMESPACE: &str = "larder";

/// How the values of a store are sealed.
#[derive(Clone, Debug)]
pub(crate) struct Seal {
    keys: KeyRing,
    encryption: Encryption,
    context: String,
}

/// Where a key may stand, read from the platform; what follows touches files.
struct Source {
    variable: Option<Zeroizing<String>>,
    key_file: Option<PathBuf>,
    /// The platform's key file, or why there is none.
    platform: Result<PathBuf>,
    place: Place,
}

impl Seal {
    /// The keys that `reserved` asks for; `None` if the store is not to be encrypted.
    pub(crate) async fn find(
        platform: &impl Platform,
        app: &str,
        reserved: &Reserved,
        place: Place,
    ) -> Result<Option<Self>> {
        let Some(encryption) = reserved.encrypt else { return Ok(None) };
        let variable =
            platform.var(KeyRing::ENV).map(|text| Zeroizing::new(text.to_string_lossy().into_owned()));
        let source = Source {
            variable: variable.filter(|text| !text.trim().is_empty()),
            key_file: reserved.key_file.clone(),
            platform: platform::key_file(platform, app),
            place,
        };
        let read = tokio::task::spawn_blocking(move || source.read()).await.map_err(interrupted);
        let keys = read.flatten().map_err(|error| error.during(FINDING_THE_KEY))?;
        let context = reserved.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned());
        Ok(Some(Self { keys, encryption, context }))
    }

    /// What opens the values that py-key-value sealed with these keys.
    #[cfg(feature = "pykv")]
    pub(crate) fn opener(self) -> kv_pykv::Opener {
        kv_pykv::Opener::fernet(move |token| self.keys.open_token(token))
    }

    /// The sealed store on `backend`, whose note is this one and has its `place` there.
    pub(crate) fn noted<S: Store>(self, backend: S, place: String, note: &Note) -> Encrypted<Noted<S>> {
        let noted = Noted::new(backend, place, Some(self.clone()), note);
        self.around(noted)
    }

    /// The sealed store on `backend`, which sees to its note itself.
    pub(crate) fn around<S: Store>(self, backend: S) -> Encrypted<S> {
        let cipher = match self.encryption {
            Encryption::Fernet => Cipher::Fernet,
            _ => Cipher::Aead,
        };
        backend.encrypted(self.keys).cipher(cipher).context(self.context)
    }

    /// Whether the key of this id is among ours.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.keys.ids().any(|own| own.to_string() == id)
    }

    /// The id of the key that seals.
    pub(crate) fn key(&self) -> String {
        self.keys.active().to_string()
    }

    /// Our keys by their ids, as an error tells them.
    pub(crate) fn given(&self) -> String {
        let ids: Vec<_> = self.keys.ids().map(|id| id.to_string()).collect();
        format!("{} {}", if ids.len() == 1 { "the key" } else { "the keys" }, ids.join(", "))
    }

    /// A seal of the keys of which each has 32 such bytes.
    #[cfg(test)]
    pub(crate) fn of_bytes(keys: &[u8]) -> Self {
        let keys = keys.iter().map(|byte| kv_encrypt::SecretKey::from_bytes([*byte; 32]));
        let keys = KeyRing::new(keys).expect("a ring");
        Self { keys, encryption: Encryption::Aead, context: DEFAULT_NAMESPACE.to_owned() }
    }

    /// What others may know of it.
    pub(crate) fn sealing(&self) -> Sealing {
        Sealing { encryption: self.encryption, key: self.keys.active() }
    }
}

impl Source {
    fn read(self) -> Result<KeyRing> {
        if let Some(text) = &self.variable {
            let unusable =
                |error| Error::new(ErrorKind::Invalid, "LARDER_KEY holds no usable keys").because(error);
            return KeyRing::from_text(text).map_err(unusable);
        }
        if let Some(path) = &self.key_file {
            return KeyRing::from_file(path);
        }
        match self.place {
            Place::Elsewhere => Err(no_key("add `key_file=` to the URL", None)),
            Place::ExistingDirectory => existing(&self.platform?),
            Place::NewDirectory => created(&self.platform?),
        }
    }
}

/// The key that was made with the store, and no other: a new one could not open what is there.
fn existing(path: &Path) -> Result<KeyRing> {
    match path.try_exists() {
        Ok(false) => Err(no_key("bring its key file back, or add `key_file=` to the URL", Some(path))),
        _ => KeyRing::from_file(path),
    }
}

fn created(path: &Path) -> Result<KeyRing> {
    match KeyRing::create_file(path) {
        // Another store of this user has made it, or another process that is just as new.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => KeyRing::from_file(path),
        made => made,
    }
}

fn no_key(instead: &str, looked_at: Option<&Path>) -> Error {
    let looked = looked_at.map(|path| format!("; {} does not exist", path.display())).unwrap_or_default();
    let message = format!("there is no key for the store: set LARDER_KEY, or {instead}{looked}");
    Error::new(ErrorKind::Invalid, message)
}

fn interrupted(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "reading the key was interrupted").because(error)
}
