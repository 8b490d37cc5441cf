//! What [`open`](crate::open) and the defaults ask of the platform, so that the rules of all platforms can be tried on
//! any of them.
//!
//! | | data | configuration |
//! |---|---|---|
//! | Linux | `$XDG_DATA_HOME`, else `~/.local/share` | `$XDG_CONFIG_HOME`, else `~/.config` |
//! | macOS | `~/Library/Application Support` | `~/Library/Preferences` |
//! | Windows | `%LOCALAPPDATA%` | `%APPDATA%` |
//!
//! The store of `app` lies in `app/store` of the first, its key in `app/larder.key` of the second: a copy of the data
//! is no copy of the key.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kv_core::{AnyStore, Error, ErrorKind, Finding, Result};

use crate::open::Missing;

mod system;

pub use system::System;

/// The app for which [`open`] looks for the platform's key file.
const APP: &str = "larder";

/// The [operation](kv_core::Error::operation) of every error that is about the key of a store: there is none, it cannot be
/// read, or it is another one than the values were sealed by.
pub const FINDING_THE_KEY: &str = "finding the key";

/// How the values of a store are sealed.
#[cfg(feature = "encrypt")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealing {
    /// The form of new values.
    pub encryption: kv_core::Encryption,
    /// The id of the key that seals them, which gives nothing away of the key.
    pub key: kv_encrypt::KeyId,
}

/// Whose rules about directories and defaults hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Os {
    /// Linux, and every other Unix but macOS.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// What is asked of a platform. [`System`] is the real one.
pub trait Platform: Send + Sync {
    /// Whose rules hold.
    fn os(&self) -> Os;

    /// The environment variable `name`; `None` when it is not set.
    fn var(&self, name: &str) -> Option<OsString>;

    /// The user's home directory.
    fn home(&self) -> Option<PathBuf>;

    /// Tells the user one line, on stderr.
    fn tell(&self, line: &str);
}

/// As [`crate::open`], on this platform.
///
/// # Errors
/// As there.
pub async fn open(platform: &impl Platform, url: &str) -> Result<AnyStore> {
    crate::open::open(platform, APP, url, Missing::IsMade).await
}

/// As [`crate::open_existing`], on this platform.
///
/// # Errors
/// As there.
pub async fn open_existing(platform: &impl Platform, url: &str) -> Result<AnyStore> {
    crate::open::open(platform, APP, url, Missing::IsRefused).await
}

/// As [`crate::diagnose`], on this platform.
///
/// # Errors
/// As there.
pub async fn diagnose(platform: &impl Platform, url: &str) -> Result<(AnyStore, Vec<Finding>)> {
    crate::open::diagnose(platform, APP, url, Missing::IsMade).await
}

/// As [`crate::diagnose_existing`], on this platform.
///
/// # Errors
/// As there.
pub async fn diagnose_existing(platform: &impl Platform, url: &str) -> Result<(AnyStore, Vec<Finding>)> {
    crate::open::diagnose(platform, APP, url, Missing::IsRefused).await
}

/// As [`crate::open_encrypted`], on this platform.
///
/// # Errors
/// As there.
#[cfg(feature = "encrypt")]
pub async fn open_encrypted(platform: &impl Platform, url: &str) -> Result<kv_encrypt::Encrypted<AnyStore>> {
    crate::open::open_encrypted(platform, APP, url).await
}

/// How the store of `url`, which is there, seals its values; `None` where it is to be in the clear. Opens and makes nothing.
///
/// # Errors
/// `Invalid` for a malformed URL; as [`crate::open`] where the key is missing or cannot be read.
#[cfg(feature = "encrypt")]
pub async fn sealing(platform: &impl Platform, url: &str) -> Result<Option<Sealing>> {
    crate::open::sealing(platform, APP, url).await
}

/// As [`crate::default_store`], on this platform.
///
/// # Errors
/// As there.
pub async fn default_store(platform: &impl Platform, app: &str) -> Result<AnyStore> {
    crate::defaults::default_store(platform, app).await
}

/// As [`crate::program_store`], on this platform.
///
/// # Errors
/// As there.
pub async fn program_store(platform: &impl Platform, app: &str) -> Result<AnyStore> {
    crate::defaults::program_store(platform, app).await
}

/// The directory of `app` in the user's data; the store is `store` in it.
///
/// # Errors
/// `Invalid` for a bad `app` and where the user has none.
pub fn data_dir(platform: &impl Platform, app: &str) -> Result<PathBuf> {
    let found = match platform.os() {
        Os::Linux => xdg(platform, "XDG_DATA_HOME", ".local/share"),
        Os::MacOs => at_home(platform, "Library/Application Support"),
        Os::Windows => absolute(platform, "LOCALAPPDATA"),
    };
    Ok(found.ok_or_else(homeless)?.join(named(app)?))
}

/// The key file that is made for `app` when its store is.
///
/// # Errors
/// As [`data_dir`].
pub fn key_file(platform: &impl Platform, app: &str) -> Result<PathBuf> {
    let found = match platform.os() {
        Os::Linux => xdg(platform, "XDG_CONFIG_HOME", ".config"),
        Os::MacOs => at_home(platform, "Library/Preferences"),
        Os::Windows => absolute(platform, "APPDATA"),
    };
    Ok(found.ok_or_else(homeless)?.join(named(app)?).join("larder.key"))
}

// XDG Base Directory Specification: a relative path in these variables is invalid and to be ignored.
fn xdg(platform: &impl Platform, variable: &str, below_home: &str) -> Option<PathBuf> {
    absolute(platform, variable).or_else(|| at_home(platform, below_home))
}

fn absolute(platform: &impl Platform, variable: &str) -> Option<PathBuf> {
    platform.var(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn at_home(platform: &impl Platform, below: &str) -> Option<PathBuf> {
    platform.home().filter(|home| home.is_absolute()).map(|home| home.join(below))
}

/// An app's name becomes a directory's: nothing in it may lead elsewhere.
pub(crate) fn named(app: &str) -> Result<&Path> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if !app.is_empty() && app.len() <= 64 && app.chars().all(plain) && !app.starts_with('.') {
        return Ok(Path::new(app));
    }
    let rule = "an app is named by 1 to 64 letters, digits, `.`, `-` and `_`, not beginning with `.`";
    Err(Error::new(ErrorKind::Invalid, rule))
}

fn homeless() -> Error {
    let message = "this user has no home directory to keep a store in: set LARDER_STORE to a URL such as \
                   `disk:///var/lib/app`, with a key in LARDER_KEY if it is encrypted";
    Error::new(ErrorKind::Invalid, message)
}
