//! The store that a command works on.

use std::ffi::OsString;
use std::path::PathBuf;

use kv_core::{AnyStore, ErrorKind, RedactedUrl, StoreUrl};
use larder::platform::{self, Os, Platform, System};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::Failure;

/// The program's name among the user's data.
const APP: &str = "larder";

/// What stands unescaped in a path of ours.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// The URL of the store that `larder serve` uses when it is given none: an encrypted directory among the user's data.
///
/// # Errors
/// The user has no data directory.
pub(crate) fn default_url() -> Result<String, Failure> {
    let dir = platform::data_dir(&System, APP).map_err(|error| {
        Failure::usage("there is no place for the default store: give --store URL").because(error)
    })?;
    let dir = dir.join("store");
    let path = dir.to_str().ok_or_else(|| {
        Failure::usage(format!("{} is not UTF-8: give --store URL, or set XDG_DATA_HOME", dir.display()))
    })?;
    let slash = if path.starts_with('/') { "" } else { "/" };
    Ok(format!("disk://{slash}{}?encrypt=aead", percent_encode(path.replace('\\', "/").as_bytes(), ESCAPED)))
}

/// Where the key of a store in a directory stands if nothing else is said.
pub(crate) fn key_file(platform: &impl Platform) -> Option<PathBuf> {
    platform::key_file(platform, APP).ok()
}

/// The directory of a store of `disk`; `None` for every other store, and for what is no URL.
pub(crate) fn directory(url: &str) -> Option<PathBuf> {
    let url = StoreUrl::parse(url).ok()?;
    if url.scheme() == "disk" { url.directory().ok() } else { None }
}

/// Whether the store lies in a directory of this machine.
pub(crate) fn is_directory(url: &str) -> bool {
    StoreUrl::parse(url).is_ok_and(|url| matches!(url.scheme(), "disk" | "rocksdb"))
}

/// Opens `url`; `what` names the flag or argument in errors.
///
/// # Errors
/// As [`larder::open`], with what to do about it.
pub(crate) async fn open(url: &str, what: &str) -> Result<AnyStore, Failure> {
    platform::open(&Program, url).await.map_err(|error| failure(url, what, error))
}

/// As [`open`], for who reads: what is not there is not made.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_existing(url: &str, what: &str) -> Result<AnyStore, Failure> {
    platform::open_existing(&Program, url).await.map_err(|error| failure(url, what, error))
}

/// The system, but that what a store has to tell goes to the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program;

impl Platform for Program {
    fn os(&self) -> Os {
        System.os()
    }

    fn var(&self, name: &str) -> Option<OsString> {
        System.var(name)
    }

    fn home(&self) -> Option<PathBuf> {
        System.home()
    }

    fn tell(&self, line: &str) {
        tracing::warn!(target: "larder", "{line}");
    }
}

pub(crate) fn failure(url: &str, what: &str, error: kv_core::Error) -> Failure {
    let shown = RedactedUrl::new(url);
    let change = match error.operation() {
        Some(platform::FINDING_THE_KEY) if is_encrypted(url) => {
            "see to the key file, or to LARDER_KEY".to_owned()
        }
        _ => format!("change {what}"),
    };
    let message = format!("the store {shown} did not open ({change})");
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Unsupported => Failure::usage(message).because(error),
        _ => Failure::new(message).because(error),
    }
}

fn is_encrypted(url: &str) -> bool {
    StoreUrl::parse(url).is_ok_and(|url| url.reserved().encrypt.is_some())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{directory, is_directory};

    #[test]
    fn only_a_store_on_disk_has_a_directory() {
        assert_eq!(directory("disk:///a%20b?encrypt=aead").as_deref(), Some(Path::new("/a b")));
        assert_eq!(directory("memory://"), None);
        assert_eq!(directory("no url"), None);
        assert!(is_directory("rocksdb:a") && is_directory("disk:a") && !is_directory("redis://a"));
    }
}
